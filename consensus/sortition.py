"""Draws that fix a committee from its seed: seats, proposers, poster order. Integers only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from consensus.hashing import draw


def starts(weights: Sequence[int]) -> tuple[int, ...]:
    """Return where each weight begins on the line from 0 to their sum: ``cumBefore`` of the contracts."""
    return tuple(accumulate(weights, initial=0))[:-1]


def owner(cumulative: Sequence[int], point: int) -> int:
    """Return the position whose stretch of the line holds ``point``. All stretches are non-empty."""
    return bisect_right(cumulative, point) - 1


def seats(task_seed: bytes, attempt: int, stakes: Sequence[int], count: int) -> tuple[int, ...]:
    """Draw ``count`` independent seats by stake, with replacement; returns a position per seat."""
    cumulative, total = starts(stakes), sum(stakes)
    return tuple(
        owner(cumulative, draw("p2pavs/seat/1", task_seed, attempt, seat, total)) for seat in range(count)
    )


def proposer(task_seed: bytes, attempt: int, round_: int, cumulative: Sequence[int], total: int) -> int:
    """Draw the position of the proposer of a round by weight, each round independently."""
    return owner(cumulative, draw("p2pavs/proposer/1", task_seed, attempt, round_, total))


def leader(seed: bytes, epoch: int, rank: int, cumulative: Sequence[int], total: int) -> int:
    """Draw by stake who of the running epoch may reveal for the next one (``epoch``) in a rank's window.

    ``seed`` is the running epoch's.
    """
    return owner(cumulative, draw("p2pavs/leader/1", seed, epoch, rank, total))


def poster_order(task_seed: bytes, attempt: int, members: Sequence[int]) -> tuple[int, ...]:
    """Shuffle the members (Fisher-Yates from the end): rank i is the i-th that may post."""
    order = list(members)
    for last in range(len(order) - 1, 0, -1):
        other = draw("p2pavs/poster/1", task_seed, attempt, last, last + 1)
        order[last], order[other] = order[other], order[last]
    return tuple(order)
