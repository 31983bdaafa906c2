"""Defect 12: nobody counts the streams of a peer.

Stock behaviour: one peer may hold thousands of streams open, each a task that waits for a negotiation; and a
stream that we reset while there is unread data in it is kept for a minute. Mended: inbound streams beyond the
64th on one connection are reset at once (and reported, as in `blame`), and a reset stream is forgotten. Where
that gets the peer banned, or it is already, its connection is closed before the next stream is looked at: a
packet may open thousands.
"""

from __future__ import annotations

from typing import Any

from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from p2pavs.network.mends.blame import REPORT, Report
from p2pavs.network.mends.patching import replace

MAX_INBOUND_STREAMS = 64  # per connection, those half closed included


def apply() -> None:
    """Reset the streams that are too many, and forget those that are reset."""
    _count_streams()
    _forget_reset_streams()


def _count_streams() -> None:
    original = SwarmConn._handle_muxed_stream

    async def handle(self: Any, muxed_stream: Any) -> None:
        if self.event_closed.is_set():
            return  # it waited while the connection was closed
        streams = self.muxed_conn.streams.values()
        if sum(not stream.is_initiator for stream in streams) > MAX_INBOUND_STREAMS:
            report: Report | None = getattr(self.swarm, REPORT, None)
            if report is not None and report(str(self.muxed_conn.peer_id), "streams"):
                await self.close()
            else:
                await muxed_stream.reset()
            return
        await original(self, muxed_stream)

    replace(SwarmConn, "_handle_muxed_stream", handle)


def _forget_reset_streams() -> None:
    original = YamuxStream.reset

    async def reset(self: Any) -> None:
        unread = self.conn.stream_buffers.get(self.stream_id)
        if unread is not None:
            unread.clear()
        await original(self)

    replace(YamuxStream, "reset", reset)
