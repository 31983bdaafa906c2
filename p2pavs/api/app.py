"""The node's local HTTP API: what it knows, as JSON. It reads and never changes anything."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from p2pavs.errors import P2pavsError
from p2pavs.journal import Journal, Json
from p2pavs.storage import StorageError

if TYPE_CHECKING:
    from trio_typing import TaskStatus

LONGEST_WAIT = 30.0
MAX_TASK_DIGITS = 18  # what the database can hold, and far more tasks than there will be


class ApiAddressInUse(P2pavsError):
    """The API's address could not be opened."""


class NodeView(Protocol):
    """What the API shows of a node."""

    journal: Journal

    def status(self) -> dict[str, Json]:
        """The node at a glance."""
        ...

    def tasks(self) -> list[dict[str, Json]]:
        """The tasks this node watches or remembers."""
        ...

    async def certificate(self, task_id: int) -> dict[str, Json] | None:
        """The certificate this node has of a task."""
        ...

    async def evidence(self) -> list[dict[str, Json]]:
        """Stored evidence of misbehaviour."""
        ...

    def metrics(self) -> bytes:
        """Counters in the Prometheus text format."""
        ...


def create_app(node: NodeView) -> Starlette:
    """The routes over one node."""

    async def status(request: Request) -> Response:
        return _json(node.status())

    async def tasks(request: Request) -> Response:
        return _json(node.tasks())

    async def events(request: Request) -> Response:
        task_id = _task_id(request)
        after = _number(request, "after", 0)
        wait = min(_number(request, "wait", 0), LONGEST_WAIT)
        found = node.journal.events(task_id, int(after))
        if not found and wait > 0:
            with trio.move_on_after(wait):
                found = await node.journal.wait(task_id, int(after))
        return _json([event.to_json() for event in found])

    async def certificate(request: Request) -> Response:
        found = await node.certificate(_task_id(request))
        if found is None:
            return _json({"error": "this node has no certificate of that task"}, 404)
        return _json(found)

    async def evidence(request: Request) -> Response:
        return _json(await node.evidence())

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(node.metrics(), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/status", status),
            Route("/tasks", tasks),
            Route("/tasks/{task_id}/events", events),
            Route("/tasks/{task_id}/certificate", certificate),
            Route("/evidence", evidence),
            Route("/metrics", metrics),
        ],
        exception_handlers={StorageError: _storage_failed},
    )


async def _storage_failed(_: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 503)


def _json(value: Json, status: int = 200) -> Response:
    return Response(json.dumps(value), status_code=status, media_type="application/json")


def _task_id(request: Request) -> int:
    text = request.path_params["task_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_TASK_DIGITS):
        raise HTTPException(404, "a task has a number")
    return int(text)


def _number(request: Request, name: str, default: float) -> float:
    try:
        value = float(request.query_params.get(name, default))
    except ValueError:
        return default
    return value if 0 <= value < 2**53 else default


async def serve_api(
    node: NodeView, address: str, *, task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve the API on ``host:port`` until cancelled; reports its URL with the port that was bound."""
    config = Config()
    config.bind = [address]
    config.accesslog = None
    config.errorlog = None
    config.graceful_timeout = 0.1
    config.h11_max_incomplete_size = 16_384
    async with trio.open_nursery() as nursery:
        # Starlette's and hypercorn's types of an ASGI application differ in name only.
        run = partial(
            serve, cast(Any, create_app(node)), config, shutdown_trigger=trio.sleep_forever, mode="asgi"
        )
        try:
            urls: list[str] = await nursery.start(run)
            task_status.started(urls[0])
        except* (OSError, ValueError, OverflowError) as group:
            cause: BaseException = group
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            raise ApiAddressInUse(
                f"cannot serve the API on {address}: {cause}",
                "Choose another address with --api HOST:PORT.",
            ) from group
