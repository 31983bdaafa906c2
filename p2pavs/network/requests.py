"""Request and response over one stream.

request  = length (4 bytes, big-endian) + data, then the requester closes its side
response = status (1 byte) + length (4 bytes) + data, then the responder closes its side
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, cast

import structlog
import trio
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.network.stream.net_stream import NetStream

from p2pavs.network.conduct import Conduct, Offence
from p2pavs.network.errors import MessageTooLarge, RequestFailed, RequestTimeout, ResponseTooLarge
from p2pavs.network.failures import root_cause
from p2pavs.network.limits import RateLimit
from p2pavs.network.peer_ids import libp2p_id
from p2pavs.network.stats import Counters
from p2pavs.seldom import Seldom

log = structlog.get_logger(__name__)

Handler = Callable[[str, bytes], Awaitable[bytes]]
MAX_FRAME: Final = 64 * 1024 * 1024  # bytes; no protocol may ask for more
CLOSE_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 2.0


class Status(IntEnum):
    """First byte of a response."""

    OK = 0
    FAILED = 1
    BUSY = 2
    TOO_LARGE = 3


_REFUSALS: Final = {
    Status.FAILED: "the peer could not answer",
    Status.BUSY: "the peer refuses more requests from us for now",
    Status.TOO_LARGE: "the peer finds the request too large",
}


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """What one protocol grants to each peer, and to all of them."""

    max_request: int = 64 * 1024
    """Bytes."""

    max_response: int = 1024 * 1024
    """Bytes; a longer answer of our own handler is an error of ours."""

    streams_per_peer: int = 8
    """Requests of one peer at the same time."""

    streams: int = 64
    """Requests of all peers at the same time."""

    rate: float = 20.0
    """Requests a second of one peer, in the long run."""

    burst: int = 40
    timeout: float = 30.0
    """Seconds for one request, from its first byte to the last byte of the answer."""


class Server:
    """Answers one protocol."""

    def __init__(
        self, protocol: str, handler: Handler, limits: ServeLimits, conduct: Conduct, counters: Counters
    ) -> None:
        self._protocol = protocol
        self._handler = handler
        self._limits = limits
        self._conduct = conduct
        self._counters = counters
        self._seldom = Seldom()
        self._rate = RateLimit(limits.rate, limits.burst)
        self._active: dict[str, int] = {}

    async def __call__(self, stream: INetStream) -> None:
        """Handle one stream; whatever happens, it ends in time and the stream is closed."""
        peer = str(stream.muxed_conn.peer_id)
        try:
            with trio.fail_after(self._limits.timeout):
                await self._admit(peer, stream)
            await _close(stream)
        except trio.TooSlowError:
            self._conduct.blame(peer, Offence.TOO_SLOW)
            await _reset(stream)
        except Exception as error:
            log.debug("request of a peer failed", protocol=self._protocol, peer=peer, error=root_cause(error))
            await _reset(stream)

    async def _admit(self, peer: str, stream: INetStream) -> None:
        active = self._active.get(peer, 0)
        full = active >= self._limits.streams_per_peer or sum(self._active.values()) >= self._limits.streams
        if full or not self._rate.allow(peer):
            self._conduct.blame(peer, Offence.TOO_MANY_REQUESTS)
            await self._refuse(stream, Status.BUSY)
            return
        self._active[peer] = active + 1
        try:
            await self._answer(peer, stream)
        finally:
            self._active[peer] -= 1
            if not self._active[peer]:
                del self._active[peer]

    async def _refuse(self, stream: INetStream, status: Status) -> None:
        self._counters.requests_refused += 1
        await stream.write(_response(status))
        # What the peer has sent must be read, for a reset would overtake the refusal; but not without end.
        unread = 2 * self._limits.max_request
        with trio.move_on_after(REFUSED_SECONDS):
            while unread > 0:
                try:
                    unread -= len(await stream.read(65536))
                except StreamEOF:
                    return  # it has said all it had to say: the stream is closed, which overtakes nothing
        raise ConnectionError(f"refused ({status.name})")

    async def _answer(self, peer: str, stream: INetStream) -> None:
        length = int.from_bytes(await read_exactly(stream, 4), "big")
        if length > self._limits.max_request:
            self._conduct.blame(peer, Offence.BAD_REQUEST)
            await self._refuse(stream, Status.TOO_LARGE)
            return
        data = await read_exactly(stream, length)
        await _expect_end(stream)
        self._counters.requests_in += 1
        try:
            response = await self._handler(peer, data)
            if len(response) > self._limits.max_response:
                raise RuntimeError(f"the answer has {len(response)} bytes, above {self._limits.max_response}")
        except Exception as error:
            self._counters.handler_errors += 1
            if isinstance(error, ValueError):  # what a decoder raises: the request was malformed
                self._conduct.blame(peer, Offence.BAD_REQUEST)
            if (unsaid := self._seldom.due(peer)) is not None:
                log.warning(
                    "request handler failed",
                    protocol=self._protocol,
                    peer=peer,
                    error=repr(error)[:200],
                    unsaid=unsaid,
                )
            await stream.write(_response(Status.FAILED))
            return
        await stream.write(_response(Status.OK, response))


async def send_request(host: IHost, peer: str, protocol: str, data: bytes, max_response: int) -> bytes:
    """Ask a connected peer; the caller sets the time limit.

    Raises:
        RequestFailed: with the reason; ResponseTooLarge when the answer is above `max_response`.

    """
    try:
        stream = cast(NetStream, await host.new_stream(libp2p_id(peer), [TProtocol(protocol)]))
    except Exception as error:
        raise RequestFailed(f"no stream for {protocol} ({root_cause(error)})") from error
    done = False
    try:
        await stream.write(len(data).to_bytes(4, "big") + data)
        await stream.close_write()
        header = await read_exactly(stream, 5)
        length = int.from_bytes(header[1:], "big")
        if header[0] != Status.OK:
            done = True
            raise RequestFailed(_refusal(header[0]))
        if length > max_response:
            raise ResponseTooLarge(f"the answer has {length} bytes, above the {max_response} we accept")
        response = await read_exactly(stream, length)
        done = True
        return response
    except RequestFailed:
        raise
    except trio.TooSlowError as error:
        raise RequestTimeout("the peer stopped answering") from error
    except Exception as error:
        raise RequestFailed(root_cause(error)) from error
    finally:
        await (_close(stream) if done else _reset(stream))


def check_request(data: bytes) -> None:
    """Raise MessageTooLarge when no protocol could carry the request."""
    if len(data) > MAX_FRAME:
        raise MessageTooLarge(
            f"A request of {len(data)} bytes cannot be sent.", f"Keep it below {MAX_FRAME} bytes."
        )


async def read_exactly(stream: INetStream, length: int) -> bytes:
    """Read `length` bytes; ConnectionError when the stream ends before."""
    data = bytearray()
    while len(data) < length:
        try:
            chunk = await stream.read(min(length - len(data), 65536))
        except StreamEOF:
            chunk = b""
        if not chunk:
            raise ConnectionError(f"the peer closed the stream after {len(data)} of {length} bytes")
        data += chunk
    return bytes(data)


async def _expect_end(stream: INetStream) -> None:
    """Wait until the requester closes its side, else half-closed streams would pile up."""
    try:
        extra = await stream.read(1)
    except StreamEOF:
        return
    if extra:
        raise ConnectionError("the peer sent more than it announced")


def _response(status: Status, data: bytes = b"") -> bytes:
    return bytes([status]) + len(data).to_bytes(4, "big") + data


def _refusal(status: int) -> str:
    try:
        return _REFUSALS[Status(status)]
    except (ValueError, KeyError):
        return f"the peer answered with the unknown status {status}"


async def _close(stream: INetStream) -> None:
    await _finish(stream.close)


async def _reset(stream: INetStream) -> None:
    await _finish(stream.reset)


async def _finish(end: Callable[[], Awaitable[None]]) -> None:
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
        try:
            await end()
        except Exception as error:
            log.debug("stream did not close", error=root_cause(error))
