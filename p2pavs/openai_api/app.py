"""The routes: authentication, size limits, answers whole or as server-sent events."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
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
from p2pavs.openai_api.errors import SERVER, ApiError
from p2pavs.openai_api.ledger import Once
from p2pavs.openai_api.service import Service

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from p2pavs.answer import Answer
    from p2pavs.openai_api.config import ApiKey
    from p2pavs.openai_api.service import Begun

MAX_BODY_BYTES = 256 * 1024
BODY_SECONDS = 30.0
KEEP_ALIVE = 10.0  # seconds between comments, so that nothing on the way takes the stream for dead

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}\Z")

Handler = Callable[[Request], Awaitable[Response]]

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
        began = anyio.current_time()
        body = await _body(request)
        asked = translate.read_request(body, service.config, chat=chat)
        once = _once(request, body)
        async with AsyncExitStack() as stack:
            stack.enter_context(service.limits.place(key))
            begun = await service.begin(key, asked.prompt, asked.options, once)
            more = {"idempotent-replayed": "true"} if begun.repeated else {}
            account = _Account(service, key, began)
            if asked.stream:
                more |= await service.limit_headers(key)
                return _Stream(account, begun, asked, more, stack.pop_all())
            answer = await service.finish(begun.header)
            usage = await account.answered(answer)
            said = translate.whole(answer, asked.options["model"], usage, chat=chat)
            return _json(said, headers=translate.headers(answer) | more)

    def told(handler: Handler) -> Handler:
        """Add a key's limits to every answer and refusal that it gets, and count the refusals."""

        async def handle(request: Request) -> Response:
            refusal: ApiError | None = None
            try:
                answer = await handler(request)
            except ApiError as error:
                refusal, answer = error, _refused(error)
            key: ApiKey | None = getattr(request.state, "key", None)
            if refusal is not None and request.method == "POST":
                service.metrics.refused("" if key is None else key.name, refusal.code or "invalid")
            if key is not None and not isinstance(answer, _Stream):
                answer.headers.update(await service.limit_headers(key))
            return answer

        return handle

    return Starlette(
        routes=[
            Route("/v1/models", told(models)),
            Route("/v1/models/{name:path}", told(model)),
            Route("/v1/chat/completions", told(partial(complete, chat=True)), methods=["POST"]),
            Route("/v1/completions", told(partial(complete, chat=False)), methods=["POST"]),
        ],
        exception_handlers={HTTPException: _no_route, Exception: _defect},
    )


class _Account:
    """Who asked, and when: for what is counted at the end."""

    def __init__(self, service: Service, key: ApiKey, began: float) -> None:
        self.service = service
        self._key = key
        self._began = began

    async def answered(self, answer: Answer) -> dict[str, int] | None:
        """Count a certified answer, and return its usage."""
        usage = await self.service.usage(answer)
        seconds = anyio.current_time() - self._began
        self.service.metrics.answered(self._key.name, seconds, usage, answer.tokens)
        return usage

    def refused(self, error: ApiError) -> None:
        """Count what a stream ends with in place of an answer."""
        self.service.metrics.refused(self._key.name, error.code or "invalid")


class _Stream(Response):
    """Server-sent events: comments until the certificate is there, then the answer and its end."""

    def __init__(
        self,
        account: _Account,
        begun: Begun,
        asked: translate.Asked,
        headers: dict[str, str],
        place: AsyncExitStack,
    ) -> None:
        super().__init__(
            headers={"cache-control": "no-store", "p2pavs-task": str(begun.task)} | headers,
            media_type="text/event-stream",
        )
        del self.headers["content-length"]
        self._account = account
        self._service = account.service
        self._begun = begun
        self._usage = asked.usage
        self._pieces = translate.Pieces(begun.task, asked.options["model"], chat=asked.chat)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._place:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_alive, send)
                group.start_soon(self._tell_draft, send)
                try:
                    found = await self._end()
                except ApiError as error:
                    self._account.refused(error)
                    found = [error.to_json()]
                except Exception:
                    log.exception("openai_defect")
                    self._account.refused(_internal())
                    found = [_internal().to_json()]
                group.cancel_scope.cancel()
            await _send_events(send, found)
            await _send(send, "data: [DONE]\n\n")
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end(self) -> list[dict[str, Any]]:
        answer = await self._service.finish(self._begun.header)
        last = self._pieces.end(answer)
        usage = await self._account.answered(answer)
        return [*last, self._pieces.usage(usage)] if self._usage and usage is not None else last

    async def _tell_draft(self, send: Send) -> None:
        """Say what the node's own answer has so far, chunk by chunk."""
        while True:
            output = await self._service.draft(self._begun.task, len(self._pieces.known))
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
    request.state.key = key
    return key


def _once(request: Request, body: Any) -> Once | None:
    """Read the header that makes a request repeatable; what it names is the address and the body."""
    name = request.headers.get("idempotency-key")
    if name is None:
        return None
    if not _IDEMPOTENCY_KEY.match(name):
        raise ApiError(
            400,
            "An idempotency key has 1 to 255 visible ASCII characters.",
            code="invalid_value",
            param="Idempotency-Key",
        )
    said = json.dumps([request.url.path, body], sort_keys=True).encode()
    return Once(name, hashlib.sha256(said).digest())


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


def _refused(error: ApiError) -> Response:
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
