"""How often each API key may ask, how many requests may wait, and how clients are told of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from p2pavs.openai_api.config import ApiKey
from p2pavs.openai_api.errors import ApiError

MINUTE = 60.0


class Limits:
    """The requests of the last minute, by API key, and those that wait for answers."""

    def __init__(self, at_once: int) -> None:
        """``at_once`` requests may wait."""
        self.waiting = 0
        self._at_once = at_once
        self._asked: dict[str, deque[float]] = {}

    @contextmanager
    def place(self, key: ApiKey) -> Iterator[None]:
        """Hold one of the places for requests that wait. Raises ``ApiError`` where a limit is reached."""
        asked = self._recent(key)
        if len(asked) >= key.requests_per_minute:
            raise ApiError(
                429,
                f"This API key may ask {key.requests_per_minute} times a minute.",
                kind="requests",
                code="rate_limit_exceeded",
                retry=True,
                retry_after=max(1, round(asked[0] + MINUTE - anyio.current_time())),
            )
        if self.waiting >= self._at_once:
            raise ApiError(
                429,
                "Too many requests wait for answers.",
                kind="requests",
                code="rate_limit_exceeded",
                retry=True,
                retry_after=5,
            )
        asked.append(anyio.current_time())
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def headers(self, key: ApiKey, spent: int) -> dict[str, str]:
        """Return what is left to a key that spent ``spent`` wei in 24 hours, by OpenAI's names and ours."""
        asked = self._recent(key)
        until = math.ceil(asked[-1] + MINUTE - anyio.current_time()) if asked else 0
        return {
            "x-ratelimit-limit-requests": str(key.requests_per_minute),
            "x-ratelimit-remaining-requests": str(max(0, key.requests_per_minute - len(asked))),
            "x-ratelimit-reset-requests": f"{until}s",
            "p2pavs-limit-wei": str(key.wei_per_day),
            "p2pavs-remaining-wei": str(max(0, key.wei_per_day - spent)),
        }

    def _recent(self, key: ApiKey) -> deque[float]:
        asked = self._asked.setdefault(key.name, deque())
        while asked and asked[0] <= anyio.current_time() - MINUTE:
            asked.popleft()
        return asked
