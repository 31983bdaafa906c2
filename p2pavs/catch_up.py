"""Asking peers for what was missed of running instances; one that is over answers with its certificate."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import structlog
import trio

from consensus.encoding import EncodingError, decode, encode
from consensus.gossip_rules import instance_of
from consensus.messages import Message
from consensus.types import InstanceId
from consensus.wire import UnknownMessage, WireError, decode_message, encode_message
from p2pavs.network import Network, NetworkError, Offence, ServeLimits
from p2pavs.storage import CertificateStore

PROTOCOL = "/p2pavs/instances/1"
MAX_INSTANCES = 64
MAX_REQUEST = 16 * MAX_INSTANCES
MAX_RESPONSE = 800_000
MAX_MESSAGES = 1024
ASKED_AT_ONCE = 2
TIMEOUT = 5.0
GATHER = 0.05
"""Seconds a question waits for those of other instances."""
PAUSE = 0.5
"""Seconds from one round of questions to the next, so that nobody is asked more often than it grants."""
LIMITS = ServeLimits(
    max_request=MAX_REQUEST, max_response=MAX_RESPONSE, streams_per_peer=4, rate=5.0, burst=40
)

log = structlog.get_logger()

Running = Callable[[InstanceId], Sequence[Message]]
"""What this node can hand on of a running instance; empty where it has none."""

Answer = list[tuple[Message, str]]
"""Messages, each with the peer that it came from."""


@dataclass(slots=True)
class _Round:
    """One round of questions, for all instances that somebody asks about meanwhile."""

    asked: dict[InstanceId, Collection[str] | None] = field(default_factory=dict)
    answers: dict[InstanceId, Answer] = field(default_factory=dict)
    done: trio.Event = field(default_factory=trio.Event)


class CatchUp:
    """Both ends of the protocol: request ``[[taskId, attempt], ...]``, response ``[message, ...]``."""

    def __init__(self, network: Network, certificates: CertificateStore, running: Running) -> None:
        self._network = network
        self._certificates = certificates
        self._running = running
        self._round: _Round | None = None
        self._next = 0.0
        network.handle(PROTOCOL, self._answer, LIMITS)

    async def ask(self, instance: InstanceId, peers: Collection[str] | None = None) -> Answer:
        """Ask two connected peers, of ``peers`` where they are named.

        What comes back is as untrusted as gossip; failures are only logged. Who asks at about the same time
        is asked for together.
        """
        if self._round is not None:
            current = self._round
            current.asked[instance] = peers
            await current.done.wait()
        else:
            current = self._round = _Round({instance: peers})
            try:
                await trio.sleep(max(GATHER, self._next - trio.current_time()))
                self._round, self._next = None, trio.current_time() + PAUSE
                await self._ask(current)
            finally:  # cancelled, it leaves the others without an answer: they will ask again
                if self._round is current:
                    self._round = None
                current.done.set()
        return current.answers.get(instance, [])

    async def _ask(self, current: _Round) -> None:
        connected = self._network.connected()
        wanted: dict[str, list[InstanceId]] = {}
        for instance, peers in current.asked.items():
            known = sorted(connected if peers is None else connected.intersection(peers))
            for peer in random.sample(known, min(ASKED_AT_ONCE, len(known))):
                wanted.setdefault(peer, []).append(instance)
        async with trio.open_nursery() as nursery:
            for peer, instances in wanted.items():
                nursery.start_soon(self._ask_peer, current, peer, instances)

    async def _ask_peer(self, current: _Round, peer: str, instances: list[InstanceId]) -> None:
        random.shuffle(instances)  # an answer has room for so much: another time others come first
        request = encode([[one.task_id, one.attempt] for one in instances[:MAX_INSTANCES]])
        try:
            answer = await self._network.request(
                peer, PROTOCOL, request, timeout=TIMEOUT, max_response=MAX_RESPONSE
            )
            # In a thread: reading what a peer made as large as it may takes a second.
            for message in await trio.to_thread.run_sync(_parse, answer):
                if instance_of(message) in instances:
                    current.answers.setdefault(instance_of(message), []).append((message, peer))
        except (EncodingError, WireError) as error:
            self._network.blame(peer, Offence.BREAKS_RULES)
            log.debug("catch_up_refused", peer=peer, error=str(error))
        except NetworkError as error:
            log.debug("catch_up_failed", peer=peer, error=str(error))

    async def _answer(self, peer: str, data: bytes) -> bytes:
        messages: list[Message] = []
        over: set[InstanceId] = set()
        for instance in _instances(decode(data, MAX_REQUEST)):
            running = self._running(instance)
            messages += running
            if not running and 0 <= instance.task_id < 2**63:
                over.add(instance)
        for commit in await self._certificates.get_many(sorted({one.task_id for one in over})):
            if commit.certificate.instance in over:
                messages.append(commit)
        return await trio.to_thread.run_sync(pack, messages)


def _instances(request: object) -> Iterable[InstanceId]:
    if not isinstance(request, tuple) or len(request) > MAX_INSTANCES:
        raise EncodingError(f"a request is a list of at most {MAX_INSTANCES} pairs")
    for one in request:
        match one:
            case (int(task_id), int(attempt)):
                yield InstanceId(task_id, attempt)
            case _:
                raise EncodingError("an item of a request is [taskId, attempt]")


def pack(messages: Iterable[Message]) -> bytes:
    """As many messages as one response holds, the first ones first: they justify round and lock."""
    room = MAX_RESPONSE - 16
    kept: list[bytes] = []
    for message in messages:
        encoded = encode_message(message)
        room -= len(encoded) + 5
        if room < 0 or len(kept) == MAX_MESSAGES:
            break
        kept.append(encoded)
    return encode(kept)


def _parse(data: bytes) -> list[Message]:
    answer = decode(data, MAX_RESPONSE)
    if not isinstance(answer, tuple) or len(answer) > MAX_MESSAGES:
        raise EncodingError("an answer is a list of messages")
    messages = []
    for one in answer:
        if not isinstance(one, bytes):
            raise EncodingError("a message is a byte string")
        try:
            messages.append(decode_message(one))
        except UnknownMessage:  # the peer may run a later version
            continue
    return messages
