"""Follow the chain block by block, through reorganisations and outages of the RPC endpoint.

The follower remembers the last blocks as (number, hash). A block whose number now has another hash is
reported as removed, newest first, before the blocks that took its place are reported as added. Logs are
fetched by block hash, so an event is never attributed to the wrong fork.

Blocks that are further behind the head than the follower remembers are final for it. It reads them in
ranges, and reports only those that hold events, and the last one of each range.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Self, TypeAlias

import structlog
import trio

from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ReorgTooDeep, RpcBadAnswer, RpcError, RpcLagging, RpcRefused
from p2pavs.chain.events import LoggedEvent
from p2pavs.chain.rpc_values import BlockHeader

log = structlog.get_logger(__name__)

MAX_RANGE = 2000
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
_RHYTHM = 8
"""Heads that must have been seen before their distances say when not to ask."""
_EARLIEST = 0.8
"""No block is asked for before this share of the shortest of these distances has passed."""
_LATE = 1.0
"""Seconds by which the next answer may be overdue, and what was handed out still counts as all there is."""


@dataclass(frozen=True, slots=True)
class BlockAdded:
    """A block became part of the chain."""

    number: int
    hash: bytes
    timestamp: int  # unix seconds
    events: tuple[LoggedEvent, ...]


@dataclass(frozen=True, slots=True)
class BlockRemoved:
    """A block reported before is not part of the chain any more; neither are its events."""

    number: int
    hash: bytes


Change: TypeAlias = BlockAdded | BlockRemoved
Position: TypeAlias = tuple[int, bytes]
"""Number and hash of a block."""


class Follower:
    """``async for change in follower``: never ends by itself. For one task at a time.

    ``head`` is the newest block number the endpoint reported, ``last_error`` what keeps the follower from
    working now (None when all is well). Raises only what waiting cannot mend: ``WrongChain`` and
    ``ReorgTooDeep``.
    """

    def __init__(
        self,
        chain: Chain,
        start: int | Sequence[Position],
        *,
        poll_interval: float = 0.5,
        depth: int = 128,
        batch: int = 64,
    ) -> None:
        """``start``: the first block to report, or the ``remembered`` positions of an earlier follower.

        ``poll_interval`` is in seconds; the follower asks less often while no block can have come yet.
        ``depth`` is how many blocks are remembered, ``batch`` how many are read before any of them is
        reported.
        """
        self.head: int | None = None
        self.last_error: RpcError | None = None
        self._chain = chain
        self._poll_interval = poll_interval
        self._depth = depth
        self._batch = batch
        self._queue: deque[Change] = deque()
        # When the last blocks were seen here, and their timestamps.
        self._rhythm: deque[tuple[float, int]] = deque(maxlen=_RHYTHM)
        self._due = -inf
        if isinstance(start, int):
            self._first = start
            positions: tuple[Position, ...] = ()
        else:
            positions = tuple(start)
            if not positions or any(b[0] <= a[0] for a, b in pairwise(positions)):
                raise ValueError("positions to resume from must be ascending and not empty")
            self._first = positions[-1][0] + 1
        self._ring: deque[Position] = deque(positions, maxlen=depth)
        self._handed_out: deque[Position] = deque(positions, maxlen=depth)
        self._next = self._first
        # Whether blocks were reported that the ring does not hold: then an empty ring means we are lost.
        self._forgot_some = bool(positions)

    @property
    def remembered(self) -> tuple[Position, ...]:
        """The newest blocks handed out so far, ascending: what to keep to resume right after them later."""
        return tuple(self._handed_out)

    @property
    def behind(self) -> int | None:
        """How many blocks are still to be read; None while the endpoint has not answered yet."""
        return None if self.head is None else max(0, self.head + 1 - self._next)

    @property
    def is_current(self) -> bool:
        """Whether everything was handed out, up to the head that the endpoint named a moment ago.

        Not so while it does not answer, or while whoever works through the changes is held up.
        """
        return not self._queue and self.behind == 0 and trio.current_time() <= self._due + _LATE

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        pause = _FIRST_PAUSE
        while not self._queue:
            await trio.sleep_until(self._due)
            try:
                if self.last_error is not None:
                    # It may be another endpoint behind the same address now.
                    await self._chain.check_chain()
                await self._step()
            except RpcError as error:
                if self.last_error is None:
                    log.warning("cannot follow the chain", error=str(error))
                self.last_error = error
                if not self._queue:
                    await trio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if self.last_error is not None:
                    log.info("following the chain again", head=self.head)
                self.last_error = None
                pause = _FIRST_PAUSE
                self._due = trio.current_time() + (0 if self.behind else self._pause())
        change = self._queue.popleft()
        if isinstance(change, BlockAdded):
            self._handed_out.append((change.number, change.hash))
        elif self._handed_out:
            self._handed_out.pop()
        return change

    async def _step(self) -> None:
        """Read what is new and queue it: at most one batch of blocks."""
        latest = await self._chain.rpc.block("latest")
        if latest is None:
            raise RpcBadAnswer(self._chain.rpc.url, "there is no latest block")
        self.head = latest.number
        if self._ring and self._ring[-1] == (latest.number, latest.hash):
            return
        if self._ring and self._ring[-1] == (latest.number - 1, latest.parent_hash):
            await self._take(latest)  # one more block: nothing else need be asked
            self._rhythm.append((trio.current_time(), latest.timestamp))
            return
        if not await self._walk_back(latest):
            return
        final = latest.number - self._depth
        if self._next <= final:
            await self._read_range(self._next, min(final, self._next + MAX_RANGE - 1))
            return
        for _ in range(self._batch):
            if self._next > latest.number:
                self._rhythm.append((trio.current_time(), latest.timestamp))
                return
            if not await self._read_block():
                return

    def _pause(self) -> float:
        """Seconds until the next question: none is due while the chain's rhythm lets no block come."""
        if len(self._rhythm) < _RHYTHM:
            return self._poll_interval
        shortest = min(b[1] - a[1] for a, b in pairwise(self._rhythm))
        due = self._rhythm[-1][0] + _EARLIEST * min(shortest, _LONGEST_PAUSE)
        return max(self._poll_interval, due - trio.current_time())

    async def _walk_back(self, latest: BlockHeader) -> bool:
        """Drop remembered blocks that are not on the chain any more. False where nothing can be read now."""
        newest = self._ring[-1] if self._ring else None
        if newest is not None and newest[0] > latest.number:
            # Chains do not get shorter: either the endpoint lags, or it has a fork whose blocks are still to
            # come. What it says about the blocks it has is enough to tell the two apart.
            comparable = [position for position in self._ring if position[0] <= latest.number]
            if not comparable:
                raise RpcLagging(self._chain.rpc.url, latest.number, newest[0])
            if await self._is_on_chain(*comparable[-1]):
                return False
            while self._ring[-1][0] > comparable[-1][0]:
                self._drop_newest()
        while self._ring:
            if await self._is_on_chain(*self._ring[-1]):
                return True
            self._drop_newest()
        if self._forgot_some:
            raise ReorgTooDeep(self._depth)
        return True

    async def _is_on_chain(self, number: int, known: bytes) -> bool:
        block = await self._chain.rpc.block(number)
        if block is None:
            raise RpcBadAnswer(self._chain.rpc.url, f"block {number} is missing below the head")
        return block.hash == known

    def _drop_newest(self) -> None:
        number, known = self._ring.pop()
        self._rhythm.clear()
        # Blocks between remembered ones were read as final and held no events; they may have changed too.
        self._next = self._ring[-1][0] + 1 if self._ring else self._first
        self._queue.append(BlockRemoved(number, known))

    async def _read_block(self) -> bool:
        """Read the next block. False where it is not there, or does not follow the newest one we know."""
        block = await self._chain.rpc.block(self._next)
        if block is None:
            return False
        if self._ring and self._ring[-1][0] == block.number - 1 and block.parent_hash != self._ring[-1][1]:
            return False
        return await self._take(block)

    async def _take(self, block: BlockHeader) -> bool:
        """Queue a block with its events. False where it has just gone again."""
        try:
            events = await self._chain.block_events(block.hash)
        except RpcRefused:
            # Endpoints refuse logs of a block that was just reorganised away.
            again = await self._chain.rpc.block(block.hash)
            if again is None:
                return False
            raise
        if any(event.block_hash != block.hash for event in events):
            raise RpcBadAnswer(self._chain.rpc.url, "logs of another block than was asked for")
        self._add(block, events)
        return True

    async def _read_range(self, first: int, last: int) -> None:
        """Read blocks that are final for us."""
        while True:
            try:
                events = await self._chain.range_events(first, last)
                break
            except (RpcRefused, RpcBadAnswer):
                # Too many blocks or logs for one answer: endpoints differ in their limits.
                if first == last:
                    raise
                last = (first + last) // 2
        for number in sorted({event.block_number for event in events} | {last}):
            block = await self._chain.rpc.block(number)
            if block is None:
                raise RpcBadAnswer(self._chain.rpc.url, f"block {number} is missing below the head")
            mine = tuple(event for event in events if event.block_number == number)
            if any(event.block_hash != block.hash for event in mine):
                raise RpcBadAnswer(self._chain.rpc.url, f"block {number} changed far below the head")
            self._add(block, mine)

    def _add(self, block: BlockHeader, events: tuple[LoggedEvent, ...]) -> None:
        if len(self._ring) == self._depth:
            self._forgot_some = True
        self._ring.append((block.number, block.hash))
        self._next = block.number + 1
        self._queue.append(BlockAdded(block.number, block.hash, block.timestamp, events))
