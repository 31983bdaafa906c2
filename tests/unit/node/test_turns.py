"""Many tasks at once are begun in the order of the chain, a few at a time."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from p2pavs.turns import HOLD, Turns


async def test_who_comes_first_begins_first_and_the_others_wait() -> None:
    turns = Turns(at_once=2)
    taken = [turns.next() for _ in range(4)]
    assert [turn.waits for turn in taken] == [False, False, True, True]
    assert turns.waiting == 2
    taken[1].over()
    assert [turn.waits for turn in taken] == [False, False, False, True]
    taken[1].over()  # again: nobody gets a second place by it
    assert taken[3].waits
    taken[0].over()
    await taken[3].come()


async def test_one_that_gives_up_waiting_holds_nobody_up() -> None:
    turns = Turns(at_once=1)
    first, second, third = turns.next(), turns.next(), turns.next()
    second.over()
    assert turns.waiting == 1
    first.over()
    assert not third.waits


async def test_a_task_that_does_not_end_lets_the_next_one_begin(autojump_clock: MockClock) -> None:
    turns = Turns(at_once=1)
    stuck, next_one = turns.next(), turns.next()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stuck.expire)
        await next_one.come()
    assert trio.current_time() - began == HOLD
