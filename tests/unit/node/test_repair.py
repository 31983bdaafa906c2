"""The last words are said again in a rhythm that the committee's size and the decision set."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from consensus.committee import Committee
from consensus.effects import RebroadcastDue
from p2pavs.repair import Repair
from tests.unit.consensus import factory
from tests.unit.node.parliament import SETTINGS


@dataclass
class Listener:
    committee: Committee
    decided_at: float

    @property
    def decided(self) -> bool:
        return trio.current_time() >= self.decided_at


async def repeated(members: int, decided_at: float, seconds: float) -> list[float]:
    """When the last words are due, in seconds from the start."""
    start = trio.current_time()
    times: list[float] = []

    async def due(_: RebroadcastDue) -> None:
        await trio.lowlevel.checkpoint()
        times.append(trio.current_time() - start)

    member = Listener(factory.committee([1] * members), start + decided_at)
    ports = SimpleNamespace(settings=SETTINGS, has_room=lambda: True, stream=None)
    with trio.move_on_after(seconds):
        await Repair(cast(Any, member), cast(Any, ports)).repeat(due)
    return times


@pytest.mark.parametrize(("members", "period"), [(4, 2.0), (10, 2.0), (32, 6.4)])
async def test_the_period_grows_with_the_committee(
    autojump_clock: MockClock, members: int, period: float
) -> None:
    times = await repeated(members, decided_at=1e9, seconds=3.5 * period)
    assert times == pytest.approx([period, 2 * period, 3 * period])


async def test_after_the_decision_it_doubles(autojump_clock: MockClock) -> None:
    # Due at 2; decided at 3, so what falls due at 4 is left out; then 4 and 8 seconds later.
    assert await repeated(4, decided_at=3.0, seconds=20) == pytest.approx([2.0, 8.0, 16.0])
