"""Draws: what they return is fixed for ever, and frequencies follow weight."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from consensus import sortition
from consensus.hashing import draw

SEED = bytes(range(32))
WEIGHTS = st.lists(st.integers(1, 2**60), min_size=1, max_size=12)


@given(WEIGHTS, st.data())
def test_a_point_belongs_to_the_stretch_it_lies_in(weights: list[int], data: st.DataObject) -> None:
    point = data.draw(st.integers(0, sum(weights) - 1))
    position = sortition.owner(sortition.starts(weights), point)
    before = sum(weights[:position])
    assert before <= point < before + weights[position]


SEATS = (2, 0, 0, 0, 0, 0, 0, 0)
PROPOSERS = (2, 0, 1, 0, 0, 0, 0, 3)
POSTERS = (3, 7, 5, 2, 11)


def test_draws_are_these() -> None:
    # Frozen: another implementation, or a change of ours, must give the same.
    stakes = [5, 1, 3, 1]
    assert sortition.seats(SEED, 0, stakes, 8) == SEATS
    cumulative = sortition.starts(stakes)
    assert tuple(sortition.proposer(SEED, 0, r, cumulative, 10) for r in range(8)) == PROPOSERS
    assert sortition.poster_order(SEED, 0, [2, 3, 5, 7, 11]) == POSTERS


def test_attempts_draw_anew() -> None:
    first, second = (sortition.seats(SEED, attempt, [1] * 20, 16) for attempt in (0, 1))
    assert first != second


@given(st.binary(min_size=32, max_size=32), st.lists(st.integers(0, 255), unique=True, max_size=20))
def test_poster_order_is_a_permutation(seed: bytes, members: list[int]) -> None:
    assert sorted(sortition.poster_order(seed, 0, sorted(members))) == sorted(members)


def test_every_order_of_posters_comes_up_equally_often() -> None:
    trials = 6000
    found = Counter(sortition.poster_order(SEED, attempt, (0, 1, 2)) for attempt in range(trials))
    expected = trials / 6
    statistic = sum((count - expected) ** 2 / expected for count in found.values())
    assert len(found) == 6
    assert statistic < 25.7  # chi-squared, 5 degrees of freedom, p = 0.0001


def test_seats_follow_stake() -> None:
    stakes = [1, 2, 3, 10, 30, 54]
    trials, total = 100_000, sum(stakes)
    cumulative = sortition.starts(stakes)
    found = Counter(
        sortition.owner(cumulative, draw("p2pavs/seat/1", SEED, 0, seat, total)) for seat in range(trials)
    )
    statistic = sum((found[i] - trials * s / total) ** 2 / (trials * s / total) for i, s in enumerate(stakes))
    assert statistic < 25.7  # chi-squared, 5 degrees of freedom, p = 0.0001


def test_selection_follows_stake() -> None:
    """100,000 seats and 10,000 leaders: chi-squared far within what chance allows (p = 0.001)."""
    stakes = [5, 3, 2, 4, 6, 1, 7, 12]
    limit = 24.32  # chi-squared with 7 degrees of freedom
    counted = Counter(
        position
        for task in range(400)
        for position in sortition.seats(task.to_bytes(32, "big"), task % 3, stakes, 250)
    )
    assert counted.total() == 100_000
    assert _chi_squared(counted, stakes) < limit
    starts = sortition.starts(stakes)
    leaders = Counter(
        sortition.leader(seed.to_bytes(32, "big"), seed, rank, starts, sum(stakes))
        for seed in range(2500)
        for rank in range(4)
    )
    assert _chi_squared(leaders, stakes) < limit


def _chi_squared(counted: Counter[int], stakes: list[int]) -> float:
    expected = [counted.total() * stake / sum(stakes) for stake in stakes]
    return sum((counted[i] - mean) ** 2 / mean for i, mean in enumerate(expected))
