"""What drawing one token costs: ``python -m tests.bench.sampling [--tokens N]``.

CPU time of the sampler alone, on made-up logits: normally distributed with a spread of 3, so that a few
tokens hold most of the probability.
"""

from __future__ import annotations

import argparse
import time
from hashlib import sha256

import numpy as np

from inference.request import Request
from inference.sampling import Sampler

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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=100)
    options = parser.parse_args()
    print("| CPU ms a token, vocabulary of | " + " | ".join(f"{v:,}" for v in VOCABULARIES) + " |")
    print("|---|" + "---|" * len(VOCABULARIES))
    for name, settings in SETTINGS.items():
        cells = [f"{milliseconds(settings, v, options.tokens):.2f}" for v in VOCABULARIES]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
