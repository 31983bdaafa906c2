"""Makes up for what the network lost: says the last words again, and asks peers for what was missed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from consensus.effects import RebroadcastDue
from consensus.gossip_rules import Ignore, Reject, Running, check
from consensus.messages import OutputChunk
from p2pavs.member_ports import MemberPorts
from p2pavs.routing import Receiver

REPEATED_AS_SET = 10
"""Members up to which things are repeated and asked for in the period that is set. With more it grows in
proportion: each repetition costs every member something."""

FIRST_LOOK = 1.0
"""Seconds after which peers are first asked for what was missed, where there is no certificate by then."""


class Undecided(Receiver, Protocol):
    """The member that may have missed something."""

    @property
    def decided(self) -> bool:
        """Whether it has decided."""
        ...


class Repair:
    """Of one member."""

    def __init__(self, member: Undecided, ports: MemberPorts) -> None:
        self._member = member
        self._ports = ports
        self._scale = max(1.0, len(member.committee.members) / REPEATED_AS_SET)
        self._period = ports.settings.rebroadcast_every * self._scale

    async def repeat(self, due: Callable[[RebroadcastDue], Awaitable[None]]) -> None:
        """Let the last words be said again and again: gossip loses messages.

        After the decision seldom: those who missed it ask for it, and find it on the chain.
        """
        pause = self._period
        while True:
            decided = self._member.decided
            await trio.sleep(pause)
            if self._member.decided:
                pause *= 2
                if not decided:
                    continue  # it was said a moment ago, in votes or as a certificate
            if self._ports.has_room():  # else what is new goes first; who misses something also asks for it
                await due(RebroadcastDue())

    async def catch_up(self, resumed: bool) -> None:
        """Ask peers for what was missed until the instance has decided. They may be slow, or lie."""
        member, stream = self._member, self._ports.stream
        if not resumed:
            await trio.sleep(FIRST_LOOK * self._scale)
        while not member.decided:
            for message, peer in await self._ports.catch_up():
                running = Running(member.committee, member.round, member.chunks)
                try:
                    check(message, running, False, member.seen, self._ports.author_of(peer))
                except (Ignore, Reject):
                    continue
                if isinstance(message, OutputChunk) and stream is not None:
                    stream.hear(message, asked=True)
                else:
                    member.deliver(message, peer)
            await trio.sleep(self._period)
