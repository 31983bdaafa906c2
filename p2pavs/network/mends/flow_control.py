"""Defect 12, bytes instead of streams: the receive window is not enforced.

Stock behaviour: a peer that sends more than its window is logged ("exceeded receive window") and the window
is clamped to zero, so one stream that nobody reads takes all the memory there is. Mended: it costs the
connection. The counter raises `TooSlowError`, because that is what the frame loop answers by closing the
connection.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.stream_muxer.yamux.yamux import YamuxStream


class ReceiveWindowExceeded(trio.TooSlowError):
    """The peer sent more than it was allowed to."""


def apply() -> None:
    """Close the connection of a peer that ignores flow control."""

    def get(self: Any) -> int:
        return int(self._recv_window)

    def put(self: Any, value: int) -> None:
        if value < 0:
            raise ReceiveWindowExceeded(f"stream {self.stream_id} received more than its window")
        self._recv_window = value

    # An instance attribute upstream, so there is nothing on the class to replace.
    setattr(YamuxStream, "recv_window", property(get, put))  # noqa: B010 - the type has no such attribute
