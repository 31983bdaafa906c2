"""Defect 2: inbound death.

Stock behaviour: the task of an inbound connection waits for the *swarm* to end instead of the connection, and
keeps its slot of the inbound limiter; the 251st connection in the life of a node is refused, and so is every
later one. Connections that say nothing hold a slot each until they time out, so a few hundred of them keep
everybody else out.
Mended: the slot is given back when the connection closes; of the connections of one address that have not
finished their handshake only the newest 32 are kept, and an address may begin ten handshakes a second (100 at
once), for each costs us 20 ms of computing.
"""

from __future__ import annotations

import weakref
from typing import Any

import structlog
from libp2p.abc import IMuxedConn
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm

from p2pavs.network.limits import RateLimit
from p2pavs.network.mends.patching import replace

log = structlog.get_logger(__name__)

MAX_UNFINISHED = 32  # handshakes of one address at a time
HANDSHAKES = 10.0  # a second, of one address
HANDSHAKES_AT_ONCE = 100


class _Door:
    """The connections of one node that have not finished their handshake, by address, oldest first."""

    def __init__(self) -> None:
        self.unfinished: dict[str, list[Any]] = {}
        self.rate = RateLimit(HANDSHAKES, HANDSHAKES_AT_ONCE)

    async def enter(self, address: str, connection: Any) -> bool:
        """Let a connection begin its handshake; the oldest of too many has to go."""
        if not self.rate.allow(address):
            return False
        waiting = self.unfinished.setdefault(address, [])
        waiting.append(connection)
        if len(waiting) > MAX_UNFINISHED:
            await _close(waiting.pop(0))
        return True

    def leave(self, address: str, connection: Any) -> None:
        """Forget a connection whose handshake has ended, well or not."""
        waiting = self.unfinished.get(address, [])
        if connection in waiting:
            waiting.remove(connection)
        if not waiting:
            self.unfinished.pop(address, None)


def apply() -> None:
    """Hold an inbound slot for as long as the connection lives, and keep the door free."""
    stock: Any = Swarm._do_handle_inbound_connection
    doors: weakref.WeakKeyDictionary[Any, _Door] = weakref.WeakKeyDictionary()

    async def handle(self: Any, read_write_closer: Any, maddr: Any, failure_event: Any) -> None:
        if isinstance(read_write_closer, IMuxedConn):
            await stock(self, read_write_closer, maddr, failure_event)
            return
        remote = self._build_remote_multiaddr(read_write_closer)
        address = _address(remote)
        door = doors.setdefault(self, _Door())
        allowed = remote is None or await self.connection_gate.is_allowed(remote)
        if not allowed or not await door.enter(address, read_write_closer):
            await _close(read_write_closer)
            return
        raw = RawConnection(read_write_closer, False)
        try:
            try:
                muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
            finally:
                door.leave(address, read_write_closer)
            await muxed.event_closed.wait()
        except Exception as error:
            log.debug("inbound connection failed", error=repr(error)[:200])
            await _close(raw)

    replace(Swarm, "_do_handle_inbound_connection", handle)


def _address(remote: Any) -> str:
    """The IP address out of a multiaddr, or what there is of it."""
    parts = str(remote).split("/")
    return parts[2] if len(parts) > 2 else str(remote)


async def _close(connection: Any) -> None:
    try:
        await connection.close()
    except Exception as error:
        log.debug("inbound connection did not close", error=repr(error)[:200])
