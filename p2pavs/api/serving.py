"""An HTTP server for one application, under trio.

Hypercorn reads and writes the connections. Accepting them is done here: where hypercorn does it, an
exception of one connection ends the server, and with it the node. Requests that are sent before the first
one is answered do that, for one.
"""

from __future__ import annotations

import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from starlette.requests import ClientDisconnect

from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import Message, Receive, Scope, Send
    from trio_typing import TaskStatus

MAX_CONNECTIONS: Final = 256
"""At one time, of one server. The next ones are closed at once."""
STUCK_SECONDS: Final = 30
"""How long a client may leave unread what was sent to it, until the system closes its connection."""
BACKLOG: Final = 100
MAX_HEAD_BYTES: Final = 16_384

log = structlog.get_logger()


class ApiAddressInUse(P2pavsError):
    """The API's address could not be opened."""

    exit_code = ExitCode.IN_USE


def host_and_port(address: str) -> tuple[str, int]:
    """Take HOST:PORT apart. Raises ``ValueError``."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(f"{address[:200]!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


async def serve_app(
    app: Starlette,
    address: str,
    remedy: str,
    *,
    tls: ssl.SSLContext | None = None,
    keep_alive: float = 5.0,
    task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on ``host:port`` until cancelled; reports the URL with the port that was bound.

    A connection without a request is closed after ``keep_alive`` seconds. Raises ``ApiAddressInUse``.
    """
    try:
        bound = await trio.to_thread.run_sync(_bind, *host_and_port(address))
    except (OSError, ValueError, OverflowError) as error:
        raise ApiAddressInUse(f"cannot serve HTTP on {address}: {error}", remedy) from error
    plain = trio.SocketListener(trio.socket.from_stdlib_socket(bound))
    listener = plain if tls is None else trio.SSLListener(plain, tls, https_compatible=True)
    task_status.started(_url(bound, tls))
    async with listener:
        await trio.serve_listeners(_Connections(app, keep_alive).serve, [listener])


class _Connections:
    """The connections of one server: each works, fails and ends by itself."""

    def __init__(self, app: Starlette, keep_alive: float) -> None:
        self._app = ASGIWrapper(cast(Any, partial(_answer, app)))
        self._config = Config()
        self._config.accesslog = None
        self._config.errorlog = None
        self._config.h11_max_incomplete_size = MAX_HEAD_BYTES
        self._config.keep_alive_timeout = keep_alive
        self._context = WorkerContext(None)
        self._open = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer one client until it or the server goes."""
        if self._open >= MAX_CONNECTIONS:
            await trio.aclose_forcefully(stream)
            return
        self._open += 1
        try:
            await self._serve(stream)
        finally:
            self._open -= 1

    async def _serve(self, stream: trio.abc.Stream) -> None:
        transport = _transport(stream)
        transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_SECONDS * 1000)
        connection = TCPServer(self._app, self._config, self._context, ConnectionState({}), cast(Any, stream))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_close_at_end, transport)
                await connection
                nursery.cancel_scope.cancel()
        except* Exception as group:
            log.debug("http_connection_failed", error=repr(group.exceptions[0]))


def _transport(stream: trio.abc.Stream) -> trio.SocketStream:
    below = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    return cast(trio.SocketStream, below)


async def _close_at_end(transport: trio.SocketStream) -> None:
    """Close a connection when it is cancelled. Hypercorn does not let a write be cancelled, but this ends it.

    Without it a client that reads nothing would keep the server from ending.
    """
    try:
        await trio.sleep_forever()
    finally:
        transport.socket.close()


async def _answer(app: Starlette, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the application answer, and log where it fails by itself: hypercorn says nothing of it."""
    gone = False

    async def tell(message: Message) -> None:
        nonlocal gone
        try:
            await send(message)
        except Exception:
            gone = True
            raise

    try:
        await app(scope, receive, tell)
    except ClientDisconnect:
        raise
    except Exception:
        if not gone:
            log.exception("request_failed", path=scope.get("path"))
        raise


def _bind(host: str, port: int) -> socket.socket:
    if ":" not in host:
        return socket.create_server((host, port), backlog=BACKLOG)
    both = socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=both)


def _url(bound: socket.socket, tls: ssl.SSLContext | None) -> str:
    host, port = bound.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'http' if tls is None else 'https'}://{name}:{port}"
