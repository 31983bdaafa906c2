"""Defect 6: dead peers are never noticed.

Stock behaviour: a peer that is stopped or unplugged stays "connected" until TCP gives up, many minutes later,
and gossip keeps counting on it. Mended: each connection pings (12 bytes) every three seconds and is closed
when nothing at all has been heard for six. Whoever has just heard of the other need not ask, so of two ends
one pings. When it is we who did not run for a while (stopped, or starved of CPU), the silence is our own, and
everybody gets a fresh six seconds.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import structlog
import trio
from libp2p.io.utils import read_exactly as stock_read_exactly
from libp2p.stream_muxer.yamux import yamux
from libp2p.stream_muxer.yamux.yamux import FLAG_SYN, TYPE_PING, YAMUX_HEADER_FORMAT, Yamux

from p2pavs.network.mends.patching import replace

log = structlog.get_logger(__name__)

PING_INTERVAL = 3.0  # seconds
RECENT = 2.2  # seconds; who was heard of since is alive
DEAD_AFTER = 6.0  # seconds without one byte from the peer
OWN_PAUSE = 3.0  # seconds by which our own timer may be late before we call it a pause of ours


def apply() -> None:
    """Ping every connection from its own task, and close those that have gone silent."""

    async def read_exactly(reader: Any, n: int, *args: Any) -> bytes:
        data = await stock_read_exactly(reader, n, *args)
        reader.last_heard = trio.current_time()
        return data

    async def keep_alive(self: Any) -> None:
        await _keep_alive(self)

    replace(yamux, "read_exactly", read_exactly)
    replace(Yamux, "_measure_rtt_loop", keep_alive)


async def _keep_alive(connection: Any) -> None:
    secured = connection.secured_conn
    forgiven_until = trio.current_time()
    while not connection.event_shutting_down.is_set():
        before = trio.current_time()
        interval = PING_INTERVAL * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
        with trio.move_on_after(interval):
            await connection.event_shutting_down.wait()
        if trio.current_time() - getattr(secured, "last_heard", 0.0) >= RECENT:
            with trio.move_on_after(PING_INTERVAL):  # a full socket of a stopped peer must not stop this task
                await _ping(connection)
        now = trio.current_time()
        if now - before > interval + PING_INTERVAL + OWN_PAUSE:
            forgiven_until = now
        if now - max(forgiven_until, getattr(secured, "last_heard", 0.0)) > DEAD_AFTER:
            log.info("peer is silent and is disconnected", peer=str(connection.peer_id), seconds=DEAD_AFTER)
            # Closing the transport wakes the connection's reader, whose normal path cleans everything up.
            await secured.close()
            return


async def _ping(connection: Any) -> None:
    connection._ping_id = (connection._ping_id + 1) % 2**32
    connection._ping_sent_time = trio.current_time()
    try:
        await connection._write_frame(
            struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, connection._ping_id)
        )
    except Exception as error:
        log.debug("ping failed", error=repr(error)[:200])  # the reader sees the broken connection
