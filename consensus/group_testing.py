"""Finding the few bad items among many when a test of several at once costs little more than one of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def search(items: Sequence[T], all_good: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return the bad items, in order. ``all_good`` says whether none of some items (at least one) is bad.

    All of n items good: 1 test. One bad: about log2(n) to find it by halving, and one or two for the rest.
    From then on groups are half as large as the bad items found so far lie apart: where they are many, the
    items are soon tested one by one, which halving both sides all the way takes twice as many tests for.

    What is called bad without a test of its own is the last of a bad group whose others are good.
    """
    bad: list[T] = []
    start, size = 0, len(items)
    while start < len(items):
        end = min(start + size, len(items))
        if all_good(items[start:end]):
            start = end
        else:
            start = _first_bad(items, start, end, all_good)
            bad.append(items[start])
            start += 1
        if bad:
            size = max(1, start // (2 * len(bad)))
    return bad


def _first_bad(items: Sequence[T], start: int, end: int, all_good: Callable[[Sequence[T]], bool]) -> int:
    """Return the position of the first bad item between two positions, where at least one is bad."""
    while end - start > 1:
        middle = (start + end) // 2
        if all_good(items[start:middle]):
            start = middle
        else:
            end = middle
    return start
