"""From one bootstrap address to the whole network: exchanging records, dialling, and dialling again."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
import trio
from libp2p.abc import IHost
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo as Libp2pPeer
from multiaddr import Multiaddr
from nacl.signing import SigningKey

from p2pavs.network.addresses import Address
from p2pavs.network.book import Book, Entry
from p2pavs.network.conduct import Conduct, Offence
from p2pavs.network.connections import Connections
from p2pavs.network.errors import InvalidRecord, PeerUnknown, RequestFailed
from p2pavs.network.exchange import decode_request, decode_response, encode_request, encode_response
from p2pavs.network.failures import root_cause
from p2pavs.network.peer_ids import libp2p_id
from p2pavs.network.peers_file import load_peers, save_peers
from p2pavs.network.records import MAX_SEQ, PeerRecord, make_record, read_record
from p2pavs.network.stats import Counters
from p2pavs.seldom import Seldom

log = structlog.get_logger(__name__)

DIAL_SECONDS: Final = 6.0  # for one address
DIAL_TOTAL_SECONDS: Final = 20.0  # for all addresses of a peer
EXCHANGE_SECONDS: Final = 5.0
EXCHANGE_INTERVAL: Final = 5.0  # between two rounds with random peers, after something has changed
LONGEST_EXCHANGE_INTERVAL: Final = 40.0  # and while nothing does
EXCHANGE_PEERS: Final = 2
DIALS_AT_ONCE: Final = 8
TICK: Final = 0.5
SAVE_DELAY: Final = 2.0
PUSHES_AT_ONCE: Final = 4
RECORDS_REMEMBERED: Final = 64

Ask = Callable[[str, bytes], Awaitable[bytes]]


class Discovery:
    """Keeps the book current and the connections up."""

    def __init__(
        self,
        host: IHost,
        key: SigningKey,
        book: Book,
        connections: Connections,
        ask: Ask,
        conduct: Conduct,
        counters: Counters,
        max_outbound: int,
        peers_file: Path | None,
    ) -> None:
        self.book = book
        self.own: PeerRecord | None = None
        self.outbid = trio.Event()
        """Set when a record of ours is newer, by one, than one that we signed: another process answers us."""
        self._signed: deque[int] = deque(maxlen=RECORDS_REMEMBERED)
        self._host = host
        self._key = key
        self._connections = connections
        self._ask = ask
        self._conduct = conduct
        self._counters = counters
        self._seldom = Seldom()
        self._max_outbound = max_outbound
        self._peers_file = peers_file
        self._dialling: dict[str, trio.Event] = {}
        self._kick = trio.Event()
        self._push = trio.Event()
        self._unsaved = trio.Event()
        self._news = trio.Event()
        connections.on_change = self._on_change

    def announce(self, addresses: tuple[str, ...], payload: bytes) -> None:
        """Sign a new record about ourselves and send it round.

        Raises:
            InvalidRecord: the payload is above its limit.

        """
        last = self.own.seq if self.own is not None else 0
        self._sign(max(last + 1, time.time_ns() // 1000), addresses, payload)

    async def load(self) -> None:
        """Take what the peers file knows."""
        if self._peers_file is not None:
            for record in await trio.to_thread.run_sync(load_peers, self._peers_file):
                self._learn(record)

    def hint(self, address: Address) -> None:
        """Take an address that nobody vouches for; it ends in /p2p/PEER."""
        if self.book.hint(address, self._connections.peers):
            log.debug("address heard", address=str(address))
            self._kick.set()

    async def run(self) -> None:
        """Run for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._dial_loop, nursery)
            nursery.start_soon(self._exchange_loop)
            nursery.start_soon(self._push_loop)
            if self._peers_file is not None:
                nursery.start_soon(self._save_loop, self._peers_file)

    async def save(self) -> None:
        """Write the peers file, once."""
        if self._peers_file is not None:
            records = self.book.records()
            try:
                await trio.to_thread.run_sync(save_peers, self._peers_file, records)
            except OSError as error:
                log.warning("peers file cannot be written", path=str(self._peers_file), error=str(error))

    async def serve(self, peer: str, data: bytes) -> bytes:
        """Answer a request for records; the handler of the exchange protocol."""
        envelope, known = decode_request(data)
        self._learn_envelopes([envelope], peer)
        return encode_response(self._own(), self.book.records(), known)

    async def connect(self, peer: str) -> None:
        """Connect now to a peer of the book, or wait for the dial under way; the caller limits the time.

        Raises:
            PeerUnknown: we have no address of it.
            RequestFailed: it does not answer.

        """
        entry = self.book.entries.get(peer)
        if entry is None or not entry.addresses:
            raise PeerUnknown(
                f"No address of the peer {peer} is known.", "Wait for discovery, or check the peer id."
            )
        running = self._dialling.get(peer)
        await (self._dial(entry) if running is None else running.wait())
        if peer not in self._connections.peers and not self._connections.open_connections(peer):
            raise RequestFailed(f"the peer cannot be reached ({entry.last_error})")

    def _on_change(self, peer: str, connected: bool) -> None:
        if connected:
            self.book.succeeded(peer, trio.current_time(), time.time())
        else:
            self.book.lost(peer, trio.current_time(), time.time())
        self._kick.set()
        self._news.set()

    def _sign(self, seq: int, addresses: tuple[str, ...], payload: bytes) -> None:
        self.own = make_record(self._key, seq, addresses, payload)
        self._signed.append(seq)
        self._push.set()

    def _own(self) -> PeerRecord:
        if self.own is None:
            raise InvalidRecord("this node has no record yet")
        return self.own

    def _learn(self, record: PeerRecord) -> None:
        own = self._own()
        if record.peer_id == own.peer_id:
            if record.envelope == own.envelope or not own.seq <= record.seq < MAX_SEQ:
                return
            if record.seq - 1 in self._signed:
                self.outbid.set()  # and we do not answer: of two nodes the one that was there first goes on
                return
            # Somebody holds a newer record of ours, from before our clock was set back: be newer again.
            self._sign(record.seq + 1, own.addresses, own.payload)
            return
        if self.book.learn(record, self._connections.peers):
            if record.peer_id in self._connections.peers:
                self.book.succeeded(record.peer_id, trio.current_time(), time.time())
            self._kick.set()
            self._unsaved.set()
            self._news.set()

    def _learn_envelopes(self, envelopes: list[bytes], source: str) -> None:
        for envelope in envelopes:
            try:
                self._learn(read_record(envelope))
            except InvalidRecord as error:
                self._counters.records_rejected += 1
                self._conduct.blame(source, Offence.BAD_RECORD)
                if (unsaid := self._seldom.due(source)) is not None:
                    log.info("peer sent an invalid record", peer=source, error=str(error), unsaid=unsaid)
                return  # an honest peer verifies before it passes on: the rest is not worth the time

    async def _dial_loop(self, nursery: trio.Nursery) -> None:
        while True:
            now = trio.current_time()
            room = self._connections.max_peers - len(self._connections.peers)
            free = min(room, self._max_outbound - self._connections.outbound() - len(self._dialling))
            started = 0
            for entry in self.book.due(now, self._connections.peers):
                if entry.peer_id in self._dialling or self._conduct.banned(entry.peer_id):
                    continue
                wanted = entry.peer_id in self.book.bootstrap or entry.peer_id in self.book.preferred
                if started >= DIALS_AT_ONCE or (started >= free and not wanted):
                    break
                started += 1
                entry.next_try = now + DIAL_SECONDS + 2
                nursery.start_soon(self._dial, entry)
            with trio.move_on_after(TICK):
                await self._kick.wait()
            self._kick = trio.Event()

    async def _dial(self, entry: Entry) -> None:
        peer = libp2p_id(entry.peer_id)
        done = self._dialling[entry.peer_id] = trio.Event()
        self._counters.dials += 1
        try:
            first = entry.failures % len(entry.addresses)  # where several are dead, not always those first
            with trio.fail_after(DIAL_TOTAL_SECONDS):
                await self._try_addresses(peer, entry.addresses[first:] + entry.addresses[:first])
        except Exception as error:
            self._counters.dial_failures += 1
            self.book.failed(entry.peer_id, trio.current_time(), root_cause(error))
            log.debug("dial failed", peer=entry.peer_id, failures=entry.failures, error=root_cause(error))
        else:
            self.book.succeeded(entry.peer_id, trio.current_time(), time.time())
        finally:
            if self._dialling.get(entry.peer_id) is done:
                del self._dialling[entry.peer_id]
            done.set()
        if self._connections.open_connections(entry.peer_id):
            await self._exchange(entry.peer_id)

    async def _try_addresses(self, peer: ID, addresses: tuple[str, ...]) -> None:
        """Dial one address after another: libp2p itself tries a single one of each transport."""
        store = self._host.get_peerstore()
        for address in addresses:
            if peer in store.peer_ids():
                store.clear_addrs(peer)  # the last address, or those of its last life
            try:
                with trio.fail_after(DIAL_SECONDS):
                    await self._host.connect(Libp2pPeer(peer, [Multiaddr(address)]))
            except Exception:
                if address == addresses[-1]:
                    raise
            else:
                return

    async def _exchange(self, peer: str) -> None:
        try:
            with trio.fail_after(EXCHANGE_SECONDS):
                response = await self._ask(peer, encode_request(self._own(), self.book.records()))
            self._learn_envelopes(decode_response(response), peer)
        except (RequestFailed, PeerUnknown, InvalidRecord, trio.TooSlowError) as error:
            log.debug("peer exchange failed", peer=peer, error=root_cause(error))

    async def _exchange_loop(self) -> None:
        pause = EXCHANGE_INTERVAL
        while True:
            self._news = trio.Event()
            with trio.move_on_after(_about(pause)):
                await self._news.wait()
            if self._news.is_set():
                pause = EXCHANGE_INTERVAL
                await trio.sleep(_about(pause))
            else:  # what did not change need not be asked for so often
                pause = min(2 * pause, LONGEST_EXCHANGE_INTERVAL)
            peers = sorted(self._connections.peers)
            for peer in random.sample(peers, min(EXCHANGE_PEERS, len(peers))):
                await self._exchange(peer)

    async def _push_loop(self) -> None:
        while True:
            await self._push.wait()
            self._push = trio.Event()
            limit = trio.CapacityLimiter(PUSHES_AT_ONCE)
            async with trio.open_nursery() as nursery:
                for peer in sorted(self._connections.peers):
                    nursery.start_soon(self._push_to, limit, peer)

    async def _push_to(self, limit: trio.CapacityLimiter, peer: str) -> None:
        async with limit:
            await self._exchange(peer)

    async def _save_loop(self, path: Path) -> None:
        while True:
            await self._unsaved.wait()
            await trio.sleep(SAVE_DELAY)  # more news will follow at once
            self._unsaved = trio.Event()
            await self.save()
            log.debug("peers file written", path=str(path))


def _about(seconds: float) -> float:
    return seconds * random.uniform(0.7, 1.3)  # noqa: S311 - spreads load
