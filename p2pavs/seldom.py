"""Log lines that others can provoke: said once in a while, with the number of those left out."""

from __future__ import annotations

import time
from typing import Final

PERIOD: Final = 60.0  # seconds
MAX_KEYS: Final = 256


class Seldom:
    """One line in `period` seconds for each key. Keys beyond `MAX_KEYS` share one, so memory is bounded."""

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._said: dict[str, tuple[float, int]] = {}  # when a line was let through, how many were not since

    def due(self, key: str) -> int | None:
        """Return how many lines of this key were left out before this one; None when it is left out too."""
        now = time.monotonic()
        if key not in self._said and len(self._said) >= MAX_KEYS:
            self._said = {k: v for k, v in self._said.items() if now - v[0] < self._period}
            if len(self._said) >= MAX_KEYS:
                key = "others"
        said_at, left_out = self._said.get(key, (-self._period, 0))
        if now - said_at < self._period:
            self._said[key] = (said_at, left_out + 1)
            return None
        self._said[key] = (now, 0)
        return left_out
