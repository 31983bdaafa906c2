"""Where a message of the committee's topic goes: to its instance's member, or aside until there is one."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

import structlog

from consensus.committee import Committee
from consensus.gossip_rules import Ignore, NotYetKnown, Reject, Running, Seen, check, instance_of, read
from consensus.messages import Message
from consensus.types import InstanceId

EARLY_INSTANCES = 32
"""Instances whose messages are kept before this node has seen their task on the chain."""

EARLY_MESSAGES = 256
"""Messages kept for each of them."""

OVER_KEPT = 4096

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
    def seen(self) -> Seen:
        """What was passed on in this period."""
        ...

    def deliver(self, message: Message) -> None:
        """Take a message without blocking."""
        ...


class Router:
    """Synchronous and bounded: it is called from the gossip validator."""

    def __init__(self) -> None:
        self._receivers: dict[InstanceId, Receiver] = {}
        self._over: OrderedDict[InstanceId, None] = OrderedDict()
        self._early: OrderedDict[InstanceId, list[Message]] = OrderedDict()
        self.refused = 0
        self.ignored = 0
        self.early_dropped = 0

    def accept(self, peer: str, data: bytes) -> bool:
        """Whether a gossiped message is passed on, by every rule that needs no signature.

        Signatures are checked by the member, many at once and off the event loop.
        """
        try:
            message = read(data)
            instance = instance_of(message)
            receiver = self._receivers.get(instance)
            running = None if receiver is None else Running(receiver.committee, receiver.round)
            seen = Seen() if receiver is None else receiver.seen
            check(message, running, instance in self._over, seen)
        except NotYetKnown:
            return True
        except Ignore:
            self.ignored += 1
            return False
        except Reject as refusal:
            self.refused += 1
            log.info("gossip_refused", peer=peer, reason=str(refusal))
            return False
        return True

    def route(self, data: bytes) -> None:
        """Hand an accepted message to its instance."""
        message = read(data)
        instance = instance_of(message)
        receiver = self._receivers.get(instance)
        if receiver is not None:
            receiver.deliver(message)
        elif instance not in self._over:
            self._keep(instance, message)

    def add(self, instance: InstanceId, receiver: Receiver) -> None:
        """Deliver an instance's messages to ``receiver`` from now on, those that came early first."""
        self._receivers[instance] = receiver
        self._over.pop(instance, None)
        for message in self._early.pop(instance, ()):
            receiver.deliver(message)

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

    def _keep(self, instance: InstanceId, message: Message) -> None:
        waiting = self._early.setdefault(instance, [])
        if len(self._early) > EARLY_INSTANCES:
            _, dropped = self._early.popitem(last=False)
            self.early_dropped += len(dropped)
        if len(waiting) < EARLY_MESSAGES:
            waiting.append(message)
        else:
            self.early_dropped += 1
