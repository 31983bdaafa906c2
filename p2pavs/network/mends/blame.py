"""Defect: nobody learns who sent what pubsub throws away.

Stock behaviour: a message with a wrong signature, a packet that is no protobuf or is too large are dropped at
debug level, and their sender goes on for ever; and packets are read as fast as a peer sends them. Mended: the
sender is reported to `Pubsub.p2pavs_report`, if somebody has put a function there, and a peer that sends more
packets than any mesh needs is read more slowly, so that TCP slows it down.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, Final

import trio
from google.protobuf.message import DecodeError
from libp2p.exceptions import ParseError
from libp2p.io.exceptions import MessageTooLarge
from libp2p.pubsub import pubsub as _pubsub
from libp2p.pubsub.pubsub import Pubsub

from p2pavs.network.limits import RateLimit
from p2pavs.network.mends.patching import replace

_pubsub_module: Any = _pubsub  # its functions are no part of what it exports
REPORT: Final = "p2pavs_report"
PACKETS: Final = 1000.0  # a second, from one peer
PACKETS_AT_ONCE: Final = 4000
BYTES: Final = 1e6  # a second, from one peer
BYTES_AT_ONCE: Final = 4_000_000  # above the largest packet
PAUSE: Final = 0.02  # seconds

Report = Callable[[str, str], bool]
"""Called with the peer, and "noise", "unsigned", "flood" or "streams"; returns whether the peer is banned."""

_reading: contextvars.ContextVar[tuple[Any, str] | None] = contextvars.ContextVar("reading", default=None)
"""The pubsub and the peer whose packet is worked on; tasks started for its messages inherit it."""


def apply() -> None:
    """Report; must follow `first_reads`, which replaces the reading, and `early_stream`."""
    _note_the_peer()
    _report_wrong_signatures()
    _report_sizes_and_rates()


def _report(what: str) -> None:
    current = _reading.get()
    if current is not None:
        service, peer = current
        report: Report | None = getattr(service, REPORT, None)
        if report is not None:
            report(peer, what)


def _note_the_peer() -> None:
    original = Pubsub.stream_handler

    async def stream_handler(self: Any, stream: Any) -> None:
        _reading.set((self, str(stream.muxed_conn.peer_id)))
        try:
            await original(self, stream)
        except (DecodeError, UnicodeDecodeError):
            _report("noise")
            raise

    replace(Pubsub, "stream_handler", stream_handler)


def _report_wrong_signatures() -> None:
    original = _pubsub_module.signature_validator

    def signature_validator(message: Any) -> bool:
        try:
            good = original(message)
        except Exception:  # a key that is none
            good = False
        if not good:
            _report("unsigned")
        return bool(good)

    replace(_pubsub_module, "signature_validator", signature_validator)


def _report_sizes_and_rates() -> None:
    original = _pubsub_module.read_varint_prefixed_bytes_limited
    packets, sizes = RateLimit(PACKETS, PACKETS_AT_ONCE), RateLimit(BYTES, BYTES_AT_ONCE)

    async def read(stream: Any, most: int) -> bytes:
        try:
            packet: bytes = await original(stream, most)
        except (MessageTooLarge, ParseError):
            _report("noise")
            raise
        current = _reading.get()
        if current is not None:
            key = f"{id(current[0])} {current[1]}"
            while not packets.allow(key) or not sizes.allow(key, len(packet)):
                _report("flood")
                await trio.sleep(PAUSE)
        return packet

    replace(_pubsub_module, "read_varint_prefixed_bytes_limited", read)
