"""The node's local HTTP API: what it knows, as JSON. It reads and never changes anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from p2pavs.api.pages import pages
from p2pavs.api.serving import serve_app
from p2pavs.chain.errors import ChainError
from p2pavs.journal import Journal, Json
from p2pavs.storage import StorageError

if TYPE_CHECKING:
    from trio_typing import TaskStatus

    from p2pavs.readiness import Condition

LONGEST_WAIT = 30.0
MAX_TASK_DIGITS = 18  # what the database can hold, and far more tasks than there will be


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

    def operators(self) -> list[dict[str, Json]]:
        """All operators that ever registered."""
        ...

    async def certificate_file(self, task_id: int) -> str | None:
        """The text of a certificate file, for who verifies it by itself."""
        ...

    async def evidence(self) -> list[dict[str, Json]]:
        """Stored evidence of misbehaviour."""
        ...

    def metrics(self) -> bytes:
        """Counters in the Prometheus text format."""
        ...

    def health(self) -> dict[str, Json]:
        """That the process answers."""
        ...

    def ready(self) -> Sequence[Condition]:
        """What the node needs for its work, and whether it holds."""
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

    async def latest(request: Request) -> Response:
        after = int(_number(request, "after", 0))
        found = node.journal.latest(after)
        if not found:
            with trio.move_on_after(min(_number(request, "wait", 0), LONGEST_WAIT)):
                found = await node.journal.wait_latest(after)
        return _json([event.to_json() for event in found])

    async def operators(request: Request) -> Response:
        return _json(node.operators())

    async def certificate_file(request: Request) -> Response:
        found = await node.certificate_file(_task_id(request))
        if found is None:
            return _json({"error": "this node has no certificate of that task"}, 404)
        return Response(found, media_type="application/json")

    async def certificate(request: Request) -> Response:
        found = await node.certificate(_task_id(request))
        if found is None:
            return _json({"error": "this node has no certificate of that task"}, 404)
        return _json(found)

    async def evidence(request: Request) -> Response:
        return _json(await node.evidence())

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(node.metrics(), media_type="text/plain; version=0.0.4")

    async def health(request: Request) -> Response:
        return _json(node.health())

    async def ready(request: Request) -> Response:
        found = node.ready()
        met = all(one.met for one in found)
        content: dict[str, Json] = {one.name: {"met": one.met, "detail": one.detail} for one in found}
        return _json({"ready": met, "conditions": content}, 200 if met else 503)

    return Starlette(
        routes=[
            Route("/status", status),
            Route("/tasks", tasks),
            Route("/tasks/{task_id}/events", events),
            Route("/tasks/{task_id}/certificate", certificate),
            Route("/tasks/{task_id}/certificate/file", certificate_file),
            Route("/events", latest),
            Route("/operators", operators),
            Route("/evidence", evidence),
            Route("/metrics", metrics),
            Route("/health", health),
            Route("/ready", ready),
            *pages(),
        ],
        exception_handlers={StorageError: _unavailable, ChainError: _unavailable},
    )


async def _unavailable(_: Request, error: Exception) -> Response:
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
    remedy = "Choose another address with --api HOST:PORT."
    await serve_app(create_app(node), address, remedy, task_status=task_status)
