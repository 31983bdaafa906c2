"""Settling what was paid goes on after a disk or a chain that failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from p2pavs.chain.errors import RpcUnreachable
from p2pavs.openai_api.ledger import LedgerError
from p2pavs.openai_api.service import SETTLE_EVERY, Service


@pytest.mark.parametrize(
    "failure", [LedgerError("the disk is full"), RpcUnreachable("http://127.0.0.1", "it is down")]
)
async def test_what_fails_is_tried_again(autojump_clock: MockClock, failure: Exception) -> None:
    looks = 0

    async def open_tasks() -> list[tuple[int, int]]:
        nonlocal looks
        looks += 1
        await trio.lowlevel.checkpoint()
        raise failure

    config: Any = SimpleNamespace(at_once=1)
    ledger: Any = SimpleNamespace(open_tasks=open_tasks)
    service = Service(cast(Any, None), cast(Any, None), ledger, cast(Any, None), config)
    with trio.move_on_after(2.5 * SETTLE_EVERY):
        await service.run()
    assert looks == 3
