"""The HTTP of the RPC client, against servers that say exactly what a test wants, byte by byte."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
import trio

from p2pavs.chain.http_endpoint import AnswerTooLong, BadUrl, HttpEndpoint, HttpFailure, Place
from tests.unit.remote_signer.certificates import Authority

Speak = Callable[["Heard"], bytes | None]
"""Bytes for a request; None: close the connection."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    connection: int
    head: str
    body: bytes

    @property
    def target(self) -> str:
        return self.head.split(" ")[1]


@dataclass
class Server:
    port: int
    heard: list[Heard] = field(default_factory=list)
    streams: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def connections(self) -> list[int]:
        return [one.connection for one in self.heard]


@contextmanager
def serving(speak: Speak, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve on a free port in threads; with ``tls`` also behind a CONNECT that was answered."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            number = len(server.streams)
            server.streams.append(stream)
            threading.Thread(target=talk, args=(stream, number), daemon=True).start()

    def talk(stream: socket.socket, number: int) -> None:
        try:
            if tls is not None and stream.recv(1, socket.MSG_PEEK) == b"\x16":
                stream = tls.wrap_socket(stream, server_side=True)
            while (one := _read(stream, number)) is not None:
                server.heard.append(one)
                answer = speak(one)
                if answer is None:
                    break
                stream.sendall(answer)
                if one.head.startswith("CONNECT") and tls is not None and b" 200 " in answer:
                    stream = tls.wrap_socket(stream, server_side=True)
        except OSError:
            pass
        finally:
            stream.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for stream in server.streams:
            stream.close()


def _read(stream: socket.socket, number: int) -> Heard | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := stream.recv(65536)):
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < length:
        body += stream.recv(65536)
    return Heard(number, head.decode(), body)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def ask(url: str, times: int = 1, longest: int = 1000) -> list[tuple[int, bytes]]:
    endpoint = HttpEndpoint(url, longest)
    try:
        with trio.fail_after(60):
            return [await endpoint.post(b"body %d" % number) for number in range(times)]
    finally:
        await endpoint.aclose()


async def test_one_connection_carries_one_exchange_after_another() -> None:
    with serving(lambda _: OK) as server:
        assert await ask(server.url, 3) == [(200, b"hi")] * 3
        assert server.connections == [0, 0, 0]
        assert [one.body for one in server.heard] == [b"body 0", b"body 1", b"body 2"]
        head = server.heard[0].head.split("\r\n")
        assert head[0] == "POST / HTTP/1.1"
        assert head[1] == f"Host: 127.0.0.1:{server.port}"


async def test_exchanges_at_the_same_time_have_connections_of_their_own() -> None:
    both = threading.Barrier(2, timeout=30)

    def speak(_: Heard) -> bytes:
        both.wait()
        return OK

    with serving(speak) as server:
        endpoint = HttpEndpoint(server.url, 1000)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(endpoint.post, b"a")
                nursery.start_soon(endpoint.post, b"b")
        await endpoint.aclose()
        assert sorted(server.connections) == [0, 1]


def test_it_works_under_asyncio() -> None:
    async def main(url: str) -> tuple[int, bytes]:
        endpoint = HttpEndpoint(url, 1000)
        answer = await endpoint.post(b"x")
        assert await endpoint.post(b"y") == answer
        await endpoint.aclose()
        return answer

    with serving(lambda _: OK) as server:
        assert anyio.run(main, server.url, backend="asyncio") == (200, b"hi")
        assert server.connections == [0, 0]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_bodies_of_every_form_are_read(answer: bytes, body: bytes) -> None:
    with serving(lambda _: answer) as server:
        assert await ask(server.url, 2) == [(200, body)] * 2
        assert server.connections == [0, 0]


async def test_a_server_that_closes_after_each_answer_is_asked_on_new_connections() -> None:
    with serving(lambda _: OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as server:
        assert await ask(server.url, 2) == [(200, b"hi")] * 2
        assert server.connections == [0, 1]


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    with serving(lambda _: OK) as server:
        endpoint = HttpEndpoint(server.url, 1000)
        assert await endpoint.post(b"a") == (200, b"hi")
        server.streams[0].shutdown(socket.SHUT_RDWR)
        assert await endpoint.post(b"b") == (200, b"hi")
        await endpoint.aclose()
        assert server.connections == [0, 1]


async def test_what_a_server_says_unasked_answers_nothing() -> None:
    with serving(lambda one: OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") as server:
        assert await ask(server.url, 3) == [(200, b"hi")] * 3
        assert server.connections == [0, 1, 2]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    with serving(lambda _: OK) as other:
        to = f"HTTP/1.1 {status} Go\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with serving(lambda _: to) as server:
            assert await ask(server.url) == [(status, b"")]
        assert other.heard == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_whole_answer_is_a_failure(answer: bytes | None) -> None:
    def speak(one: Heard) -> bytes | None:
        if answer is not None:
            server.streams[one.connection].sendall(answer)
        return None

    with serving(speak) as server:
        with pytest.raises(HttpFailure):
            await ask(server.url)
        assert len(server.heard) == 1


@pytest.mark.parametrize("head", [b"Content-Length: 1001\r\n\r\n", b"Connection: close\r\n\r\n"])
async def test_a_longer_answer_than_allowed_is_not_kept(head: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"x" * 1001
    with serving(lambda _: answer) as server, pytest.raises(AnswerTooLong):
        await ask(server.url)


async def test_nobody_there_is_a_failure() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(HttpFailure, match=r"\w"):
            await ask(f"http://127.0.0.1:{nobody.getsockname()[1]}")


async def test_who_stops_waiting_leaves_no_connection_behind() -> None:
    asked = threading.Event()

    def speak(one: Heard) -> bytes:
        if one.body == b"slow":
            asked.set()
            return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnever the rest"
        return OK

    with serving(speak) as server:
        endpoint = HttpEndpoint(server.url, 1000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.post, b"slow")
            assert await trio.to_thread.run_sync(asked.wait, 30)
            nursery.cancel_scope.cancel()
        assert await endpoint.post(b"next") == (200, b"hi")
        await endpoint.aclose()
        assert server.connections == [0, 1]


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS; this process trusts who issued its certificate."""
    authority = Authority(tmp_path, "authority")
    issued = authority.issue("endpoint")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    return context


async def test_tls_is_spoken(tls: ssl.SSLContext) -> None:
    with serving(lambda _: OK, tls) as server:
        assert await ask(f"https://127.0.0.1:{server.port}", 2) == [(200, b"hi")] * 2
        assert server.connections == [0, 0]


async def test_a_certificate_for_another_name_is_refused(tls: ssl.SSLContext) -> None:
    with serving(lambda _: OK, tls) as server:
        with pytest.raises(HttpFailure, match="certificate"):
            await ask(f"https://localhost:{server.port}")
        assert server.heard == []


async def test_a_certificate_of_a_stranger_is_refused(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with serving(lambda _: OK, tls) as server:
        with pytest.raises(HttpFailure, match="certificate"):
            await ask(f"https://127.0.0.1:{server.port}")
        assert server.heard == []


# --- proxies -----------------------------------------------------------------------------------------------

SECRET = "Basic " + base64.b64encode(b"me:pass word").decode()


async def test_a_proxy_is_given_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: OK) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:pass%20word@127.0.0.1:{proxy.port}")
        assert await ask("http://chain.example:8545/key?a=b", 2) == [(200, b"hi")] * 2
    assert proxy.heard[0].target == "http://chain.example:8545/key?a=b"
    assert "\r\nHost: chain.example:8545\r\n" in proxy.heard[0].head
    assert f"Proxy-Authorization: {SECRET}" in proxy.heard[0].head
    assert proxy.connections == [0, 0]


async def test_a_proxy_is_asked_for_a_tunnel_and_sees_nothing_else(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speak(one: Heard) -> bytes:
        return b"HTTP/1.1 200 Connection established\r\n\r\n" if one.target == "127.0.0.1:8545" else OK

    with serving(speak, tls) as proxy:
        monkeypatch.setenv("https_proxy", f"me:pass%20word@127.0.0.1:{proxy.port}")
        assert await ask("https://you:key@127.0.0.1:8545/", 2) == [(200, b"hi")] * 2
    asked, first, second = (one.head for one in proxy.heard)
    assert asked.startswith("CONNECT 127.0.0.1:8545 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: {SECRET}" in asked
    assert "\r\nAuthorization" not in asked
    assert "Proxy-Authorization" not in first
    assert second.startswith("POST / HTTP/1.1\r\n")


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        with pytest.raises(HttpFailure, match=f"proxy 127.0.0.1:{proxy.port} refuses.*407") as caught:
            await ask("https://chain.example")
    assert "secret" not in str(caught.value)


async def test_some_hosts_need_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: OK) as server, serving(lambda _: OK) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await ask(server.url) == [(200, b"hi")]
        assert proxy.heard == []
        assert len(server.heard) == 1


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(BadUrl, match="proxy that the environment names"):
        HttpEndpoint("https://chain.example", 1000)


# --- addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "path"),
    [
        ("http://localhost", "localhost", 80, "localhost", "/"),
        ("https://rpc.example/v3/key?x=1#part", "rpc.example", 443, "rpc.example", "/v3/key?x=1"),
        ("https://rpc.example:443/", "rpc.example", 443, "rpc.example", "/"),
        ("http://[::1]:8545/a b", "::1", 8545, "[::1]:8545", "/a%20b"),
        ("http://bücher.example", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
    ],
)
def test_addresses_are_taken_apart(url: str, host: str, port: int, authority: str, path: str) -> None:
    place = Place.of(url)
    assert (place.host, place.port, place.authority, place.path) == (host, port, authority, path)


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:8545", "ws://x", "http://", "http://:80", "http://a b/", "http://x:99999", "http://[::1",
        "http://x:port", "http://a\r\nb", "http://" + "ü" * 70 + ".example", "http://x y@",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_are_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        Place.of(url)


async def test_credentials_go_in_a_header_and_nowhere_else() -> None:
    with serving(lambda _: OK) as server:
        await ask(server.url.replace("//", "//me:pass%20word@"))
        assert f"\r\nAuthorization: {SECRET}" in server.heard[0].head
        assert "me:" not in server.heard[0].head
    place = Place.of("https://me:word@rpc.example")
    assert "word" not in repr(place)
    assert (place.credentials or "missing") not in repr(place)
