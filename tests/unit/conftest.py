"""Virtual time that no thread races, and the same examples in every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread
import pytest
import trio
from hypothesis import HealthCheck, settings
from trio.testing import MockClock

T = TypeVar("T")

# A run depends neither on chance, nor on what an earlier one found, nor on how busy the machine is. To look
# further: pytest --hypothesis-profile=default
settings.register_profile(
    "steady",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


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
