"""Waiting for a condition that nothing announces."""

from __future__ import annotations

from collections.abc import Callable

import trio


async def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Return when the condition holds.

    Raises:
        trio.TooSlowError: it does not within `seconds`.

    """
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - it is somebody else's state, and there is no event
            await trio.sleep(0.02)
