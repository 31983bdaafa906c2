"""Honest members never disagree: ``python -m tests.honest_runs --runs 10000``.

Each run makes a random request, generates its answer in one worker and checks it in another one, which has
other slots and batches: as one draft, or chunk by chunk as in verify mode. Any bit that differs is
a mismatch, and the exit code is not 0.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from inference.model import demo_model
from inference.request import Generation, Request
from inference.trace import CHUNK_TOKENS
from inference.worker import Guide, ModelWorker

TEXT = (
    "proposal treasury swap ETH USDC the vote pays audit bridge risk upgrade timelock owner 40,000 why? "
    "transfer sandwich Ünïcode 提案 🙂 {} <|user|> once upon a time delegate quorum"
)
WORDS = TEXT.split()
LABELS = ("treasury", "parameter", "upgrade", "low", "medium", "high", "swap", "transfer")
SCHEMAS = (
    {"type": "object", "properties": {"risk": {"enum": ["low", "high"]}}, "required": ["risk"]},
    {"type": "array", "items": {"type": "integer"}, "maxItems": 4},
)


def _any_text(chance: random.Random) -> bytes:
    """Characters from all of Unicode."""
    found = (chr(chance.choice((chance.randrange(0x80), chance.randrange(0x110000)))) for _ in range(40))
    return "".join(one for one in found if not 0xD800 <= ord(one) < 0xE000).encode() or b"x"


def random_request(chance: random.Random) -> Request:
    """Any request that a dApp might make, of up to 80 tokens."""
    text = " ".join(chance.choices(WORDS, k=chance.randint(1, 40))).encode()
    request = Request(
        input=text if chance.random() < 0.9 else _any_text(chance),
        max_tokens=chance.randint(1, 80),
        # Mostly hot: otherwise the demo model ends after a token or two.
        temperature_milli=chance.choice((0, 1, 1000, 10_000, 20_000, 40_000, chance.randint(1, 20_000))),
        top_k=chance.choice((0, 0, 0, 1, 5, 40)),
        top_p_micro=chance.choice((0, 0, 0, 500_000, 950_000)),
        min_p_micro=chance.choice((0, 0, 0, 10_000, 200_000)),
        repetition_penalty_milli=chance.choice((0, 0, 1100, 1500)),
        seed=chance.randrange(2**64),
        stop=chance.choice(((), (), (), (".",), (" the", "yes"))),
        task_seed=chance.randbytes(32),
    )
    kind = chance.random()
    if kind < 0.1:
        count = chance.randint(1, len(LABELS))
        return replace(request, choices=tuple(chance.sample(LABELS, count)))
    if kind < 0.2:
        return replace(request, json_schema=json.dumps(chance.choice(SCHEMAS)))
    return request


@dataclass
class Tally:
    """What came out."""

    runs: int = 0
    tokens: int = 0
    mismatches: list[str] = field(default_factory=list)


async def check(
    worker: ModelWorker, request: Request, answer: Generation, chance: random.Random
) -> Generation:
    """What another member computes that is given the answer."""
    if chance.random() < 0.5:
        return await worker.generate(replace(request, draft=answer.token_ids))
    guide = Guide()
    results: list[Generation] = []

    async def follow() -> None:
        results.append(await worker.generate(request, guide=guide))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        for at in range(0, answer.token_count, CHUNK_TOKENS):
            if chance.random() < 0.5:
                await trio.sleep(0.005)  # the follower runs dry
            guide.extend(at, answer.token_ids[at : at + CHUNK_TOKENS])
        if chance.random() < 0.2:
            guide.lead()  # a take-over changes nothing either
    return results[0]


async def runs(
    generator: ModelWorker,
    checker: ModelWorker,
    count: int,
    seed: int,
    at_once: int = 4,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Do ``count`` runs; ``told`` hears of each."""
    tally = Tally()
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            chance = random.Random(f"{seed}/{number}")
            request = random_request(chance)
            answer = await generator.generate(request)
            checked = await check(checker, request, answer, chance)
            if replace(checked, draft_accepted=0) != replace(answer, draft_accepted=0):
                tally.mismatches.append(f"run {number} of seed {seed}: {request}")
            tally.runs += 1
            tally.tokens += answer.token_count
            told(tally)

    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(work)
    return tally


@asynccontextmanager
async def members(model: Path) -> AsyncIterator[tuple[ModelWorker, ModelWorker]]:
    """Two members' workers, as different as operators may make them."""
    async with (
        ModelWorker.open(model, threads=1, slots=4, batch=128) as generator,
        ModelWorker.open(model, threads=1, slots=3, batch=57) as checker,
    ):
        yield generator, checker


def main() -> None:
    """Print the progress and what came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.honest_runs", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, default=demo_model())
    options = parser.parse_args()
    begin = last = time.monotonic()

    def told(tally: Tally) -> None:
        nonlocal last
        if time.monotonic() - last > 10:
            last = time.monotonic()
            print(
                f"{tally.runs:>7,} of {options.runs:,} runs, {len(tally.mismatches)} mismatches", flush=True
            )

    async def work() -> Tally:
        async with members(options.model) as (generator, checker):
            return await runs(generator, checker, options.runs, options.seed, told=told)

    tally = trio.run(work)
    for mismatch in tally.mismatches[:20]:
        print(f"MISMATCH {mismatch}", file=sys.stderr)
    print(
        f"{tally.runs:,} runs, {tally.tokens:,} tokens, {len(tally.mismatches)} mismatches, "
        f"{time.monotonic() - begin:.0f} s"
    )
    sys.exit(1 if tally.mismatches or tally.runs != options.runs else 0)


if __name__ == "__main__":
    main()
