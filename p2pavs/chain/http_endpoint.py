"""POST over HTTP/1.1 on connections that stay open, under trio or asyncio: as much of it as JSON-RPC needs.

Built on h11, and not on httpcore, for reasons that the tests show: httpcore 1.0.9 takes what a server said
unasked for the answer to the next question, leaves generators open under trio where an answer is cut off, and
does not say why TLS failed. It and httpx, which builds on it, also take about twice the processor time.

Here a connection carries one exchange at a time, and who needs one takes an idle one or opens another.
Redirects are answers like any other. Proxies come from the environment (``HTTP_PROXY``, ``HTTPS_PROXY``,
``ALL_PROXY``, ``NO_PROXY``).
"""

from __future__ import annotations

import base64
import re
import select
import ssl
import time
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

import anyio
import h11
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

IDLE_SECONDS: Final = 5.0
"""An idle connection is not used after this: its server may be about to close it."""
IDLE_KEPT: Final = 20
_CHUNK: Final = 65536  # bytes
_PORTS: Final = {"http": 80, "https": 443}
_NAME = re.compile(r"[A-Za-z0-9._-]+\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%25[A-Za-z0-9._-]+)?\Z")

Headers = list[tuple[str, str]]


class HttpFailure(Exception):
    """There is no whole answer: what happened. Nothing in it is a secret."""


class AnswerTooLong(Exception):
    """The answer's body is longer than was allowed."""


class BadUrl(ValueError):
    """An address that names no HTTP endpoint: why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL points."""

    tls: bool
    host: str
    port: int
    authority: str  # as in a Host header
    path: str  # with the query
    credentials: str | None = field(repr=False)  # for basic authentication

    @classmethod
    def of(cls, url: str) -> Place:
        """Take a URL apart. Raises ``BadUrl``."""
        if not url.isprintable():
            raise BadUrl("it holds control characters")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadUrl(str(error)) from None
        if parts.scheme not in _PORTS:
            raise BadUrl("it does not start with http:// or https://")
        host = _host(parts.hostname or "")
        usual = _PORTS[parts.scheme]
        shown = f"[{host}]" if ":" in host else host
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        query = quote(parts.query, safe="/?%:@!$&'()*+,;=~")
        return cls(
            tls=parts.scheme == "https",
            host=host,
            port=port or usual,
            authority=shown if port in (None, usual) else f"{shown}:{port}",
            path=f"{path}?{query}" if query else path,
            credentials=_credentials(parts),
        )


class HttpEndpoint:
    """Posts to one URL. Close it with ``aclose``."""

    def __init__(self, url: str, longest: int) -> None:
        """``longest`` answer in bytes. Raises ``BadUrl``."""
        self._place = Place.of(url)
        self._longest = longest
        self._proxy = _proxy_for(self._place)
        self._tls: ssl.SSLContext | None = None
        self._idle: deque[_Connection] = deque()
        target, headers = self._place.path, _authorization("Authorization", self._place)
        if self._proxy is not None and not self._place.tls:
            target = f"http://{self._place.authority}{self._place.path}"
            headers += _authorization("Proxy-Authorization", self._proxy)
        self._target = target
        self._headers: Headers = [
            ("Host", self._place.authority),
            ("Content-Type", "application/json"),
            ("Accept-Encoding", "identity"),
            *headers,
        ]

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer. Raises ``HttpFailure`` or ``AnswerTooLong``.

        Waits as long as the other side does: set a limit around it.
        """
        try:
            connection = await self._take_idle() or _Connection(await self._open())
            headers = [*self._headers, ("Content-Length", str(len(body)))]
            request = h11.Request(method="POST", target=self._target, headers=headers)
            try:
                status, answer = await connection.exchange(request, body, self._longest)
            except BaseException:
                await anyio.aclose_forcefully(connection.stream)
                raise
        except (OSError, h11.ProtocolError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise HttpFailure(_what_happened(error)) from None
        if connection.free() and len(self._idle) < IDLE_KEPT:
            self._idle.append(connection)
        else:
            await anyio.aclose_forcefully(connection.stream)
        return status, answer

    async def aclose(self) -> None:
        """Close the connections."""
        while self._idle:
            await anyio.aclose_forcefully(self._idle.pop().stream)

    async def _take_idle(self) -> _Connection | None:
        """The connection that was used last, if its server still waits for a request."""
        while self._idle:
            connection = self._idle.pop()
            if connection.waits():
                return connection
            await anyio.aclose_forcefully(connection.stream)
        return None

    async def _open(self) -> ByteStream:
        """Connect, through the proxy if there is one."""
        first = self._place if self._proxy is None else self._proxy
        stream: ByteStream = await anyio.connect_tcp(first.host, first.port)
        try:
            if self._proxy is not None and self._proxy.tls:
                stream = await self._secured(stream, self._proxy.host)
            if self._place.tls:
                if self._proxy is not None:
                    await _ask_for_tunnel(stream, self._place, self._proxy)
                stream = await self._secured(stream, self._place.host)
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise
        return stream

    async def _secured(self, stream: ByteStream, host: str) -> ByteStream:
        if self._tls is None:
            from httpx import create_ssl_context  # much to import, for TLS alone

            self._tls = create_ssl_context()  # certifi's roots, or those that SSL_CERT_FILE names
        # HTTP says itself where a message ends; few servers take leave as TLS asks them to.
        return await TLSStream.wrap(stream, hostname=host, ssl_context=self._tls, standard_compatible=False)


class _Connection:
    """One connection: an exchange, then the next one."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no database: what anyio calls it
        self._http = h11.Connection(h11.CLIENT)
        self._used_at = 0.0

    async def exchange(self, request: h11.Request, body: bytes, longest: int) -> tuple[int, bytes]:
        """Send a request, return status and body of its answer."""
        http = self._http
        sent = (http.send(request), http.send(h11.Data(body)), http.send(h11.EndOfMessage()))
        await self.stream.send(b"".join(part or b"" for part in sent))
        status, received = 0, bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await _receive(self.stream))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                if len(received) + len(event.data) > longest:
                    raise AnswerTooLong
                received += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(received)

    def free(self) -> bool:
        """Whether another exchange may follow; it then counts as idle from now on."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        if self._http.trailing_data != (b"", False):
            return False
        self._http.start_next_cycle()
        self._used_at = time.monotonic()
        return True

    def waits(self) -> bool:
        """Whether the server has neither closed it nor said anything unasked, and will not soon."""
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)


async def _receive(stream: ByteStream) -> bytes:
    try:
        return await stream.receive(_CHUNK)
    except anyio.EndOfStream:
        return b""  # what h11 takes for it: the end of the body, or of an answer that is not whole


async def _ask_for_tunnel(stream: ByteStream, place: Place, proxy: Place) -> None:
    authority = f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}"
    http = h11.Connection(h11.CLIENT)
    headers = [("Host", authority), *_authorization("Proxy-Authorization", proxy)]
    request = h11.Request(method="CONNECT", target=authority, headers=headers)
    await stream.send((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await _receive(stream))
        elif isinstance(event, h11.Response):
            if not 200 <= event.status_code < 300:
                raise HttpFailure(f"the proxy {proxy.authority} refuses: HTTP status {event.status_code}")
            return


def _host(name: str) -> str:
    try:
        host = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not (_NAME.match(host) or (":" in host and _IPV6.match(host))):
        raise BadUrl("it names no host")
    return host


def _credentials(parts: SplitResult) -> str | None:
    if parts.username is None and parts.password is None:
        return None
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return base64.b64encode(pair.encode()).decode("ascii")


def _authorization(header: str, place: Place) -> Headers:
    return [] if place.credentials is None else [(header, f"Basic {place.credentials}")]


def _proxy_for(place: Place) -> Place | None:
    """The proxy that the environment names for an address. Raises ``BadUrl``."""
    proxies = urllib.request.getproxies()
    named = proxies.get("https" if place.tls else "http") or proxies.get("all")
    if not named or urllib.request.proxy_bypass(place.host):
        return None
    try:
        return Place.of(named if "://" in named else f"http://{named}")
    except BadUrl as error:
        raise BadUrl(f"the proxy that the environment names for it is of no use: {error}") from None


def _what_happened(error: BaseException) -> str:
    if isinstance(error, OSError) and error.__cause__ is not None:
        error = error.__cause__  # anyio says only that all attempts failed
    return str(error) or type(error).__name__
