"""Gathers what peers say, has its signatures checked, hands over what holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from consensus.committee import Committee
from consensus.gossip_rules import Seen
from consensus.messages import Message
from consensus.verification import Holds, Invalid, MessageVerifier, Outcome
from p2pavs.network import Offence
from p2pavs.seldom import Seldom

UNVERIFIED = 2048
"""Messages of peers that may wait for their signature check; more are dropped (and repeated by gossip)."""

BATCH = 64

GATHER = 0.0005
"""Seconds for each member of the committee that the first of a batch of messages waits for more.

Votes checked one by one cost three times what they cost together; with 64 members this makes 32 ms.
"""

LEAST_GATHER = 0.008
"""The votes of a small committee are a few ms apart."""

Check = Callable[[MessageVerifier, Sequence[Message]], Awaitable[list[Outcome]]]
"""Checks messages of one instance, off the event loop: for each whether it holds, in their order."""

log = structlog.get_logger()


async def check_alone(verifier: MessageVerifier, messages: Sequence[Message]) -> list[Outcome]:
    """Check messages without waiting for those of other instances."""
    return await trio.to_thread.run_sync(verifier.verify_many, messages)


class Vetting:
    """Of one instance: what is delivered, what of it holds, and what was passed on in this period."""

    def __init__(
        self,
        committee: Committee,
        verifier: MessageVerifier,
        check: Check,
        blame: Callable[[str, Offence], None],
        task_id: int,
    ) -> None:
        """See ``MemberPorts`` for ``check`` and ``blame``."""
        self._committee = committee
        self._verifier = verifier
        self._check = check
        self._blame = blame
        self._task_id = task_id
        self._send, self.waiting = trio.open_memory_channel[tuple[Message, str]](UNVERIFIED)
        self._seldom = Seldom()
        self.seen = Seen()
        """What was passed on in this period."""
        self.dropped = 0

    def deliver(self, message: Message, peer: str) -> None:
        """Take a message that `peer` answers for. Never blocks; drops when the queue is full."""
        try:
            self._send.send_nowait((message, peer))
        except trio.WouldBlock:
            self.dropped += 1
        except trio.BrokenResourceError:  # the member has just ended
            pass

    def learn(self, message: Message) -> None:
        """Take an own message: proofs that others make with it are known then."""
        self._verifier.learn(message)

    def new_period(self) -> None:
        """What was said may be said again."""
        self.seen = Seen()

    async def run(self, take: Callable[[Holds], Awaitable[None]]) -> None:
        """Hand over what holds, in the order in which it came."""
        async for first in self.waiting:
            if self.waiting.statistics().current_buffer_used < BATCH - 1:
                await trio.sleep(max(LEAST_GATHER, GATHER * len(self._committee.members)))
            batch = [first]
            while len(batch) < BATCH:
                try:
                    batch.append(self.waiting.receive_nowait())
                except trio.WouldBlock:
                    break
            messages = [message for message, _ in batch]
            verdicts = await self._check(self._verifier, messages)
            for (_, peer), verdict in zip(batch, verdicts, strict=True):
                if isinstance(verdict, Invalid):
                    self._refuse(peer, verdict.reason)
                    continue
                self.seen.remember(verdict.message, self._committee)
                await take(verdict)

    def _refuse(self, peer: str, reason: str) -> None:
        self._blame(peer, Offence.FORGED)
        if (unsaid := self._seldom.due(peer)) is not None:
            log.warning("message_refused", task=self._task_id, peer=peer, reason=reason, unsaid=unsaid)
