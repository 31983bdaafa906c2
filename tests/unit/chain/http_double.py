"""A JSON-RPC endpoint that answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, bytes]
"""Status and body."""


@dataclass
class Endpoint:
    url: str
    answer: Callable[[dict[str, Any]], Answer | None]  # None: close the connection without an answer
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        return [request["method"] for request in self.requests]


def result(request: dict[str, Any], value: Any) -> Answer:
    return 200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value}).encode()


def refusal(request: dict[str, Any], code: int, message: str, data: Any = None) -> Answer:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return 200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode()


@contextmanager
def endpoint(answer: Callable[[dict[str, Any]], Answer | None]) -> Iterator[Endpoint]:
    """Serve on a free port in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.requests.append(request)
            answered = served.answer(request)
            if answered is None:
                self.close_connection = True
                return
            status, body = answered
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Endpoint(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
