"""Train the demo model from nothing: ``python -m inference.demo.train --out DIR`` (16 minutes).

Needs ``pip install torch==2.13.0 gguf`` in an environment of its own. The corpus and the start
are fixed by the seed; the weights still differ between machines, because training does not run in
the canonical runtime. What counts is the file that is shipped, named by its SHA-256.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from inference.demo import bpe
from inference.demo.corpus import Example, examples
from inference.demo.export import write_gguf
from inference.demo.network import Shape, logits, new_weights, torch

SEED = 7
PROMPT_WEIGHT = 0.1  # of the loss: the answer is what counts, the prompt helps to read
# So that no single word decides: some prompts have some of their tokens replaced by any others.
BLURRED, BLUR = 0.3, 0.08


def encode(tokenizer: bpe.Tokenizer, example: Example) -> tuple[list[int], int]:
    """Token ids of a whole example and the position at which the answer starts."""
    prompt = [tokenizer.special(bpe.USER), *tokenizer.encode(example.prompt), tokenizer.special(bpe.ANSWER)]
    return [*prompt, *tokenizer.encode(example.answer), tokenizer.special(bpe.END)], len(prompt)


def batches(tokenizer: bpe.Tokenizer, seed: int, count: int, size: int) -> Iterator[tuple[Any, Any]]:
    """``count`` batches of (tokens, weights), examples of like length together to save padding."""
    rng = Random(seed)  # noqa: S311 - an order, not a secret
    stream = (encode(tokenizer, e) for e in examples(seed, count * size))
    pad = tokenizer.special(bpe.END)
    left = count
    while left:
        group = min(32, left)
        left -= group
        rows = sorted((next(stream) for _ in range(group * size)), key=lambda row: len(row[0]))
        chunks = [rows[i * size : (i + 1) * size] for i in range(group)]
        rng.shuffle(chunks)
        for chunk in chunks:
            width = max(len(ids) for ids, _ in chunk)
            tokens = torch.full((size, width), pad)
            weight = torch.zeros(size, width - 1)
            for i, (ids, start) in enumerate(chunk):
                tokens[i, : len(ids)] = torch.tensor(_blurred(rng, tokenizer, ids, start))
                weight[i, : len(ids) - 1] = PROMPT_WEIGHT
                weight[i, start - 1 : len(ids) - 1] = 1.0
            yield tokens, weight


def _blurred(rng: Random, tokenizer: bpe.Tokenizer, ids: list[int], start: int) -> list[int]:
    """The example with noise in its prompt, if it is one of those that get some."""
    if rng.random() >= BLURRED:
        return ids
    ordinary = len(tokenizer.tokens) - len(bpe.SPECIAL)
    return [
        rng.randrange(ordinary) if 0 < i < start - 1 and rng.random() < BLUR else token
        for i, token in enumerate(ids)
    ]


def train(
    tokenizer: bpe.Tokenizer, shape: Shape, steps: int, batch: int, rate: float, out: Path
) -> dict[str, Any]:
    """AdamW with a cosine schedule; a checkpoint every 500 steps."""
    weights = new_weights(shape, SEED)
    plain = [w for w in weights.values() if w.dim() == 1]
    matrices = [w for w in weights.values() if w.dim() == 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
        lr=rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    began, mean = time.monotonic(), 0.0
    for step, (tokens, weight) in enumerate(batches(tokenizer, SEED, steps, batch)):
        warm = min(1.0, (step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        with torch.autocast("cpu", torch.bfloat16):
            out_logits = logits(weights, shape, tokens[:, :-1])
        loss = torch.nn.functional.cross_entropy(
            out_logits.float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        )
        total = (loss * weight.flatten()).sum() / weight.sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        mean = total.item() if step == 0 else 0.98 * mean + 0.02 * total.item()
        if step % 50 == 0:
            print(f"step {step}/{steps} loss {mean:.4f} {time.monotonic() - began:.0f} s", flush=True)
        if step % 500 == 499:
            write_gguf(
                out / "demo.gguf", tokenizer, shape, {name: w.detach().numpy() for name, w in weights.items()}
            )
    return {name: w.detach().numpy() for name, w in weights.items()}


def main() -> None:
    """Train, and write ``demo.gguf`` to the folder given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for demo.gguf")
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    shape = Shape()
    tokenizer = bpe.train((e.prompt + "\n" + e.answer for e in examples(SEED + 1, 12_000)), shape.vocabulary)
    weights = train(tokenizer, shape, options.steps, options.batch, options.rate, options.out)
    write_gguf(options.out / "demo.gguf", tokenizer, shape, weights)
    (options.out / "training.json").write_text(
        json.dumps(
            {
                "steps": options.steps,
                "batch": options.batch,
                "rate": options.rate,
                "seed": SEED,
                "parameters": sum(w.size for w in weights.values()),
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
