"""Which gossip topic a task's messages go to: everybody's, or one of sixteen that only drawn members join.

A committee of the whole set talks on the deployment's topic, which every node is subscribed to. A drawn
committee talks on the topic of its task's number, and nodes that were not drawn carry nothing of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from consensus.gossip_rules import instance_of
from consensus.messages import Message
from consensus.wire import encode_message
from p2pavs.network import Network, Validator
from p2pavs.seldom import Seldom

if TYPE_CHECKING:
    from trio_typing import TaskStatus

SHARDS = 16
ADDRESSED = "votes"
"""The topic, below everybody's, of what is for some members only: operators are sent what is for them."""
LINGER = 10.0
"""Seconds until a topic that no task needs is left: joining anew costs more than staying."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Shard:
    tasks: int = 0
    idle_since: float = 0.0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    left: trio.Event = field(default_factory=trio.Event)


class CommitteeTopics:
    """Topics of running tasks: joined with the first task that needs one, left some time after the last."""

    def __init__(
        self, network: Network, base: str, accept: Validator, route: Callable[[bytes, str], None]
    ) -> None:
        self.base = base
        self._network = network
        self._accept = accept
        self._route = route
        self._shards: dict[int, _Shard] = {}
        self._drawn: Counter[int] = Counter()  # tasks of drawn committees, and how many take part in them
        self._nursery: trio.Nursery | None = None
        self._seldom = Seldom()

    async def run(self, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen to everybody's topic, and to those that are joined, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._leave_idle)
            await nursery.start(self._listen, self.base)
            await nursery.start(partial(self._listen, f"{self.base}/{ADDRESSED}", addressed=True))
            task_status.started()

    def topic_of(self, task_id: int) -> str:
        """The topic of a task that runs here."""
        return f"{self.base}/{task_id % SHARDS}" if task_id in self._drawn else self.base

    async def publish(self, message: Message) -> None:
        """Send a message to its task's topic."""
        await self._network.publish(self.topic_of(instance_of(message).task_id), encode_message(message))

    async def tell(self, message: Message, peers: Collection[str]) -> bool:
        """Send a message to some peers only. False where none of them is connected."""
        return await self._network.tell(f"{self.base}/{ADDRESSED}", encode_message(message), peers)

    def has_room(self, task_id: int) -> bool:
        """Whether a repetition could be sent to the task's topic without making what is new wait."""
        return self._network.has_room(self.topic_of(task_id))

    @asynccontextmanager
    async def joined(self, task_id: int, *, drawn: bool) -> AsyncIterator[None]:
        """Take part in a task's topic for as long as the block."""
        if not drawn:
            yield
            return
        # Counted: the next attempt's part begins while the one before is still being put away.
        self._drawn[task_id] += 1
        try:
            shard = await self._join(task_id % SHARDS)
            try:
                yield
            finally:
                shard.tasks -= 1
                shard.idle_since = trio.current_time()
        finally:
            self._drawn[task_id] -= 1
            if not self._drawn[task_id]:
                del self._drawn[task_id]

    async def _join(self, number: int) -> _Shard:
        while (shard := self._shards.get(number)) is not None and shard.scope.cancel_called:
            await shard.left.wait()
        if shard is not None:
            shard.tasks += 1
            return shard
        if self._nursery is None:
            raise RuntimeError("the topics are not run")
        shard = self._shards[number] = _Shard(1)
        with trio.CancelScope(shield=True):  # it is at once, and others may have joined meanwhile
            await self._nursery.start(self._listen_while, number, shard)
        return shard

    async def _listen_while(
        self, number: int, shard: _Shard, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        try:
            with shard.scope:
                await self._listen(f"{self.base}/{number}", task_status=task_status)
        finally:
            del self._shards[number]
            shard.left.set()

    async def _listen(
        self,
        topic: str,
        *,
        addressed: bool = False,
        task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        async with self._network.subscribe(topic, self._accept, addressed=addressed) as messages:
            task_status.started()
            async for message in messages:
                try:
                    self._route(message.data, message.peer)
                except Exception:  # one message must not cost the node all others
                    if (unsaid := self._seldom.due(message.peer)) is not None:
                        log.exception("message_failed", topic=topic, peer=message.peer, unsaid=unsaid)

    async def _leave_idle(self) -> None:
        while True:
            await trio.sleep(LINGER / 4)
            for shard in self._shards.values():
                if shard.tasks == 0 and trio.current_time() - shard.idle_since >= LINGER:
                    shard.scope.cancel()
