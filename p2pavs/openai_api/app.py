"""The routes: authentication, size limits, answers whole or as server-sent events."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from p2pavs import strict_json
from p2pavs.openai_api import translate
from p2pavs.openai_api.config import ApiKey
from p2pavs.openai_api.errors import SERVER, ApiError
from p2pavs.openai_api.service import Service

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from p2pavs.client import Posted

MAX_BODY_BYTES = 256 * 1024
BODY_SECONDS = 30.0
KEEP_ALIVE = 10.0  # seconds between comments, so that nothing on the way takes the stream for dead

log = structlog.get_logger()


def create_app(service: Service) -> Starlette:
    """The endpoint over one service."""

    async def models(request: Request) -> Response:
        found = await service.models(_who(request, service))
        return _json({"object": "list", "data": [_model(entry) for entry in found]})

    async def model(request: Request) -> Response:
        wanted = request.path_params["name"]
        for entry in await service.models(_who(request, service)):
            if wanted in (entry.name, "0x" + entry.id.hex()):
                return _json(_model(entry))
        raise ApiError(
            404, f"The model {wanted[:80]!r} does not exist.", code="model_not_found", param="model"
        )

    async def complete(request: Request, *, chat: bool) -> Response:
        key = _who(request, service)
        asked = translate.read_request(await _body(request), service.config, chat=chat)
        async with AsyncExitStack() as stack:
            stack.enter_context(service.place(key))
            posted = await service.begin(key, asked.prompt, asked.options)
            name = asked.options["model"]
            if asked.stream:
                return _Stream(service, posted, name, chat, stack.pop_all())
            answer = await service.finish(posted)
            return _json(translate.whole(answer, name, chat=chat), headers=translate.headers(answer))

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", model),
            Route("/v1/chat/completions", partial(complete, chat=True), methods=["POST"]),
            Route("/v1/completions", partial(complete, chat=False), methods=["POST"]),
        ],
        exception_handlers={ApiError: _refused, HTTPException: _no_route, Exception: _defect},
    )


class _Stream(Response):
    """Server-sent events: comments until the certificate is there, then the answer and its end."""

    def __init__(
        self, service: Service, posted: Posted, model: str, chat: bool, place: AsyncExitStack
    ) -> None:
        super().__init__(
            headers={"cache-control": "no-store", "p2pavs-task": str(posted.id)},
            media_type="text/event-stream",
        )
        del self.headers["content-length"]
        self._service = service
        self._posted = posted
        self._pieces = translate.Pieces(posted.id, model, chat=chat)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._place:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_alive, send)
                group.start_soon(self._tell_draft, send)
                try:
                    found = self._pieces.end(await self._service.finish(self._posted))
                except ApiError as error:
                    found = [error.to_json()]
                except Exception:
                    log.exception("openai_defect")
                    found = [_internal().to_json()]
                group.cancel_scope.cancel()
            await _send_events(send, found)
            await _send(send, "data: [DONE]\n\n")
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell_draft(self, send: Send) -> None:
        """Say what the node's own answer has so far, chunk by chunk."""
        while True:
            output = await self._service.draft(self._posted, len(self._pieces.known))
            if not output.startswith(self._pieces.known):
                return  # the end says that it is not what was certified
            await _send_events(send, self._pieces.more(output))

    async def _keep_alive(self, send: Send) -> None:
        while True:
            await _send(send, ": the committee works\n\n")
            await anyio.sleep(KEEP_ALIVE)


async def _send_events(send: Send, bodies: list[dict[str, Any]]) -> None:
    for body in bodies:
        await _send(send, f"data: {json.dumps(body)}\n\n")


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _who(request: Request, service: Service) -> ApiKey:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    key = service.config.key_of(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise ApiError(
            401,
            "The API key is missing or wrong: send it as 'Authorization: Bearer KEY'.",
            code="invalid_api_key",
        )
    return key


async def _body(request: Request) -> Any:
    body = bytearray()
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message = await request.receive()
            if message["type"] != "http.request":
                break
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise ApiError(413, f"The body is longer than {MAX_BODY_BYTES} bytes.")
            if not message.get("more_body", False):
                try:
                    return strict_json.loads(bytes(body))
                except ValueError:
                    raise ApiError(400, "The body is not JSON.") from None
    raise ApiError(408, "The body did not arrive.")


def _model(entry: Any) -> dict[str, Any]:
    return {
        "id": entry.name,
        "object": "model",
        "created": 0,  # the registry does not say when
        "owned_by": "0x" + entry.maker.hex(),
        "p2pavs": {"modelId": "0x" + entry.id.hex(), "runtimeProfile": "0x" + entry.runtime_profile.hex()},
    }


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(value), status, headers, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return _json(error.to_json(), error.status, error.headers())


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    refusal = ApiError(status, "There is no such address or method here.", code="unknown_url")
    return _json(refusal.to_json(), status, refusal.headers())


async def _defect(_: Request, error: Exception) -> Response:
    refusal = _internal()
    return _json(refusal.to_json(), refusal.status, refusal.headers())


def _internal() -> ApiError:
    return ApiError(500, "A defect of this node; its log has more.", kind=SERVER, code="internal")
