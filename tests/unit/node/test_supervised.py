"""A duty that fails begins again, and ends nothing else."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from p2pavs.supervised import FIRST_PAUSE, supervised


@pytest.mark.parametrize(
    "failure", [KeyError("nobody thought of it"), ExceptionGroup("of a nursery", [OSError("gone")])]
)
async def test_what_fails_begins_again(autojump_clock: MockClock, failure: Exception) -> None:
    begun: list[float] = []

    async def duty() -> None:
        begun.append(trio.current_time())
        if len(begun) < 4:
            raise failure
        await trio.sleep_forever()

    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervised, duty, "a duty")
            await trio.sleep(100 * FIRST_PAUSE)
            nursery.cancel_scope.cancel()
    assert [b - a for a, b in pairwise(begun)] == [1.0, 2.0, 4.0]
    assert [(line["event"], line["duty"]) for line in lines] == [("duty_failed", "a duty")] * 3


async def test_a_failure_while_it_is_cancelled_is_no_other_end(autojump_clock: MockClock) -> None:
    async def fail_at_end() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("at the end")

    async def duty() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_at_end)
            nursery.start_soon(trio.sleep_forever)

    with trio.move_on_after(1) as scope:
        await supervised(duty, "a duty")
    assert scope.cancelled_caught


async def test_a_duty_that_is_done_is_not_begun_again() -> None:
    times = 0

    async def duty() -> None:
        nonlocal times
        times += 1

    await supervised(duty, "a duty")
    assert times == 1
