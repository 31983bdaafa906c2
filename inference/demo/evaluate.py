"""Measure the demo model in the canonical runtime.

``python -m inference.demo.evaluate MODEL.gguf --training training.json --card demo-card.md``
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from inference.demo.corpus import Example, examples
from inference.demo.held_out import held_out, held_out_second
from inference.engine import Engine
from inference.model import ModelFile
from inference.request import Request
from inference.runtime import CANONICAL, prepare

HELD_OUT_SEED = 1_000_003  # the corpus of another seed than training's
COUNT = 3000


def measure(
    engine: Engine, cases: Iterable[Example], *, constrained: bool, show: bool = False
) -> dict[str, str]:
    """Share of exact answers by task, as "right/all"."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in cases:
        choices = case.choices if constrained else ()
        answer = engine.run(Request(case.prompt.encode(), 64, choices=choices)).output.decode(
            "utf-8", "replace"
        )
        total[case.task] += 1
        right[case.task] += answer == case.answer
        if show and answer != case.answer:
            print(f"{case.prompt!r}: {answer!r}, wanted {case.answer!r}")
    return {task: f"{right[task]}/{total[task]}" for task in sorted(total)}


CARD = """# The demo model

A Llama of {parameters:.1f} million parameters (Q8_0, {size:.1f} MB), trained from nothing by
`python -m inference.demo.train` on generated text: {steps} steps of {batch} examples, seed {seed}.

SHA-256: `{sha256}`

It classifies short descriptions of transactions (transfer, swap, sandwich) and DAO proposals (treasury,
parameter, upgrade, membership, spam, other), rates their risk, and completes and explains a few dozen
sentences about DAOs. It knows nothing else, and its answers are no advice.

Exact answers, greedy, in the canonical runtime (`python -m inference.demo.evaluate`):

| test | task | right |
|---|---|---|
{rows}

*generated*: the corpus of another seed, so the same patterns with other words; the sentences of *answer*,
*talk* and *complete* are the very ones it was trained on.
*by hand*: prompts in words of their own, no part of the corpus (`inference/demo/held_out.py`,
`held_out_second.py`). The second set was written after the corpus was done, by the author of the corpus; the
first is older than part of it.
"""


def card(file: ModelFile, results: dict[str, dict[str, str]], training: dict[str, float]) -> str:
    """Fill in the model card, in Markdown."""
    rows: list[str] = []
    for test, shares in results.items():
        rows += [f"| {test} | {task} | {share} |" for task, share in shares.items()]
    return CARD.format(
        parameters=training["parameters"] / 1e6,
        size=file.manifest.size / 1e6,
        steps=training["steps"],
        batch=training["batch"],
        seed=training["seed"],
        sha256=file.manifest.sha256,
        rows="\n".join(rows),
    )


def main() -> None:
    """Print the results and write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--training", type=Path, help="training.json of the run")
    parser.add_argument("--card", type=Path, help="where to write the card (Markdown)")
    parser.add_argument("--count", type=int, default=COUNT)
    options = parser.parse_args()
    prepare(CANONICAL)
    file = ModelFile.open(options.model)
    engine = Engine(file, slots=1)
    generated = list(examples(HELD_OUT_SEED, options.count))
    results = {
        "generated, free": measure(engine, generated, constrained=False),
        "first by hand, free": measure(engine, held_out(), constrained=False),
        "first by hand, with choices": measure(engine, held_out(), constrained=True),
        "second by hand, free": measure(engine, held_out_second(), constrained=False),
        "second by hand, with choices": measure(engine, held_out_second(), constrained=True),
    }
    print(json.dumps(results, indent=2))
    if options.card and options.training:
        options.card.write_text(card(file, results, json.loads(options.training.read_text())))


if __name__ == "__main__":
    main()
