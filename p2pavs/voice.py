"""What a member says of its own: votes to the collectors first, where the committee has some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import structlog
import trio

from consensus.collecting import LOOKS, Collectors
from consensus.committee import Committee
from consensus.instance import Instance
from consensus.messages import DivergenceReport, Proposal, Vote

log = structlog.get_logger()

Own = Proposal | Vote | DivergenceReport


class Voice:
    """Of the member ``own``. Nothing it says is lost with a collector: see ``consensus.collecting``."""

    def __init__(
        self,
        committee: Committee,
        own: int,
        instance: Instance,
        collectors: Collectors,
        publish: Callable[[Own], Awaitable[None]],
        tell: Callable[[Own, Collection[bytes]], Awaitable[bool]],
    ) -> None:
        """See ``MemberPorts`` for ``publish`` and ``tell``."""
        self._committee = committee
        self._own = own
        self._instance = instance
        self._collectors = collectors
        self._publish = publish
        self._tell = tell

    async def say(self, message: Own, nursery: trio.Nursery) -> None:
        """Say what was just signed."""
        first = [
            self._committee.member(index).operator
            for index in self._collectors.first_to_hear(message)
            if index != self._own
        ]
        if isinstance(message, Vote) and first and await self._tell(message, first):
            nursery.start_soon(self._look_after, message)
        else:
            await self._publish(message)

    async def _look_after(self, vote: Vote) -> None:
        """Say a vote to everybody where the collectors make nothing of it."""
        for _ in range(LOOKS):
            await trio.sleep(self._collectors.patience_ms / 1000 / LOOKS)
            if not self._instance.awaits(vote):
                return
            if self._instance.divided:
                break
        log.info(
            "collectors_silent",
            task=vote.instance.task_id,
            round=vote.round,
            step=vote.kind.name.lower(),
            collectors=[self._committee.member(index).operator.hex() for index in self._collectors.members],
        )
        await self._publish(vote)
