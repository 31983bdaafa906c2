"""The explorer: a page that shows what the API says. Its files are read once and served as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FILES: Final = {
    "/": ("explorer.html", "text/html; charset=utf-8"),
    "/static/explorer.css": ("explorer.css", "text/css; charset=utf-8"),
    "/static/explorer.js": ("explorer.js", "text/javascript; charset=utf-8"),
    "/static/map.js": ("map.js", "text/javascript; charset=utf-8"),
    "/static/verify.mjs": ("verify.mjs", "text/javascript; charset=utf-8"),
}
HEADERS: Final = {
    # Nothing from elsewhere is loaded, run or told: peers' text on the page cannot do more than be read.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def pages() -> list[Route]:
    """The routes of the explorer."""
    return [Route(path, _serve(name, kind)) for path, (name, kind) in FILES.items()]


def _serve(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("p2pavs.api").joinpath("static", name).read_bytes()
    tag = f'"{sha256(content).hexdigest()[:16]}"'
    headers = HEADERS | {"etag": tag}

    async def page(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return page
