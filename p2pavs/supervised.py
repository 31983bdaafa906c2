"""Duties in the background whose failure must not end the node: what signs goes on without them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

FIRST_PAUSE: Final = 1.0
"""Seconds until a duty that failed begins again; doubled by each failure that follows soon."""
LONGEST_PAUSE: Final = 60.0

log = structlog.get_logger()


async def supervised(duty: Callable[[], Awaitable[None]], name: str) -> None:
    """Run a duty until it returns or is cancelled. One that fails is told as an error and begins again.

    What a duty expects to go wrong it handles itself: this is for what nobody thought of. It is not for what
    ends a node on purpose, nor for what signs.
    """
    pause = FIRST_PAUSE
    while True:
        begun = trio.current_time()
        try:
            await duty()
            return
        except* Exception:
            if trio.current_time() - begun > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            log.exception(
                "duty_failed",
                duty=name,
                again_in=pause,
                remedy="The node goes on without it for so long. This is a defect: please report it.",
            )
        await trio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
