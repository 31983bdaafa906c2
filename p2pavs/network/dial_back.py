"""Dialling back, `/p2pavs/dial-back/1`: a peer tells a node whether it can be reached, and what time it is.

request  = an address, /ip4/203.0.113.7/tcp/4001, as text
response = 0 or 1 (reached), unix time in milliseconds (8 bytes, big-endian), why not (text, empty if reached)

Only the host that the request comes from is dialled, so that nobody can make a node dial others.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import trio

from p2pavs.network.addresses import MAX_ADDRESS_LENGTH, Address, is_dialable, parse_address
from p2pavs.network.errors import RequestFailed
from p2pavs.network.requests import ServeLimits

PROTOCOL: Final = "/p2pavs/dial-back/1"
DIAL_SECONDS: Final = 5.0
MAX_REASON: Final = 200  # bytes
MAX_RESPONSE: Final = 9 + MAX_REASON
LIMITS: Final = ServeLimits(
    max_request=MAX_ADDRESS_LENGTH,
    max_response=MAX_RESPONSE,
    streams_per_peer=1,
    streams=8,
    rate=0.1,
    burst=8,
    timeout=2 * DIAL_SECONDS,
)


@dataclass(frozen=True, slots=True)
class DialBack:
    """What a peer found."""

    reached: bool
    time: float
    """The peer's clock, unix seconds."""
    reason: str
    """Why not; empty if reached. The peer's words: not to be trusted with a terminal."""


class DialBackServer:
    """Dials whoever asks. ``hosts_of`` gives the IP addresses that a peer's connections come from."""

    def __init__(self, hosts_of: Callable[[str], Collection[str]]) -> None:
        self._hosts_of = hosts_of

    async def serve(self, peer: str, data: bytes) -> bytes:
        """Answer a request. Raises ``ValueError`` if it is malformed."""
        text = data.decode()
        if not is_dialable(text):
            raise ValueError("it is not an address that can be dialled")
        reason = await _dial(parse_address(text), self._hosts_of(peer))
        now = int(time.time() * 1000).to_bytes(8, "big")
        return bytes([not reason]) + now + reason.encode()[:MAX_REASON]


def decode_answer(data: bytes) -> DialBack:
    """Read an answer. Raises ``RequestFailed``."""
    if not 9 <= len(data) <= MAX_RESPONSE or data[0] > 1:
        raise RequestFailed("the peer's answer is malformed")
    reason = data[9:].decode(errors="replace")
    return DialBack(data[0] == 1, int.from_bytes(data[1:9], "big") / 1000, reason)


async def _dial(address: Address, hosts: Collection[str]) -> str:
    """Connect once; returns why that failed, or an empty text."""
    try:
        with trio.fail_after(DIAL_SECONDS):
            found = await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            targets = [info for info in found if info[4][0] in hosts]
            if not targets:
                return "that is not the host which the request came from"
            family, kind, protocol, _, where = targets[0]
            with trio.socket.socket(family, kind, protocol) as connection:
                await connection.connect(where)
    except trio.TooSlowError:
        return f"no connection within {DIAL_SECONDS:g} s"
    except OSError as error:
        return os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
    return ""
