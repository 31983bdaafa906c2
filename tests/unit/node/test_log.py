"""Every line of a member's work says which task, attempt and round it is about."""

from __future__ import annotations

import pytest
import structlog
import trio
import trio.testing

from p2pavs import Client
from p2pavs.chain.errors import RpcUnreachable
from p2pavs.log import add_place, entered_round, working_on
from tests.unit.node.chain_double import DEPLOYMENT


def line(**fields: object) -> dict[str, object]:
    return dict(add_place(None, "", {"event": "said", **fields}))


async def test_a_members_lines_share_its_place() -> None:
    seen: dict[str, dict[str, object]] = {}
    entered = trio.Event()

    async def child() -> None:
        seen["before"] = line()
        await entered.wait()
        seen["child"] = line()

    async def member() -> None:
        working_on(7, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            await trio.testing.wait_all_tasks_blocked()
            entered_round(3)
            entered.set()
        seen["thread"] = await trio.to_thread.run_sync(line)
        seen["own words"] = line(task=9, round=4)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(member)
    place = {"event": "said", "task": 7, "attempt": 1}
    assert seen == {
        "before": place,
        "child": {**place, "round": 3},
        "thread": {**place, "round": 3},
        "own words": {**place, "task": 9, "round": 4},
    }
    assert line() == {"event": "said"}, "and nobody else's"


@pytest.mark.parametrize("own", [False, True])
async def test_a_client_leaves_stdout_to_its_program(own: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if own:  # a program that has set up its log keeps it
        structlog.configure()
    with pytest.raises(RpcUnreachable):
        async with Client("no URL", DEPLOYMENT):
            pass
    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("trouble")
    out, err = capsys.readouterr()
    assert ("chatter" in out, "trouble" in out) == (own, own)
    assert ("chatter" in err, "trouble" in err) == (False, not own)
