"""Token buckets: how often somebody may do something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

MAX_BUCKETS: Final = 4096


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated: float


class RateLimit:
    """`rate` times a second for each key, and up to `burst` at once. Memory is bounded."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, _Bucket] = {}

    def allow(self, key: str, cost: float = 1.0) -> bool:
        """Take `cost` tokens of `key`, at most `burst` of them; False when there are not enough."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._forget_full(now)
            bucket = self._buckets[key] = _Bucket(float(self._burst), now)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.updated) * self._rate)
        bucket.updated = now
        if bucket.tokens < cost:
            return False
        bucket.tokens -= cost
        return True

    def left(self, key: str) -> float:
        """Return the share of `key`'s burst that it has now: 1 when it is rested, 0 or less when it waits."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 1.0
        return min(1.0, (bucket.tokens + (self._clock() - bucket.updated) * self._rate) / self._burst)

    async def wait(self, key: str) -> None:
        """Take one token of `key`, as soon as there is one: who came first is served first."""
        if self.allow(key):
            return
        # The token is taken before it is there, so each waits once, however many wait.
        bucket = self._buckets[key]
        bucket.tokens -= 1
        try:
            await trio.sleep(-bucket.tokens / self._rate)
        except trio.Cancelled:
            bucket.tokens += 1
            raise

    def _forget_full(self, now: float) -> None:
        refill = self._burst / self._rate
        self._buckets = {key: b for key, b in self._buckets.items() if now - b.updated < refill}
        while len(self._buckets) >= MAX_BUCKETS:  # all are in use: the oldest key loses its history
            self._buckets.pop(next(iter(self._buckets)))
