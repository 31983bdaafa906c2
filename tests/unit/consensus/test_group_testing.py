"""The search for the bad among many: it finds exactly them, in few tests."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from consensus.group_testing import search


class Oracle:
    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.sizes: list[int] = []

    def __call__(self, items: Sequence[int]) -> bool:
        assert items, "a test of nothing"
        self.sizes.append(len(items))
        return self.bad.isdisjoint(items)


@given(st.integers(0, 200), st.data())
def test_exactly_the_bad_ones_are_found(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.sampled_from(range(count)))) if count else set()
    tests = Oracle(bad)
    assert search(range(count), tests) == sorted(bad)
    assert len(tests.sizes) <= count + 12


def test_all_good_is_one_test_and_none_is_no_test() -> None:
    tests = Oracle(set())
    assert search(range(64), tests) == []
    assert search([], tests) == []
    assert tests.sizes == [64]


def test_one_bad_one_costs_a_few_tests_wherever_it_is() -> None:
    for bad in range(64):
        tests = Oracle({bad})
        assert search(range(64), tests) == [bad]
        assert len(tests.sizes) <= 18


def test_where_many_are_bad_small_groups_are_tried() -> None:
    tests = Oracle(set(range(0, 64, 2)))
    search(range(64), tests)
    assert set(tests.sizes[-30:]) == {1}
