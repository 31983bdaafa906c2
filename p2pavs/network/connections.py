"""Who is connected: follows libp2p's notifications, wakes those who wait, and makes room when it is full."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import structlog
import trio
from libp2p.abc import IHost, INetConn, INetStream, INetwork, INotifee
from libp2p.rcmgr import Direction
from multiaddr import Multiaddr

from p2pavs.network.conduct import Conduct
from p2pavs.network.failures import root_cause
from p2pavs.network.peer_ids import libp2p_id
from p2pavs.network.stats import Counters
from p2pavs.seldom import Seldom

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 2.0


class Connections(INotifee):
    """The set of connected peers."""

    def __init__(self, host: IHost, max_peers: int, conduct: Conduct, counters: Counters) -> None:
        self.peers: set[str] = set()
        self.preferred: frozenset[str] = frozenset()
        self.on_change: Callable[[str, bool], None] | None = None
        self._host = host
        self.max_peers = max_peers
        self._conduct = conduct
        self._counters = counters
        self._changed = trio.Event()
        self._crowded = trio.Event()
        self._seldom = Seldom()
        conduct.on_ban = lambda peer: self._crowded.set()

    async def connected(self, network: INetwork, conn: INetConn) -> None:
        """Note a new connection; a second one to the same peer is no news."""
        self._update(conn)

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        """Note a closed connection; the peer is gone with its last."""
        self._update(conn)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        """Not needed."""

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        """Not needed."""

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Not needed."""

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Not needed."""

    def open_connections(self, peer: str) -> list[INetConn]:
        """Return the connections to one peer that are not closed."""
        connections = self._host.get_network().get_connections(libp2p_id(peer))
        return [connection for connection in connections if not connection.is_closed]

    def remote_hosts(self, peer: str) -> set[str]:
        """Return the IP addresses at the other ends of a peer's connections, as this machine sees them."""
        # Both of libp2p's multiplexers have it, their common interface lacks it.
        connections = [cast(Any, connection.muxed_conn) for connection in self.open_connections(peer)]
        ends = (connection.get_remote_address() for connection in connections)
        return {end[0] for end in ends if end is not None}

    def outbound(self) -> int:
        """Count the connections we opened ourselves."""
        connections = self._host.get_network().get_connections()
        return sum(getattr(connection, "direction", None) == Direction.OUTBOUND for connection in connections)

    async def wait_change(self) -> None:
        """Return after the next connect or disconnect."""
        await self._changed.wait()

    async def disconnect(self, peer: str) -> None:
        """Close all connections to a peer, in bounded time."""
        with trio.move_on_after(CLOSE_SECONDS):
            try:
                await self._host.disconnect(libp2p_id(peer))
            except Exception as error:
                log.debug("disconnecting failed", peer=peer, error=root_cause(error))

    async def make_room(self) -> None:
        """Run for ever: close connections of banned peers, and those beyond the limit.

        Strangers go first, and among them who is chosen at random.
        """
        while True:
            await self._crowded.wait()
            self._crowded = trio.Event()
            for peer in sorted(filter(self._conduct.banned, self.peers)):
                await self.disconnect(peer)
            self.reconcile()
            while len(self.peers) > self.max_peers:
                strangers = sorted(self.peers - self.preferred)
                victim = random.choice(strangers or sorted(self.peers))  # noqa: S311 - fairness, not secrecy
                self._counters.evictions += 1
                if (unsaid := self._seldom.due("too many")) is not None:
                    log.info(
                        "too many peers, one is disconnected",
                        peer=victim,
                        limit=self.max_peers,
                        unsaid=unsaid,
                    )
                await self.disconnect(victim)
                self.reconcile()

    def reconcile(self) -> None:
        """Drop peers without a connection, should a notification have been lost."""
        for peer in sorted(self.peers):
            if not self.open_connections(peer):
                self._set(peer, connected=False)

    def _update(self, connection: INetConn) -> None:
        peer = str(connection.muxed_conn.peer_id)
        self._set(peer, connected=bool(self.open_connections(peer)))

    def _set(self, peer: str, *, connected: bool) -> None:
        if connected == (peer in self.peers):
            return
        (self.peers.add if connected else self.peers.discard)(peer)
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        if len(self.peers) > self.max_peers or self._conduct.banned(peer):
            self._crowded.set()
        self._tell("peer connected" if connected else "peer disconnected", peer)
        if self.on_change is not None:
            self.on_change(peer, connected)

    def _tell(self, what: str, peer: str) -> None:
        """Say it of every operator; strangers may come and go as often as they like, and are summed up."""
        unsaid: int | None = 0
        if peer not in self.preferred or self._conduct.banned(peer):
            unsaid = self._seldom.due(f"{what} strangers")
        if unsaid is not None:
            log.info(what, peer=peer, peers=len(self.peers), **({"unsaid": unsaid} if unsaid else {}))
