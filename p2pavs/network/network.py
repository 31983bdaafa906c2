"""The network of one node: who is there, topics, requests, and a record about ourselves."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final

import structlog
import trio
from libp2p.custom_types import TProtocol
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr
from nacl.signing import SigningKey

from p2pavs.errors import only_error
from p2pavs.network import dial_back, exchange
from p2pavs.network.book import Book
from p2pavs.network.bootstrap import Bootstrap
from p2pavs.network.conduct import Conduct, Offence
from p2pavs.network.config import NetworkConfig
from p2pavs.network.connections import Connections
from p2pavs.network.discovery import Discovery
from p2pavs.network.errors import NetworkError, PeerUnknown, RequestFailed, RequestTimeout
from p2pavs.network.first_hand import FirstHand
from p2pavs.network.gossip import AUTHOR_BURST, AUTHOR_RATE, QUEUE_SIZE, Gossip, Topics, Validator
from p2pavs.network.libp2p_host import Libp2p, make_libp2p
from p2pavs.network.listening import listen, own_addresses
from p2pavs.network.mends.blame import REPORT
from p2pavs.network.neighbours import Neighbours
from p2pavs.network.records import PeerRecord
from p2pavs.network.requests import Handler, ServeLimits, Server, check_request, send_request
from p2pavs.network.shutdown import close_host
from p2pavs.network.stats import Counters, NetworkStats
from p2pavs.network.upkeep import keep_up
from p2pavs.supervised import supervised

log = structlog.get_logger(__name__)

DEFAULT_LIMITS = ServeLimits()
ADDRESSES_EVERY: Final = 15.0  # seconds
_EXCHANGE_LIMITS = ServeLimits(
    max_request=exchange.MAX_REQUEST,
    max_response=exchange.MAX_RESPONSE,
    streams_per_peer=2,
    rate=2.0,
    burst=20,
    timeout=10.0,
)


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What is known of one peer."""

    peer_id: str
    addresses: tuple[str, ...]
    connected: bool
    last_seen: float | None
    """Unix time; None when it was never connected in the life of this process."""

    record: PeerRecord | None
    """Its own signed statement, with the application's payload; None until it has been received."""


class Network:
    """Made by `Network.open`, and usable until that block ends."""

    def __init__(self, config: NetworkConfig, libp2p: Libp2p) -> None:
        self._config = config
        self._libp2p = libp2p
        self._counters = Counters()
        self._payload = b""
        self.peer_id = str(libp2p.host.get_id())
        self._addresses: tuple[str, ...] = ()
        self._conduct = Conduct(self.peer_id, self._counters)
        self._connections = Connections(libp2p.host, config.max_peers, self._conduct, self._counters)
        libp2p.host.get_network().register_notifee(self._connections)
        for reporter in (libp2p.pubsub, libp2p.host.get_network()):
            setattr(reporter, REPORT, self._report)
        self._first_hand = FirstHand(libp2p.pubsub, libp2p.gossip)
        self._topics = Topics(libp2p.pubsub, self._conduct, self._counters)
        self._discovery = Discovery(
            libp2p.host,
            SigningKey(config.key_seed),
            Book(self.peer_id, config.bootstrap_addresses, config.max_known),
            self._connections,
            self._ask_records,
            self._conduct,
            self._counters,
            config.max_outbound,
            config.peers_file,
        )
        self._bootstrap = Bootstrap(
            config.bootstrap_addresses, self.peer_id, self._discovery.book, self._connections
        )
        self._neighbours = Neighbours(config.listen_address, self._discovery.hint) if config.mdns else None
        self.handle(exchange.PROTOCOL, self._discovery.serve, _EXCHANGE_LIMITS)
        dialler = dial_back.DialBackServer(self._connections.remote_hosts)
        self.handle(dial_back.PROTOCOL, dialler.serve, dial_back.LIMITS)

    @classmethod
    @asynccontextmanager
    async def open(cls, config: NetworkConfig) -> AsyncIterator[Network]:
        """Start the network, and stop it at the end of the block.

        Raises:
            ListenFailed: the listen address is not free, or not ours.
            WrongLibp2pVersion: libp2p is not the version this was written for.

        """
        network = cls(config, make_libp2p(config))
        failure: Exception | None = None
        try:
            with trio.CancelScope() as scope:
                async with network._running():
                    try:
                        yield network
                    except Exception as error:  # kept apart, so that the nurseries do not wrap it in groups
                        failure = error
                    # Everything at once: stopped one by one, the services trip over each other.
                    scope.cancel()
        except BaseExceptionGroup as group:
            raise only_error(group, NetworkError) or group from None
        finally:
            with trio.CancelScope(shield=True):
                await network._discovery.save()
                await close_host(network._libp2p.host)
        if failure is not None:
            raise failure

    @property
    def outbid(self) -> trio.Event:
        """Set when another process, now, signs records with our key. See ``Discovery.outbid``."""
        return self._discovery.outbid

    def on_returned(self, told: Callable[[bytes], None]) -> None:
        """Name who is told of gossip that bears our signature and that this process did not publish."""
        self._topics.returned = told

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where others reach this node, each with /p2p/ and our peer id."""
        return tuple(f"{address}/p2p/{self.peer_id}" for address in self._addresses)

    async def publish(self, topic: str, data: bytes) -> None:
        """Send to every subscriber of the topic but ourselves; no error when there is none.

        Raises:
            MessageTooLarge: more than 900,000 bytes.

        """
        await self._topics.publish(topic, data)

    async def tell(self, topic: str, data: bytes, peers: Collection[str]) -> bool:
        """Send to some peers only, on a topic that is subscribed to as addressed.

        Returns False, having sent nothing, where none of them is known to be subscribed.

        Raises:
            MessageTooLarge: more than 900,000 bytes.

        """
        listening = self._topics.subscribers(topic).intersection(peers)
        if listening:
            with self._first_hand.addressed_to(listening):
                await self._topics.publish(topic, data)
        return bool(listening)

    def has_room(self, topic: str) -> bool:
        """Return whether a repetition could be published without making what is new wait."""
        return self._topics.has_room(topic)

    def subscribe(
        self,
        topic: str,
        validator: Validator,
        *,
        queue_size: int = QUEUE_SIZE,
        author_rate: float = AUTHOR_RATE,
        author_burst: int = AUTHOR_BURST,
        addressed: bool = False,
    ) -> AbstractAsyncContextManager[AsyncIterator[Gossip]]:
        """Receive a topic: `async with network.subscribe(topic, validator) as messages: async for ...`.

        The validator sees (author, data) of every new message before it is forwarded to others: it must be
        quick and synchronous. What it refuses, or fails on, is neither delivered nor forwarded, and its
        verdict is remembered: refuse what can never be right, and accept what is only early. Messages of our
        own are not delivered to us. A subscriber that is too slow loses messages beyond `queue_size`;
        `stats()` counts them. One author gets `author_rate` messages a second, `author_burst` at once.
        On an `addressed` topic preferred peers are sent only what is for them: see `tell`.

        Raises:
            AlreadySubscribed: on entry, when the topic has a subscriber in this process.

        """
        if addressed:
            self._first_hand.addressed.add(topic)
        return self._topics.subscribe(topic, validator, queue_size, author_rate, author_burst)

    def subscribers(self, topic: str) -> set[str]:
        """Return the peers that are subscribed to the topic."""
        return self._topics.subscribers(topic)

    async def wait_for_subscribers(self, topic: str, count: int) -> None:
        """Return when at least `count` other nodes are known to be subscribed."""
        await self._topics.wait_for_subscribers(topic, count)

    def handle(self, protocol: str, handler: Handler, limits: ServeLimits = DEFAULT_LIMITS) -> None:
        """Answer requests of a protocol: `handler(peer, data)` returns the response.

        The limits hold per peer; what is above them is refused without asking the handler. A handler that
        raises costs the peer a refusal and us a log line.
        """
        server = Server(protocol, handler, limits, self._conduct, self._counters)
        self._libp2p.host.set_stream_handler(TProtocol(protocol), server)

    async def request(
        self, peer: str, protocol: str, data: bytes, *, timeout: float = 10.0, max_response: int = 1024 * 1024
    ) -> bytes:
        """Ask one peer, connecting first if need be.

        Raises:
            PeerUnknown: not connected, and no address known.
            RequestTimeout: no answer within `timeout` seconds.
            ResponseTooLarge: the answer is above `max_response` bytes.
            RequestFailed: anything else, with the reason. It is the base of the two above.
            MessageTooLarge: the request itself is above every limit.

        """
        check_request(data)
        self._counters.requests_out += 1
        try:
            with trio.fail_after(timeout):
                if not self._connections.open_connections(peer):
                    await self._discovery.connect(peer)
                return await send_request(self._libp2p.host, peer, protocol, data, max_response)
        except trio.TooSlowError as error:
            self._counters.requests_failed += 1
            raise RequestTimeout(f"no answer within {timeout:g} s") from error
        except (RequestFailed, PeerUnknown):
            self._counters.requests_failed += 1
            raise

    async def dial_back(self, peer: str, address: str) -> dial_back.DialBack:
        """Ask a peer to dial an address of this host (without /p2p/).

        Raises:
            PeerUnknown, RequestFailed: as `request`.

        """
        timeout = 2 * dial_back.DIAL_SECONDS
        limit = dial_back.MAX_RESPONSE
        return dial_back.decode_answer(
            await self.request(
                peer, dial_back.PROTOCOL, address.encode(), timeout=timeout, max_response=limit
            )
        )

    def connected(self) -> set[str]:
        """Return the peer ids of those who are connected now."""
        return set(self._connections.peers)

    def operators_first(self) -> list[str]:
        """Return the connected peers in random order, but preferred ones before strangers."""
        peers = sorted(self._connections.peers)
        random.shuffle(peers)
        return sorted(peers, key=lambda peer: peer not in self._connections.preferred)

    def peers(self) -> list[PeerInfo]:
        """Everybody we know, connected or not."""
        known = self._discovery.book.entries
        infos = [
            PeerInfo(
                entry.peer_id, entry.addresses, peer in self._connections.peers, entry.last_seen, entry.record
            )
            for peer, entry in known.items()
        ]
        strangers = sorted(self._connections.peers - known.keys())
        return infos + [PeerInfo(peer, (), True, None, None) for peer in strangers]

    async def wait_for_peers(self, count: int) -> None:
        """Return when at least `count` peers are connected."""
        while len(self._connections.peers) < count:
            await self._connections.wait_change()

    async def wait_for_change(self) -> None:
        """Return after the next peer has connected or disconnected."""
        await self._connections.wait_change()

    async def disconnect(self, peer: str) -> None:
        """Close the connections to a peer; it may come back."""
        await self._connections.disconnect(peer)

    def blame(self, peer: str, offence: Offence) -> None:
        """Count an offence against a peer; for enough of them it loses its connection for a time."""
        self._conduct.blame(peer, offence)

    def pardon(self, seconds: float) -> None:
        """Forgive all offences and lift all bans; wrong statements are not counted for `seconds`."""
        self._conduct.pardon(seconds)

    def lenient_while(self, in_the_dark: Callable[[], bool]) -> None:
        """Count no wrong statements while this holds: the node does not know what honest peers go by."""
        self._conduct.in_the_dark = in_the_dark

    def prefer(self, peers: Iterable[str]) -> None:
        """Name the peers that come first (registered operators): always dialled, never evicted.

        Messages go to them first-hand: see `FirstHand`.
        """
        preferred = frozenset(peers)
        self._first_hand.prefer(preferred)
        self._connections.preferred = preferred
        self._discovery.book.preferred = preferred

    def set_record(self, payload: bytes) -> None:
        """Attach at most 4,096 bytes to our signed record and send it round.

        Raises:
            InvalidRecord: too long.

        """
        self._discovery.announce(self._addresses, payload)
        self._payload = payload

    def bootstrap_error(self) -> str | None:
        """Why no bootstrap address has answered yet; None when one has, or when nothing is known yet."""
        return self._bootstrap.error()

    async def wait_for_bootstrap(self, timeout: float) -> None:
        """Return when we are connected to anybody; at once when there is no bootstrap address.

        Raises:
            BootstrapUnreachable: nobody within `timeout` seconds; the message names the addresses.

        """
        await self._bootstrap.wait(timeout)

    def stats(self) -> NetworkStats:
        """Counters and gauges."""
        return NetworkStats(
            **asdict(self._counters),
            offences={one.name.lower(): self._conduct.counts[one] for one in Offence},
            peers_connected=len(self._connections.peers),
            peers_known=len(self._discovery.book.entries),
        )

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        host, pubsub, gossip = self._libp2p.host, self._libp2p.pubsub, self._libp2p.gossip
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(host.run(listen_addrs=[]))
            await stack.enter_async_context(background_trio_service(pubsub))
            await stack.enter_async_context(background_trio_service(gossip))
            # Gossip must run before the first connection can exist, so listening comes last.
            await pubsub.wait_until_ready()
            await listen(host, Multiaddr(self._config.listen))
            self._addresses = own_addresses(host, self._config)
            self._discovery.announce(self._addresses, self._payload)
            await self._discovery.load()
            nursery = await stack.enter_async_context(trio.open_nursery())
            nursery.start_soon(supervised, self._discovery.run, "discovery")
            nursery.start_soon(supervised, self._connections.make_room, "room for connections")
            nursery.start_soon(supervised, self._bootstrap.run, "bootstrap")
            nursery.start_soon(keep_up, self._libp2p, self._connections)
            nursery.start_soon(supervised, self._watch_addresses, "own addresses")
            if (neighbours := self._neighbours) is not None:
                nursery.start_soon(supervised, lambda: neighbours.run(self.addresses), "neighbours")
            log.info("network is up", peer_id=self.peer_id, addresses=self.addresses)
            yield

    def _report(self, peer: str, what: str) -> bool:
        """What the mends of libp2p see; returns whether the peer is banned."""
        offences = {
            "noise": Offence.NOISE,
            "unsigned": Offence.UNSIGNED,
            "flood": Offence.TOO_MANY,
            "streams": Offence.TOO_MANY_STREAMS,
        }
        self._conduct.blame(peer, offences[what])
        return self._conduct.banned(peer)

    async def _watch_addresses(self) -> None:
        """Announce anew when this machine's addresses have changed."""
        while True:
            await trio.sleep(ADDRESSES_EVERY)
            now = await trio.to_thread.run_sync(own_addresses, self._libp2p.host, self._config)
            if now and now != self._addresses:
                log.info("addresses changed", addresses=now, before=self._addresses)
                self._addresses = now
                self._discovery.announce(now, self._payload)
                if self._neighbours is not None:
                    await self._neighbours.say(self.addresses)

    async def _ask_records(self, peer: str, data: bytes) -> bytes:
        return await send_request(self._libp2p.host, peer, exchange.PROTOCOL, data, exchange.MAX_RESPONSE)
