"""An HTTP server for one application, under trio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from trio_typing import TaskStatus


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
    app: Starlette, address: str, remedy: str, *, task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve on ``host:port`` until cancelled; reports the URL with the port that was bound."""
    config = Config()
    config.bind = [address]
    config.accesslog = None
    config.errorlog = None
    config.graceful_timeout = 0.1
    config.h11_max_incomplete_size = 16_384
    async with trio.open_nursery() as nursery:
        # Starlette's and hypercorn's types of an ASGI application differ in name only.
        run = partial(serve, cast(Any, app), config, shutdown_trigger=trio.sleep_forever, mode="asgi")
        try:
            urls: list[str] = await nursery.start(run)
            task_status.started(urls[0])
        except* (OSError, ValueError, OverflowError) as group:
            cause: BaseException = group
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            raise ApiAddressInUse(f"cannot serve the API on {address}: {cause}", remedy) from group
