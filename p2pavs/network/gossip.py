"""Topics: publishing to everybody, and receiving what a validator let through."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
import trio
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub

from p2pavs.network.conduct import Conduct, Offence
from p2pavs.network.errors import AlreadySubscribed, MessageTooLarge
from p2pavs.network.limits import RateLimit
from p2pavs.network.mends.patching import replace
from p2pavs.network.peer_ids import check_peer_id, peer_id_to_text
from p2pavs.network.stats import Counters
from p2pavs.seldom import Seldom

log = structlog.get_logger(__name__)

MAX_MESSAGE: Final = 900_000  # bytes; from 1 MiB on libp2p delivers locally and sends nothing
QUEUE_SIZE: Final = 1024  # messages waiting for one subscriber
AUTHOR_RATE: Final = 100.0  # messages a second of one author on one topic
AUTHOR_BURST: Final = 500
OWN_SHARE: Final = 0.8
"""Of that rate this node uses itself: it must not lose its connections for having much to say."""
ROOM: Final = 0.5
"""Of the own burst: repetitions are left out while less of it is left."""
UNSUBSCRIBE_SECONDS: Final = 2.0

Validator = Callable[[str, bytes], bool]


@dataclass(frozen=True, slots=True)
class Gossip:
    """One message of a topic."""

    peer: str
    """The author: libp2p has checked its signature."""

    data: bytes


class Topics:
    """Publish and subscribe on top of libp2p's pubsub."""

    def __init__(self, pubsub: Pubsub, conduct: Conduct, counters: Counters) -> None:
        self._pubsub = pubsub
        self._conduct = conduct
        self._counters = counters
        self.returned: Callable[[bytes], None] = lambda data: None
        """Told of messages that bear our signature and that this process did not publish."""
        self._own_limit = RateLimit(OWN_SHARE * AUTHOR_RATE, int(OWN_SHARE * AUTHOR_BURST))
        self._subscribed: set[str] = set()
        self._subscriptions_changed = trio.Event()
        self._watch_subscriptions()

    async def publish(self, topic: str, data: bytes) -> None:
        """Send to every subscriber of the topic but ourselves; no error when there is none.

        Waits while this node has said more than others take from one author.

        Raises:
            MessageTooLarge: more than 900,000 bytes.

        """
        if len(data) > MAX_MESSAGE:
            raise MessageTooLarge(
                f"A message of {len(data)} bytes cannot be published.",
                f"Keep it below {MAX_MESSAGE} bytes: publish a reference and serve the content by request.",
            )
        await self._own_limit.wait(topic)
        self._counters.messages_out += 1
        self._counters.bytes_out += len(data)
        await self._pubsub.publish(topic, data)

    def has_room(self, topic: str) -> bool:
        """Whether this node may say more there without making what is new wait."""
        return self._own_limit.left(topic) > ROOM

    @asynccontextmanager
    async def subscribe(
        self, topic: str, validator: Validator, queue_size: int, rate: float, burst: int
    ) -> AsyncIterator[AsyncIterator[Gossip]]:
        """See `Network.subscribe`."""
        if topic in self._subscribed:
            raise AlreadySubscribed(f"The topic {topic!r} has a subscriber.", "Subscribe once and fan out.")
        self._subscribed.add(topic)
        send, receive = trio.open_memory_channel[Gossip](queue_size)
        own = self._pubsub.my_id.to_bytes()
        limit = RateLimit(rate, burst)
        check = _Check(topic, own, validator, limit, self._conduct, self._counters, lambda: self.returned)
        sink = _Sink(own, send, self._counters)
        try:
            self._pubsub.set_topic_validator(topic, check, False)
            subscription = await self._pubsub.subscribe(topic)
            # From here on pubsub hands messages to our queue, which counts what it drops, instead of its own.
            self._pubsub.subscribed_topics_send[topic] = cast(Any, sink)
            _move_waiting(cast(Any, subscription).receive_channel, sink)
            yield receive
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + UNSUBSCRIBE_SECONDS):
                await self._pubsub.unsubscribe(topic)
            self._pubsub.remove_topic_validator(topic)
            self._subscribed.discard(topic)
            send.close()
            receive.close()

    def subscribers(self, topic: str) -> set[str]:
        """Return the peers known to be subscribed to the topic."""
        return {str(peer) for peer in self._pubsub.peer_topics.get(topic, set())}

    async def wait_for_subscribers(self, topic: str, count: int) -> None:
        """Return when at least `count` other nodes are known to be subscribed."""
        while len(self._pubsub.peer_topics.get(topic, ())) < count:
            await self._subscriptions_changed.wait()

    def _watch_subscriptions(self) -> None:
        """Libp2p's own wait is for one named peer; wake on every change instead."""
        original = self._pubsub.handle_subscription

        def handle_subscription(origin: ID, change: rpc_pb2.RPC.SubOpts) -> None:
            original(origin, change)
            changed, self._subscriptions_changed = self._subscriptions_changed, trio.Event()
            changed.set()

        replace(self._pubsub, "handle_subscription", handle_subscription)


class _Check:
    """Judges each new message of a topic before it is forwarded: must be quick and never raise."""

    def __init__(
        self,
        topic: str,
        own: bytes,
        validator: Validator,
        limit: RateLimit,
        conduct: Conduct,
        counters: Counters,
        returned: Callable[[], Callable[[bytes], None]],
    ) -> None:
        self._topic = topic
        self._own = own
        self._returned = returned
        self._validator = validator
        self._limit = limit
        self._conduct = conduct
        self._counters = counters
        self._seldom = Seldom()

    def __call__(self, forwarder: ID, message: rpc_pb2.Message) -> bool:
        if message.from_id == self._own:
            if forwarder.to_bytes() != self._own:
                self._returned()(message.data)
            return True  # what we publish ourselves; what only comes under our name is not passed on
        if self._accepts(message):
            return True
        self._counters.messages_rejected += 1
        return False

    def _accepts(self, message: rpc_pb2.Message) -> bool:
        if list(message.topicIDs) != [self._topic] or len(message.data) > MAX_MESSAGE:
            return False
        author = _author(message.from_id)
        if author is None or self._conduct.banned(author):
            return False
        if not self._limit.allow(author):
            self._conduct.blame(author, Offence.TOO_MANY)
            return False
        try:
            return bool(self._validator(author, message.data))
        except Exception as error:
            self._counters.validator_errors += 1
            if (unsaid := self._seldom.due("failed")) is not None:
                log.warning(
                    "gossip validator failed", topic=self._topic, error=repr(error)[:200], unsaid=unsaid
                )
            return False


class _Sink:
    """Stands where pubsub expects the sending end of its channel."""

    def __init__(self, own: bytes, send: trio.MemorySendChannel[Gossip], counters: Counters) -> None:
        self._own = own
        self._send = send
        self._counters = counters

    def send_nowait(self, message: rpc_pb2.Message) -> None:
        """Queue for the subscriber, or drop and count."""
        author = _author(message.from_id)
        if author is None or message.from_id == self._own:
            return
        try:
            self._send.send_nowait(Gossip(author, message.data))
        except trio.WouldBlock:
            self._counters.messages_dropped += 1
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the subscriber has gone
        else:
            self._counters.messages_in += 1
            self._counters.bytes_in += len(message.data)

    async def aclose(self) -> None:
        """Pubsub closes the channel when it unsubscribes."""
        self._send.close()
        await trio.lowlevel.checkpoint()


def _move_waiting(channel: trio.MemoryReceiveChannel[rpc_pb2.Message], sink: _Sink) -> None:
    """Hand over what arrived while pubsub was still announcing the subscription."""
    while True:
        try:
            sink.send_nowait(channel.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return


@functools.lru_cache(maxsize=1024)
def _author(raw: bytes) -> str | None:
    try:
        check_peer_id(raw)
    except ValueError:
        return None
    return peer_id_to_text(raw)
