"""Ending a host: sockets first, then what is left."""

from __future__ import annotations

from typing import Any, Final

import structlog
import trio
from libp2p.abc import IHost

from p2pavs.network.failures import root_cause

log = structlog.get_logger(__name__)

SECONDS: Final = 3.0


async def close_host(host: IHost) -> None:
    """Close every connection at once, and then the host, in bounded time."""
    with trio.move_on_after(SECONDS):
        connections: list[Any] = list(host.get_network().get_connections())
        async with trio.open_nursery() as nursery:
            for connection in connections:
                nursery.start_soon(_close, connection)
        try:
            await host.close()
        except Exception as error:
            log.debug("host did not close", error=root_cause(error))


async def _close(connection: Any) -> None:
    try:
        await connection.muxed_conn.secured_conn.close()
        await connection.close()
    except Exception as error:
        log.debug("connection did not close", error=root_cause(error))
