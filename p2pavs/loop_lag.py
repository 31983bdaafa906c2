"""How late the event loop is: by how much more than asked for a sleep takes."""

from __future__ import annotations

from typing import Final

import trio

from p2pavs.tally import Histogram

EVERY: Final = 0.1  # seconds
LAG_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class LoopLag:
    """Measures for as long as it runs."""

    def __init__(self) -> None:
        self.histogram = Histogram(LAG_SECONDS)
        self.last = 0.0
        """Seconds, of the latest measurement."""

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = trio.current_time() + EVERY
            await trio.sleep_until(due)
            self.last = max(0.0, trio.current_time() - due)
            self.histogram.add(self.last)
