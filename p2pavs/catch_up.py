"""Asking a peer for what was missed: messages of a running instance, the certificate of one that is over."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import structlog
import trio

from consensus.encoding import EncodingError, decode, encode
from consensus.gossip_rules import instance_of
from consensus.messages import Message
from consensus.types import InstanceId
from consensus.wire import WireError, decode_message, encode_message
from p2pavs.network import Network, NetworkError, Offence, ServeLimits
from p2pavs.storage import CertificateStore

PROTOCOL = "/p2pavs/instance/1"
MAX_REQUEST = 32
MAX_RESPONSE = 800_000
MAX_MESSAGES = 1024
ASKED_AT_ONCE = 2
TIMEOUT = 5.0
LIMITS = ServeLimits(
    max_request=MAX_REQUEST, max_response=MAX_RESPONSE, streams_per_peer=4, rate=5.0, burst=40
)

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

    async def ask(self, instance: InstanceId) -> list[tuple[Message, str]]:
        """Ask two connected peers; each message with the peer that it came from.

        What comes back is as untrusted as gossip; failures are only logged.
        """
        peers = sorted(self._network.connected())
        request = encode([instance.task_id, instance.attempt])
        found: list[tuple[Message, str]] = []
        for peer in random.sample(peers, min(ASKED_AT_ONCE, len(peers))):
            try:
                answer = await self._network.request(
                    peer, PROTOCOL, request, timeout=TIMEOUT, max_response=MAX_RESPONSE
                )
                # In a thread: reading what a peer made as large as it may takes a second.
                messages = await trio.to_thread.run_sync(_parse, answer)
                found += [(message, peer) for message in messages if instance_of(message) == instance]
            except (EncodingError, WireError) as error:
                self._network.blame(peer, Offence.BREAKS_RULES)
                log.debug("catch_up_refused", task=instance.task_id, peer=peer, error=str(error))
            except NetworkError as error:
                log.debug("catch_up_failed", task=instance.task_id, peer=peer, error=str(error))
        return found

    async def _answer(self, peer: str, data: bytes) -> bytes:
        match decode(data, MAX_REQUEST):
            case (int(task_id), int(attempt)):
                instance = InstanceId(task_id, attempt)
            case _:
                raise EncodingError("a request is [taskId, attempt]")
        messages = list(self._running(instance))
        if not messages and 0 <= task_id < 2**63:
            commit = await self._certificates.get(task_id)
            if commit is not None and commit.certificate.instance == instance:
                messages = [commit]
        return await trio.to_thread.run_sync(_pack, messages)


def _pack(messages: list[Message]) -> bytes:
    """As many messages as one response holds, the first ones first: they justify round and lock."""
    room, kept = MAX_RESPONSE - 16, []
    for message in map(encode_message, messages[:MAX_MESSAGES]):
        room -= len(message) + 5
        if room < 0:
            break
        kept.append(message)
    return encode(kept)


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
