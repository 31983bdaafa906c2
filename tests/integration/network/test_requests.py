"""Request and response, with honest peers and with others."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr

from p2pavs.network import Network, PeerUnknown, RequestFailed, RequestTimeout, ResponseTooLarge, ServeLimits
from tests.integration.network.conftest import Open, fresh_config
from tests.integration.network.strangers import stranger
from tests.integration.network.waiting import until

PROTOCOL = "/p2pavs/test/1"


async def echo(peer: str, data: bytes) -> bytes:
    return data


async def pair(open_network: Open) -> tuple[Network, Network]:
    server = await open_network()
    client = await open_network(server.addresses[0])
    with trio.fail_after(60):
        await client.wait_for_peers(1)
        await server.wait_for_peers(1)
    return server, client


async def test_the_answer_and_the_asking_peer(open_network: Open) -> None:
    server, client = await pair(open_network)

    async def handler(peer: str, data: bytes) -> bytes:
        return peer.encode() + data

    server.handle(PROTOCOL, handler)
    assert await client.request(server.peer_id, PROTOCOL, b"!") == client.peer_id.encode() + b"!"
    assert await client.request(server.peer_id, PROTOCOL, b"") == client.peer_id.encode()
    assert server.stats().requests_in >= 2
    assert client.stats().requests_out == 2
    assert client.stats().requests_failed == 0


async def test_megabytes(open_network: Open) -> None:
    server, client = await pair(open_network)
    size = 8 * 2**20
    server.handle(PROTOCOL, echo, ServeLimits(max_request=size, max_response=size, timeout=300))
    data = bytes(range(256)) * (size // 256)
    assert await client.request(server.peer_id, PROTOCOL, data, max_response=size, timeout=300) == data


async def test_a_known_peer_is_connected_first(open_network: Open) -> None:
    server, client = await pair(open_network)
    server.handle(PROTOCOL, echo)
    await client.disconnect(server.peer_id)
    assert await client.request(server.peer_id, PROTOCOL, b"again") == b"again"


async def test_an_unknown_peer(open_network: Open) -> None:
    client = await open_network()
    nobody = await open_network()
    with pytest.raises(PeerUnknown, match=nobody.peer_id):
        await client.request(nobody.peer_id, PROTOCOL, b"")
    assert client.stats().requests_failed == 1


async def test_a_peer_that_is_gone(open_network: Open) -> None:
    client = await open_network()
    async with Network.open(fresh_config(client.addresses[0])) as server:
        with trio.fail_after(60):
            await client.wait_for_peers(1)
            await until(lambda: any(peer.record for peer in client.peers()))
    with trio.fail_after(60):
        while client.connected():
            await client.wait_for_change()
    with pytest.raises(RequestFailed, match="cannot be reached"):
        await client.request(server.peer_id, PROTOCOL, b"")


async def test_a_protocol_the_peer_does_not_speak(open_network: Open) -> None:
    server, client = await pair(open_network)
    with pytest.raises(RequestFailed, match=PROTOCOL):
        await client.request(server.peer_id, PROTOCOL, b"")


async def test_a_handler_that_fails_costs_one_answer(open_network: Open) -> None:
    server, client = await pair(open_network)

    async def handler(peer: str, data: bytes) -> bytes:
        if data == b"bad":
            raise ValueError("a bug of the application")
        return data

    server.handle(PROTOCOL, handler)
    with pytest.raises(RequestFailed, match="could not answer"):
        await client.request(server.peer_id, PROTOCOL, b"bad")
    assert await client.request(server.peer_id, PROTOCOL, b"good") == b"good"
    assert server.stats().handler_errors == 1


async def test_a_peer_that_does_not_answer(open_network: Open) -> None:
    server, client = await pair(open_network)

    async def handler(peer: str, data: bytes) -> bytes:
        await trio.sleep_forever()
        return b""

    server.handle(PROTOCOL, handler)
    with pytest.raises(RequestTimeout, match=r"0\.2 s"):
        await client.request(server.peer_id, PROTOCOL, b"", timeout=0.2)


async def test_sizes_are_limited_on_both_sides(open_network: Open) -> None:
    server, client = await pair(open_network)
    server.handle(PROTOCOL, echo, ServeLimits(max_request=1000, max_response=900))
    with pytest.raises(ResponseTooLarge, match="800 bytes, above the 700"):
        await client.request(server.peer_id, PROTOCOL, bytes(800), max_response=700)
    with pytest.raises(RequestFailed, match="too large"):
        await client.request(server.peer_id, PROTOCOL, bytes(1001))
    with pytest.raises(RequestFailed, match="could not answer"):
        await client.request(server.peer_id, PROTOCOL, bytes(901))
    assert await client.request(server.peer_id, PROTOCOL, bytes(900)) == bytes(900)


async def test_rate_per_peer(open_network: Open) -> None:
    server, client = await pair(open_network)
    server.handle(PROTOCOL, echo, ServeLimits(rate=0.001, burst=3))
    for _ in range(3):
        await client.request(server.peer_id, PROTOCOL, b"")
    with pytest.raises(RequestFailed, match="refuses more requests"):
        await client.request(server.peer_id, PROTOCOL, b"")
    other = await open_network(server.addresses[0])
    with trio.fail_after(60):
        await other.wait_for_peers(1)
    assert await other.request(server.peer_id, PROTOCOL, b"mine") == b"mine"
    assert server.stats().requests_refused == 1


async def test_simultaneous_requests_per_peer(open_network: Open) -> None:
    server, client = await pair(open_network)
    entered, leave = 0, trio.Event()

    async def handler(peer: str, data: bytes) -> bytes:
        nonlocal entered
        entered += 1
        await leave.wait()
        return b"done"

    server.handle(PROTOCOL, handler, ServeLimits(streams_per_peer=2))
    answers: list[bytes] = []

    async def ask() -> None:
        answers.append(await client.request(server.peer_id, PROTOCOL, b""))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await until(lambda: entered == 2)
        with pytest.raises(RequestFailed, match="refuses more requests"):
            await client.request(server.peer_id, PROTOCOL, b"")
        leave.set()
    assert answers == [b"done", b"done"]
    assert await client.request(server.peer_id, PROTOCOL, b"") == b"done"


HOSTILE_REQUESTS = {
    "announces 4 GiB": b"\xff\xff\xff\xff",
    "ends in the length": b"\x00\x00",
    "ends in the data": b"\x00\x00\x00\x09abc",
    "sends more than it announced": b"\x00\x00\x00\x01abc",
    "sends nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE_REQUESTS)
async def test_hostile_requests_reach_no_handler_and_leave_no_stream(name: str, open_network: Open) -> None:
    server, client = await pair(open_network)
    asked: list[bytes] = []

    async def handler(peer: str, data: bytes) -> bytes:
        asked.append(data)
        return data

    server.handle(PROTOCOL, handler, ServeLimits(timeout=2))
    async with stranger(server) as host:
        stream = await host.new_stream(info_from_p2p_addr(Multiaddr(server.addresses[0])).peer_id, [PROTOCOL])
        await stream.write(HOSTILE_REQUESTS[name])
        await stream.close_write()
        network = server._libp2p.host.get_network()
        muxed: Any = network.get_connections(host.get_id())[0]
        await until(lambda: not [s for s in muxed.muxed_conn.streams.values() if not s.is_initiator])
    assert asked == []
    assert await client.request(server.peer_id, PROTOCOL, b"fine") == b"fine"


async def test_a_request_that_never_ends_is_ended(open_network: Open) -> None:
    server, _ = await pair(open_network)
    server.handle(PROTOCOL, echo, ServeLimits(timeout=0.3))
    async with stranger(server) as host:
        stream = await host.new_stream(info_from_p2p_addr(Multiaddr(server.addresses[0])).peer_id, [PROTOCOL])
        await stream.write(b"\x00\x00\x00\x03abc")  # all there, but its side stays open
        muxed: Any = server._libp2p.host.get_network().get_connections(host.get_id())[0]
        await until(lambda: stream.muxed_stream.reset_received)
        await until(lambda: not [s for s in muxed.muxed_conn.streams.values() if not s.is_initiator])


HOSTILE_RESPONSES = {
    "unknown status": (b"\x09\x00\x00\x00\x00", "unknown status 9"),
    "announces 4 GiB": (b"\x00\xff\xff\xff\xff", "above the 1048576"),
    "ends early": (b"\x00\x00\x00\x00\x09abc", "closed the stream after 3 of 9 bytes"),
    "nothing at all": (b"", "closed the stream after 0 of 5 bytes"),
}


@pytest.mark.parametrize("name", HOSTILE_RESPONSES)
async def test_hostile_responses_are_named(name: str, open_network: Open) -> None:
    client = await open_network()
    response, reason = HOSTILE_RESPONSES[name]

    async def handler(stream: Any) -> None:
        await stream.read(4)
        await stream.write(response)
        await stream.close()

    async with stranger(client) as host:
        host.set_stream_handler(PROTOCOL, handler)
        with trio.fail_after(60):
            await client.wait_for_peers(1)
        with pytest.raises(RequestFailed, match=reason):
            await client.request(str(host.get_id()), PROTOCOL, b"")
