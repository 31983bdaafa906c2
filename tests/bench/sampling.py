"""What drawing one token costs: ``python -m tests.bench.sampling [--tokens N]``.

CPU time of the sampler alone, on made-up logits: normally distributed with a spread of 3, so that a few
tokens hold most of the probability.
"""

from __future__ import annotations

import argparse
import sys
import time
from hashlib import sha256

import numpy as np

from inference.request import Request
from inference.sampling import Sampler
from p2pavs.bench.part import median, run, say
from p2pavs.bench.result import Cell, Result

VOCABULARIES = (1_024, 32_000, 128_000, 256_000)
SETTINGS: dict[str, dict[str, int]] = {
    "greedy": {},
    "temperature 0.8": {"temperature_milli": 800},
    "temperature 0.8, repetition penalty 1.1": {"temperature_milli": 800, "repetition_penalty_milli": 1100},
    "temperature 0.8, top-k 40": {"temperature_milli": 800, "top_k": 40},
    "temperature 0.8, top-p 0.95": {"temperature_milli": 800, "top_p_micro": 950_000},
    "temperature 0.8, top-k 40, top-p 0.95, min-p 0.05": {
        "temperature_milli": 800,
        "top_k": 40,
        "top_p_micro": 950_000,
        "min_p_micro": 50_000,
    },
    "temperature 0.8, min-p 0.05": {"temperature_milli": 800, "min_p_micro": 50_000},
    "temperature 2": {"temperature_milli": 2000},
}


def milliseconds(settings: dict[str, int], vocabulary: int, tokens: int) -> float:
    """CPU milliseconds a token."""
    rng = np.random.default_rng(vocabulary)
    rows = [(rng.normal(size=vocabulary) * 3).astype(np.float32) for _ in range(8)]
    sampler = Sampler(Request(b"", 1, task_seed=sha256(b"bench").digest(), **settings))
    answer: list[int] = []
    began = 0.0
    for i in range(tokens + 8):
        if i == 8:  # tables are made
            began = time.process_time()
        answer.append(sampler.pick(rows[i % 8], answer))
    return (time.process_time() - began) / tokens * 1000


def measure(options: argparse.Namespace) -> Result:
    """Every setting with every vocabulary."""
    tokens = options.tokens or (20 if options.quick else 100)
    rows: list[tuple[Cell, ...]] = []
    for name, settings in SETTINGS.items():
        say(name)
        found = [
            median([milliseconds(settings, v, tokens) for _ in range(options.repeats)]) for v in VOCABULARIES
        ]
        rows.append((name, *found))
    result = Result()
    columns = ("CPU ms a token, vocabulary of", *(f"{v:,}" for v in VOCABULARIES))
    result.table(columns, rows, f"median of {options.repeats} runs of {tokens} tokens, the sampler alone")
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tokens", type=int, help="of each run (100)")


if __name__ == "__main__":
    sys.exit(run(measure, add_options=add_options, description=__doc__))
