"""Feed every decoder with damaged inputs: ``python -m tests.fuzz [--minutes 10] [--seed 1] [--only NAME]``.

Stops at the first broken promise and prints the input. A decoder that takes long for one input is named too.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections.abc import Sequence

import structlog

from tests.fuzz.mutate import mutated
from tests.fuzz.target import Broken, Target, check
from tests.fuzz.targets import targets

SLICE = 2.0  # seconds for one decoder until the next has its turn
LONG = 2.0  # seconds that no single input should take


def work(target: Target, rng: random.Random, seconds: float) -> tuple[int, int, float]:
    """Inputs tried, inputs accepted, and the longest time that one took."""
    tried = accepted = 0
    longest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(target.samples, rng)
        begin = time.perf_counter()
        accepted += check(target, data)
        longest = max(longest, time.perf_counter() - begin)
        tried += 1
    return tried, accepted, longest


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; 0 if every promise held."""
    names = [one.name for one in targets()]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=names)
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = [one for one in targets() if not given.only or one.name in given.only]
    rng = random.Random(given.seed)
    counts: dict[str, tuple[int, int, float]] = {one.name: (0, 0, 0.0) for one in chosen}
    end = time.monotonic() + 60 * given.minutes
    problems = 0
    while time.monotonic() < end and not problems:
        for one in chosen:
            share = min(SLICE, 60 * given.minutes / len(chosen))
            try:
                tried, accepted, longest = work(one, rng, share)
            except Broken as error:
                print(error)
                problems += 1
                break
            count = counts[one.name]
            counts[one.name] = (count[0] + tried, count[1] + accepted, max(count[2], longest))
    print(f"{'decoder':<28}{'inputs':>12}{'accepted':>12}{'longest':>12}")
    for name, (tried, accepted, longest) in counts.items():
        print(f"{name:<28}{tried:>12,}{accepted:>12,}{1000 * longest:>9.1f} ms")
        problems += longest > LONG
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
