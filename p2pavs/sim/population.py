"""Operators by the thousand: their stakes, who of them misbehaves, and the committees drawn from them.

A real operator set has at most ``MAX_OPERATORS`` entries. Here committees are drawn, by the same sortition,
from stake tables of any size, and their members are numbered by their place on the committee.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus import sortition
from consensus.hashing import keccak256
from consensus.types import MAX_OPERATORS, MAX_SEATS
from p2pavs.errors import UsageError
from p2pavs.sim.adversaries import KINDS

MAX_NODES = 1_000_000
MAX_STAKE_FILE_BYTES = 64 << 20
UNIT = 10**18
_UINT128 = 1 << 128


def equal_stakes(count: int) -> tuple[int, ...]:
    """Give everybody the same."""
    return (UNIT,) * count


def zipf_stakes(count: int) -> tuple[int, ...]:
    """Give the i-th operator the i-th part of the first one's stake."""
    return tuple(count * UNIT // rank for rank in range(1, count + 1))


def read_stakes(path: Path) -> tuple[int, ...]:
    """Read a CSV file whose last column is a stake, one operator a line; a first line of names is skipped.

    Raises ``UsageError``.
    """
    try:
        if path.stat().st_size > MAX_STAKE_FILE_BYTES:
            raise UsageError(f"{path} is too large for a stake table.", "Check the path.")
        rows = [row for row in csv.reader(path.read_text(encoding="utf-8").splitlines()) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path} cannot be read: {error}.", "Give a CSV file with a stake per line."
        ) from None
    if rows and not rows[0][-1].strip().isdigit():
        rows = rows[1:]
    stakes = []
    for number, row in enumerate(rows, start=1):
        text = row[-1].strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 38 and int(text) > 0):
            raise UsageError(
                f"{path}, operator {number}: {text[:40]!r} is no stake.", "Stakes are positive integers."
            )
        stakes.append(int(text))
    if not 0 < len(stakes) <= MAX_NODES or sum(stakes) >= _UINT128:
        raise UsageError(
            f"{path} has {len(stakes)} operators.", f"Between 1 and {MAX_NODES}, below 2^128 in total."
        )
    return tuple(stakes)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A committee: the operators on it in ascending order, and what each weighs."""

    operators: tuple[int, ...]
    weights: tuple[int, ...]
    task_seed: bytes


@dataclass(frozen=True, slots=True)
class Population:
    """A stake table, and the misbehaviour of each operator that misbehaves."""

    stakes: tuple[int, ...]
    adversaries: dict[int, str]

    @classmethod
    def make(cls, stakes: Sequence[int], byzantine: float, kinds: Sequence[str], seed: int) -> Population:
        """Let operators that hold up to this share of the stake misbehave, drawn at random."""
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise UsageError(f"{unknown[0]!r} is no adversary.", f"There are {', '.join(KINDS)}.")
        draw = random.Random(f"population {seed}")  # noqa: S311 - a simulation must be reproducible
        budget = int(byzantine * sum(stakes))
        adversaries = {}
        for operator in draw.sample(range(len(stakes)), len(stakes)):
            if kinds and stakes[operator] <= budget:
                budget -= stakes[operator]
                adversaries[operator] = draw.choice(list(kinds))
        return cls(tuple(stakes), adversaries)

    def draw(self, seed: int, task: int, seats: int) -> Drawn:
        """Draw a task's committee by the protocol's sortition; 0 seats is everybody, by stake."""
        if seats == 0 and len(self.stakes) > MAX_OPERATORS:
            raise UsageError(
                f"All {len(self.stakes)} operators are more than the {MAX_OPERATORS} of a whole set.",
                "Give --committee a number of seats.",
            )
        if not 0 <= seats <= MAX_SEATS:
            raise UsageError(f"A committee has at most {MAX_SEATS} seats.", "Give --committee fewer.")
        task_seed = keccak256(b"simulated task %d of %d" % (task, seed))
        if seats == 0:
            return Drawn(tuple(range(len(self.stakes))), self.stakes, task_seed)
        weights = Counter(sortition.seats(task_seed, 0, self.stakes, seats))
        operators = tuple(sorted(weights))
        return Drawn(operators, tuple(weights[operator] for operator in operators), task_seed)
