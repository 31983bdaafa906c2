"""The benchmark of faults: it has those of the specification, and counts what is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from p2pavs.chain.records import TaskStatus
from tests.bench import faulty_loop
from tests.bench.faults import FAULTS, QUICK
from tests.bench.faulty_loop import WINDOW, Loop

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/benchmark-report.schema.json").read_text())


def test_the_faults_are_those_of_the_specification() -> None:
    settings = SCHEMA["$defs"]["measurement"]["properties"]["settings"]["properties"]
    assert set(FAULTS) == set(settings["fault"]["enum"])
    assert set(QUICK) < set(FAULTS)
    assert list(FAULTS)[-1] == "equivocate", "afterwards the stake of its member may be gone"


class ChainDouble:
    """A block every second; tasks are certified two blocks after their own, but for every fifth."""

    def __init__(self) -> None:
        self.rpc = self
        self.posted: list[int] = []

    async def block_number(self) -> int:
        await trio.lowlevel.checkpoint()
        return int(trio.current_time())


async def test_a_loop_keeps_so_many_tasks_under_way_and_counts_what_is_lost(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    chain = ChainDouble()

    async def post(*_: Any, **__: Any) -> Any:
        await trio.sleep(int(trio.current_time()) + 1 - trio.current_time())  # the next block holds it
        chain.posted.append(await chain.block_number())
        header = type("Header", (), {"id": len(chain.posted)})
        requested = type("Requested", (), {"header": header})
        task = type("Task", (), {"requested": requested, "block_number": chain.posted[-1]})
        return type("Posted", (), {"task": task})

    async def read_result(_: Any, task: int) -> Any:
        done = task % 5 and await chain.block_number() >= chain.posted[task - 1] + 2
        return type("Result", (), {"status": TaskStatus.CERTIFIED if done else TaskStatus.REQUESTED})

    monkeypatch.setattr(faulty_loop, "post", post)
    monkeypatch.setattr(faulty_loop, "read_result", read_result)
    loop = Loop(cast(Any, chain), cast(Any, None), cast(Any, None))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop._watch)
        rate = await loop.run(2, 30)
        nursery.cancel_scope.cancel()
    lost = [task for task in loop.tasks if task % 5 == 0]
    assert lost and loop.lost == len(lost)
    assert all(1.5 <= wait <= 2.5 for wait in loop.waits) and len(loop.waits) == len(loop.tasks) - len(lost)
    assert rate == pytest.approx(len(loop.waits) / 30)
    assert trio.current_time() < 30 + 2 * WINDOW
