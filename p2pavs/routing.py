"""Where a message of the committee's topic goes: to its instance's member, or aside until there is one."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Protocol

import structlog

from consensus.committee import Committee
from consensus.gossip_rules import Ignore, NotYetKnown, Reject, Running, Seen, check, instance_of, read
from consensus.messages import Message, OutputChunk
from consensus.types import InstanceId
from p2pavs.network import Offence
from p2pavs.network.limits import RateLimit
from p2pavs.seldom import Seldom

EARLY_INSTANCES = 128
"""Instances whose messages are kept before this node has seen their task on the chain."""

EARLY_OF_AUTHOR = 64
"""Of these instances, so many may be there for one author's sake."""

EARLY_MESSAGES = 256
"""Messages kept for each of them."""

EARLY_MESSAGES_OF_AUTHOR = 16
"""Of these messages, so many may be one author's: a member says little before others have its task."""

EARLY_RATE, EARLY_BURST = 40.0, 400
"""Messages a second of one author for instances that are not known here; more are not passed on."""

OVER_KEPT = 4096

Blame = Callable[[str, Offence], None]
"""Told who did what no honest peer does."""

log = structlog.get_logger()


class Receiver(Protocol):
    """What takes an instance's messages."""

    @property
    def committee(self) -> Committee:
        """Whose messages count."""
        ...

    @property
    def round(self) -> int:
        """The current round."""
        ...

    @property
    def chunks(self) -> int:
        """How many chunks the answer can have; 0 where members do not stream."""
        ...

    @property
    def seen(self) -> Seen:
        """What was passed on in this period."""
        ...

    def deliver(self, message: Message, peer: str) -> None:
        """Take a message, and who answers for it, without blocking."""
        ...


class Router:
    """Synchronous and bounded: it is called from the gossip validator."""

    def __init__(
        self,
        blame: Blame = lambda peer, offence: None,
        author_of: Callable[[str], bytes | None] = lambda peer: None,
    ) -> None:
        """``author_of`` tells which operator (20 bytes) a peer is."""
        self._author_of = author_of
        self._blame = blame
        self._seldom = Seldom()
        self._early_limit = RateLimit(EARLY_RATE, EARLY_BURST, time.monotonic)
        self._receivers: dict[InstanceId, Receiver] = {}
        self._over: OrderedDict[InstanceId, None] = OrderedDict()
        self._early: OrderedDict[InstanceId, list[tuple[Message, str]]] = OrderedDict()
        self.verdicts: Counter[tuple[str, str]] = Counter()
        """Gossiped messages by verdict (accept, ignore, reject) and reason (empty for accept)."""
        self.early_dropped = 0

    def count(self, verdict: str) -> int:
        """How many gossiped messages got a verdict."""
        return sum(number for (found, _), number in self.verdicts.items() if found == verdict)

    def accept(self, peer: str, data: bytes) -> bool:
        """Whether a gossiped message of an author is passed on, by every rule that needs no signature.

        Signatures are checked by the member, many at once and off the event loop.
        """
        try:
            message = read(data)
            instance = instance_of(message)
            self._check(message, instance, self._receivers.get(instance), peer)
        except NotYetKnown as early:
            allowed = self._has_room(instance, message, peer) and self._early_limit.allow(peer)
            self.verdicts["accept" if allowed else "ignore", "" if allowed else early.reason] += 1
            return allowed
        except Ignore as ignored:
            self.verdicts["ignore", ignored.reason] += 1
            return False
        except Reject as refusal:
            self._refuse(peer, refusal)
            return False
        self.verdicts["accept", ""] += 1
        return True

    def _check(self, message: Message, instance: InstanceId, receiver: Receiver | None, peer: str) -> None:
        running = None
        seen = Seen()
        if receiver is not None:
            running, seen = Running(receiver.committee, receiver.round, receiver.chunks), receiver.seen
        check(message, running, instance in self._over, seen, self._author_of(peer))

    def _refuse(self, peer: str, refusal: Reject) -> None:
        self.verdicts["reject", refusal.reason] += 1
        self._blame(peer, Offence.BREAKS_RULES)
        if (unsaid := self._seldom.due(peer)) is not None:
            log.info("gossip_refused", peer=peer, reason=str(refusal), unsaid=unsaid)

    def route(self, data: bytes, peer: str) -> None:
        """Hand an accepted message to its instance; `peer` is its author, and answers for it."""
        message = read(data)
        instance = instance_of(message)
        receiver = self._receivers.get(instance)
        if receiver is not None:
            self._deliver(instance, receiver, message, peer)
        elif instance not in self._over:
            self._keep(instance, message, peer)

    def _deliver(self, instance: InstanceId, receiver: Receiver, message: Message, peer: str) -> None:
        """Hand a message over, if the rules allow it: it may have been accepted before they could say."""
        try:
            self._check(message, instance, receiver, peer)
        except Ignore as late:
            self.verdicts["ignore", late.reason] += 1
            return
        except Reject as refusal:
            self._refuse(peer, refusal)
            return
        if isinstance(message, OutputChunk):  # has no signature to check: only its author speaks for it
            receiver.seen.remember(message, receiver.committee)
        receiver.deliver(message, peer)

    def add(self, instance: InstanceId, receiver: Receiver) -> None:
        """Deliver an instance's messages to ``receiver`` from now on, those that came early first."""
        self._receivers[instance] = receiver
        self._over.pop(instance, None)
        for message, peer in self._early.pop(instance, ()):
            self._deliver(instance, receiver, message, peer)

    def remove(self, instance: InstanceId) -> None:
        """The instance's task was undone and may come back: keep what comes for it as if it were early."""
        self._receivers.pop(instance, None)

    def close(self, instance: InstanceId) -> None:
        """The instance is over: ignore what still comes for it."""
        self._receivers.pop(instance, None)
        self._early.pop(instance, None)
        self._over[instance] = None
        if len(self._over) > OVER_KEPT:
            self._over.popitem(last=False)

    def _has_room(self, instance: InstanceId, message: Message, peer: str) -> bool:
        """Whether an author may say this early: what it said already, or one of few messages."""
        said = [one for one, author in self._early.get(instance, ()) if author == peer]
        return message in said or len(said) < EARLY_MESSAGES_OF_AUTHOR

    def _keep(self, instance: InstanceId, message: Message, peer: str) -> None:
        if instance not in self._early:
            brought = sum(waiting[0][1] == peer for waiting in self._early.values() if waiting)
            if brought >= EARLY_OF_AUTHOR:
                self.early_dropped += 1
                return
        waiting = self._early.setdefault(instance, [])
        if len(self._early) > EARLY_INSTANCES:
            _, dropped = self._early.popitem(last=False)
            self.early_dropped += len(dropped)
        if (message, peer) in waiting:
            return
        if len(waiting) < EARLY_MESSAGES and self._has_room(instance, message, peer):
            waiting.append((message, peer))
        else:
            self.early_dropped += 1
