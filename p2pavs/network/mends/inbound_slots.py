"""Defect 2: inbound death.

Stock behaviour: the task of an inbound connection waits for the *swarm* to end instead of the connection, and
keeps its slot of the inbound limiter; the 251st connection in the life of a node is refused, and so is every
later one.
Mended: the slot is given back when the connection closes.
"""

from __future__ import annotations

from typing import Any

import structlog
from libp2p.abc import IMuxedConn
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm

from p2pavs.network.mends.patching import replace

log = structlog.get_logger(__name__)


def apply() -> None:
    """Hold an inbound slot for as long as the connection lives."""
    stock: Any = Swarm._do_handle_inbound_connection

    async def handle(self: Any, read_write_closer: Any, maddr: Any, failure_event: Any) -> None:
        if isinstance(read_write_closer, IMuxedConn):
            await stock(self, read_write_closer, maddr, failure_event)
            return
        remote = self._build_remote_multiaddr(read_write_closer)
        if remote is not None and not await self.connection_gate.is_allowed(remote):
            await read_write_closer.close()
            return
        raw = RawConnection(read_write_closer, False)
        try:
            muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
            await muxed.event_closed.wait()
        except Exception as error:
            log.debug("inbound connection failed", error=repr(error)[:200])
            try:
                await raw.close()
            except Exception as close_error:
                log.debug("inbound connection did not close", error=repr(close_error)[:200])

    replace(Swarm, "_do_handle_inbound_connection", handle)
