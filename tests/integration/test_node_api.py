"""The HTTP API on a real socket: one bad client or one defect of ours does not end the server."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trio

from p2pavs.api import serving
from p2pavs.api.app import serve_api
from p2pavs.client import NodeApi
from p2pavs.journal import Json
from tests.unit.node.test_api import NodeDouble

ROOT = Path(__file__).parents[2]


class Defective(NodeDouble):
    def status(self) -> dict[str, Json]:
        raise RuntimeError("a defect")


async def test_it_serves_and_a_defect_costs_one_request() -> None:
    node = Defective()
    node.journal.add(3, "task", block=10)
    async with trio.open_nursery() as nursery:
        url: str = await nursery.start(serve_api, node, "127.0.0.1:0")
        async with httpx.AsyncClient() as http:
            assert (await http.get(url + "/status")).status_code == 500
            assert (await http.get(url + "/tasks")).json() == [{"id": 3, "state": "open"}]
        send, receive = trio.open_memory_channel[dict[str, object]](0)
        async with NodeApi([url]) as api, trio.open_nursery() as listening:
            listening.start_soon(api.events, 3, send)
            with trio.fail_after(120):
                assert (await receive.receive())["event"] == "task"
                node.journal.add(3, "certified")
                assert (await receive.receive())["event"] == "certified"
            listening.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


GET = b"GET /tasks HTTP/1.1\r\nHost: a\r\n"
UPGRADE = GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: "


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00" * 100_000,
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /tasks/1/events?after=" + b"9" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        GET + b"Content-Length: 99999999999\r\n\r\n",
        (GET + b"\r\n") * 5,
        (GET + b"Connection: close\r\n\r\n") * 5,
        UPGRADE + b"websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\nnoise",
        UPGRADE + b"h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nnoise",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"noise" * 100,
        b"",
    ],
)
async def test_noise_does_not_end_it(noise: bytes) -> None:
    async with trio.open_nursery() as nursery:
        url: str = await nursery.start(serve_api, NodeDouble(), "127.0.0.1:0")
        for patience in (0.5, *[0.01] * 20):
            stream = await trio.open_tcp_stream("127.0.0.1", int(url.rsplit(":", 1)[1]))
            with trio.move_on_after(patience):
                try:
                    await stream.send_all(noise)
                    await stream.receive_some()
                except trio.BrokenResourceError:
                    pass  # it hung up: that is an answer
            await trio.aclose_forcefully(stream)
        async with httpx.AsyncClient() as http:
            assert (await http.get(url + "/tasks")).status_code == 200
        nursery.cancel_scope.cancel()


class Talkative(NodeDouble):
    def metrics(self) -> bytes:
        return b"a 1\n" * 5_000_000  # far more than the buffers of a connection hold


async def test_who_reads_nothing_does_not_keep_it_from_ending() -> None:
    async with trio.open_nursery() as nursery:
        url: str = await nursery.start(serve_api, Talkative(), "127.0.0.1:0")
        stream = await trio.open_tcp_stream("127.0.0.1", int(url.rsplit(":", 1)[1]))
        await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await stream.receive_some(12)) == b"HTTP/1.1 200"
        with trio.fail_after(120):
            nursery.cancel_scope.cancel()
            await stream.aclose()


async def test_it_has_room_again_when_a_client_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 2)
    async with trio.open_nursery() as nursery:
        url: str = await nursery.start(serve_api, NodeDouble(), "127.0.0.1:0")
        port = int(url.rsplit(":", 1)[1])
        # They are accepted in the order in which they came.
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
        with trio.fail_after(120):
            assert await streams[2].receive_some() == b""
            await streams[0].aclose()
            async with httpx.AsyncClient() as http:
                while True:
                    try:
                        assert (await http.get(url + "/tasks")).status_code == 200
                        break
                    except httpx.TransportError:
                        await trio.sleep(0.05)
        await streams[1].aclose()
        await streams[2].aclose()
        nursery.cancel_scope.cancel()


# In a process of its own: hypercorn leaves the socket that it could not bind to the garbage collector.
SERVE = """
import sys, trio
from p2pavs.api import serving
from p2pavs.api.app import serve_api
from p2pavs.api.serving import ApiAddressInUse
from tests.unit.node.test_api import NodeDouble
try:
    trio.run(serve_api, NodeDouble(), sys.argv[1])
except* ApiAddressInUse as group:
    print(str(group.exceptions).replace("ExceptionGroup", ""))
"""


def refused(address: str) -> str:
    child = subprocess.run(
        [sys.executable, "-c", SERVE, address], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_an_address_that_is_taken_is_a_named_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"cannot serve HTTP on {address}: [Errno 98] Address already in use" in refused(address)


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:x", "no.such.host.invalid:80"])
def test_an_address_that_is_none_is_a_named_error(address: str) -> None:
    assert f"cannot serve HTTP on {address}" in refused(address)
