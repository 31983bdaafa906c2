"""Defect 12: nobody counts the streams of a peer.

Stock behaviour: one peer may hold thousands of streams open, each a task that waits for a negotiation.
Mended: an inbound stream beyond 64 on one connection is reset at once.
"""

from __future__ import annotations

from typing import Any

from libp2p.network.connection.swarm_connection import SwarmConn

from p2pavs.network.mends.patching import replace

MAX_INBOUND_STREAMS = 64  # per connection, those half closed included


def apply() -> None:
    """Reset the streams that are too many."""
    original = SwarmConn._handle_muxed_stream

    async def handle(self: Any, muxed_stream: Any) -> None:
        streams = self.muxed_conn.streams.values()
        if sum(not stream.is_initiator for stream in streams) > MAX_INBOUND_STREAMS:
            await muxed_stream.reset()
            return
        await original(self, muxed_stream)

    replace(SwarmConn, "_handle_muxed_stream", handle)
