"""Virtual time that no thread races."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread
import pytest
import trio
from trio.testing import MockClock

T = TypeVar("T")


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do at once what would be done in a thread: a mock clock jumps ahead while a thread works."""

    async def inline(work: Callable[..., T], *args: Any, **_: Any) -> T:
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)
    monkeypatch.setattr(anyio.to_thread, "run_sync", inline)


@pytest.fixture
def autojump_clock(no_threads: None) -> MockClock:
    """Virtual time: it jumps to the next timer once nothing is left to be done, in a thread neither."""
    return MockClock(autojump_threshold=0)
