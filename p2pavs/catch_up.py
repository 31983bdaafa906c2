"""Asking a peer for what was missed: messages of a running instance, the certificate of one that is over."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import structlog

from consensus.encoding import EncodingError, decode, encode
from consensus.gossip_rules import instance_of
from consensus.messages import Message
from consensus.types import InstanceId
from consensus.wire import WireError, decode_message, encode_message
from p2pavs.network import Network, NetworkError, ServeLimits
from p2pavs.storage import CertificateStore

PROTOCOL = "/p2pavs/instance/1"
MAX_REQUEST = 32
MAX_RESPONSE = 800_000
MAX_MESSAGES = 1024
ASKED_AT_ONCE = 2
TIMEOUT = 5.0
LIMITS = ServeLimits(max_request=MAX_REQUEST, max_response=MAX_RESPONSE)

log = structlog.get_logger()

Running = Callable[[InstanceId], Sequence[Message]]
"""What this node can hand on of a running instance; empty where it has none."""


class CatchUp:
    """Both ends of ``/p2pavs/instance/1``: request ``[taskId, attempt]``, response ``[message, ...]``."""

    def __init__(self, network: Network, certificates: CertificateStore, running: Running) -> None:
        self._network = network
        self._certificates = certificates
        self._running = running
        network.handle(PROTOCOL, self._answer, LIMITS)

    async def ask(self, instance: InstanceId) -> list[Message]:
        """Ask two connected peers. What comes back is as untrusted as gossip; failures are only logged."""
        peers = sorted(self._network.connected())
        request = encode([instance.task_id, instance.attempt])
        found: list[Message] = []
        for peer in random.sample(peers, min(ASKED_AT_ONCE, len(peers))):
            try:
                answer = await self._network.request(
                    peer, PROTOCOL, request, timeout=TIMEOUT, max_response=MAX_RESPONSE
                )
                found += [message for message in _parse(answer) if instance_of(message) == instance]
            except (NetworkError, EncodingError, WireError) as error:
                log.debug("catch_up_failed", task=instance.task_id, peer=peer, error=str(error))
        return found

    async def _answer(self, peer: str, data: bytes) -> bytes:
        request = decode(data, MAX_REQUEST)
        match request:
            case (int(task_id), int(attempt)):
                instance = InstanceId(task_id, attempt)
            case _:
                raise EncodingError("a request is [taskId, attempt]")
        messages = list(self._running(instance))
        if not messages and 0 <= task_id < 2**63:
            commit = await self._certificates.get(task_id)
            if commit is not None and commit.certificate.instance == instance:
                messages = [commit]
        return encode(_that_fit([encode_message(message) for message in messages]))


def _that_fit(encoded: list[bytes]) -> list[bytes]:
    """As many messages, the newest first in importance, as one response holds."""
    room, kept = MAX_RESPONSE - 16, []
    for message in encoded[-MAX_MESSAGES:]:
        room -= len(message) + 5
        if room < 0:
            break
        kept.append(message)
    return kept


def _parse(data: bytes) -> list[Message]:
    answer = decode(data, MAX_RESPONSE)
    if not isinstance(answer, tuple) or len(answer) > MAX_MESSAGES:
        raise EncodingError("an answer is a list of messages")
    messages = []
    for one in answer:
        if not isinstance(one, bytes):
            raise EncodingError("a message is a byte string")
        messages.append(decode_message(one))
    return messages
