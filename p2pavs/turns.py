"""How many tasks a node works on at once: the others wait in the order of the chain, the same on every node.

With all of a full block's tasks at once each would take as long as all together, longer than the timeouts of
their rounds, and further rounds make more work still.
"""

from __future__ import annotations

from collections import deque

import trio

AT_ONCE = 8
"""Tasks that are computed and agreed upon at the same time."""

HOLD = 5.0
"""Seconds after which a task that is not decided lets the next one begin beside it: a long computation, or a
committee that cannot decide, must not hold up the others."""


class Turn:
    """One task's place: it waits, then it is there, then it is over."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._here = trio.Event()

    @property
    def waits(self) -> bool:
        """Whether others come first."""
        return not self._here.is_set()

    async def come(self) -> None:
        """Wait for it."""
        await self._here.wait()

    async def expire(self) -> None:
        """End it some time after it came."""
        await trio.sleep(HOLD)
        self.over()

    def over(self) -> None:
        """Let the next one begin; also for one that does not want to wait any more. Safe to call again."""
        self._turns.leave(self)

    def begin(self) -> None:
        """Let who waits for it go on."""
        self._here.set()


class Turns:
    """First come, first served: call ``next`` in the order of the chain."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._working: set[Turn] = set()
        self._waiting: deque[Turn] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def next(self) -> Turn:
        """A turn behind all others."""
        turn = Turn(self)
        self._waiting.append(turn)
        self._fill()
        return turn

    def leave(self, turn: Turn) -> None:
        """Take a turn out, whether it has come or not."""
        if turn in self._working:
            self._working.remove(turn)
            self._fill()
        elif turn in self._waiting:
            self._waiting.remove(turn)

    def _fill(self) -> None:
        while self._waiting and len(self._working) < self._at_once:
            turn = self._waiting.popleft()
            self._working.add(turn)
            turn.begin()
