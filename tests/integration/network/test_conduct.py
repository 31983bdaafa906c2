"""Peers that misbehave lose their connection, and those who see it say so once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils import encode_varint_prefixed
from structlog.testing import capture_logs

from p2pavs.network import Network, NetworkConfig, Offence, RequestFailed, ServeLimits
from p2pavs.network.exchange import PROTOCOL
from tests.integration.network.conftest import Open, fresh_config
from tests.integration.network.strangers import ask, stranger
from tests.integration.network.waiting import until

TOPIC = "p2pavs/test"


def accept(author: str, data: bytes) -> bool:
    return True


def signed(host: Any, number: int, data: bytes = b"x", topic: str = TOPIC) -> Any:
    """A gossip message as libp2p signs it."""
    message = rpc_pb2.Message(
        data=data, topicIDs=[topic], from_id=host.get_id().to_bytes(), seqno=number.to_bytes(8, "big")
    )
    message.signature = host.get_private_key().sign(b"libp2p-pubsub:" + message.SerializeToString())
    message.key = host.get_public_key().serialize()
    return message


@asynccontextmanager
async def gossiping(network: Network, seed: int = 1) -> AsyncIterator[tuple[Any, Any]]:
    """A stranger with an open gossip stream."""
    async with stranger(network, seed) as host:
        yield host, await host.new_stream(network._libp2p.host.get_id(), ["/meshsub/1.1.0"])


async def send(stream: Any, *messages: Any) -> None:
    await stream.write(encode_varint_prefixed(rpc_pb2.RPC(publish=messages).SerializeToString()))


async def banned(network: Network, host: Any, what: str, logs: list[Any]) -> None:
    """Wait until the attacker is out and cannot come back; the log has one line of it."""
    peer = str(host.get_id())
    await until(lambda: peer not in network.connected() and network.stats().bans == 1)
    said = [entry for entry in logs if entry["event"] == "peer is banned"]
    assert [(entry["peer"], entry["sent"]) for entry in said] == [(peer, what)]


@pytest.mark.parametrize("attack", ["noise", "oversized", "unsigned", "flood", "another's name"])
async def test_gossip_that_no_honest_peer_sends(open_network: Open, attack: str) -> None:
    network, friend = await open_network(), None
    friend = await open_network(network.addresses[0])
    heard: list[bytes] = []

    def note(author: str, data: bytes) -> bool:
        heard.append(data)
        return True

    with capture_logs() as logs:
        # A small rate, so that this process need not be fast to flood.
        async with network.subscribe(TOPIC, accept, author_rate=1.0), friend.subscribe(TOPIC, note):
            await network.wait_for_subscribers(TOPIC, 1)
            async with gossiping(network) as (host, stream):
                what = await _attack(attack, network, host, stream)
                await banned(network, host, what, logs)
            assert friend.peer_id in network.connected()
            await network.publish(TOPIC, b"honest")
            await until(lambda: b"honest" in heard)
    assert b"forged" not in heard


async def _attack(attack: str, network: Network, host: Any, stream: Any) -> str:
    """Misbehave until thrown out; what the log should call it."""
    peer = network._libp2p.host.get_id()
    try:
        match attack:
            case "noise" | "oversized":
                for _ in range(50):
                    noise = b"\x05\xff\xff\xff\xff\xff" if attack == "noise" else b"\xff\xff\xff\xff\x0f"
                    await stream.write(noise)
                    with trio.move_on_after(20):
                        stream = await host.new_stream(peer, ["/meshsub/1.1.0"])
            case "unsigned":
                for number in range(50):
                    message = signed(host, number, b"forged")
                    message.signature = bytes(64)
                    await send(stream, message)
            case "another's name":
                for number in range(50):
                    message = signed(host, number, b"forged")
                    message.from_id = bytes.fromhex("00240801122020") + bytes(31)
                    await send(stream, message)
            case "flood":
                for number in range(5000):
                    await send(stream, signed(host, number))
    except Exception as error:  # thrown out
        assert not isinstance(error, AssertionError)
    return {
        "noise": Offence.NOISE,
        "oversized": Offence.NOISE,
        "unsigned": Offence.UNSIGNED,
        "another's name": Offence.UNSIGNED,
        "flood": Offence.TOO_MANY,
    }[attack].text


async def test_a_banned_author_is_not_heard_through_others(open_network: Open) -> None:
    """What a banned peer says through an honest neighbour goes no further."""
    network = await open_network()
    friend = await open_network(network.addresses[0])
    heard: list[bytes] = []

    def note(author: str, data: bytes) -> bool:
        heard.append(data)
        return True

    async with network.subscribe(TOPIC, note), friend.subscribe(TOPIC, accept):
        await friend.wait_for_subscribers(TOPIC, 1)
        async with gossiping(friend) as (host, stream):
            await send(stream, signed(host, 1, b"before"))
            await until(lambda: heard == [b"before"])
            for _ in range(11):
                network.blame(str(host.get_id()), Offence.FORGED)
            await send(stream, signed(host, 2, b"after"))
            await until(lambda: network.stats().messages_rejected)
    assert heard == [b"before"]


async def test_malformed_requests_and_false_records(open_network: Open) -> None:
    network = await open_network()
    with capture_logs() as logs:
        async with stranger(network) as host:
            with pytest.raises(Exception):  # noqa: B017 - whatever its libp2p says when it is thrown out
                for _ in range(20):
                    await ask(host, network, PROTOCOL, b"noise")
            await banned(network, host, Offence.BAD_REQUEST.text, logs)
    assert len([entry for entry in logs if entry["event"] == "request handler failed"]) == 1


async def test_a_banned_peer_is_not_let_in_and_not_dialled_and_comes_back_later(open_network: Open) -> None:
    network = await open_network()
    config: NetworkConfig = fresh_config(network.addresses[0])
    async with Network.open(config) as bad:
        await until(lambda: bad.peer_id in network.connected())
        for _ in range(11):
            network.blame(bad.peer_id, Offence.FORGED)
        await until(lambda: bad.peer_id not in network.connected())
        assert network.stats().bans == 1
        network.pardon(0.0)
        await until(lambda: bad.peer_id in network.connected(), 120)


async def test_more_requests_than_granted(open_network: Open) -> None:
    """Over its rate a peer is refused; if it does not stop at all it is banned."""

    async def echo(peer: str, data: bytes) -> bytes:
        return data

    network = await open_network()
    other = await open_network(network.addresses[0])
    network.handle("/test/echo/1", echo, ServeLimits(rate=0.001, burst=5))
    refused = 0
    for _ in range(30):
        try:
            await other.request(network.peer_id, "/test/echo/1", b"again")
        except RequestFailed:
            refused += 1
    assert refused == 25
    assert network.stats().bans == 0


async def test_streams_beyond_the_limit_and_requests_that_do_not_end(open_network: Open) -> None:
    async def echo(peer: str, data: bytes) -> bytes:
        return data

    network = await open_network()
    peer = network._libp2p.host.get_id()
    network.handle("/test/echo/1", echo, ServeLimits(timeout=0.3, streams_per_peer=20, rate=100.0))
    async with stranger(network, 1) as slow:
        try:
            for _ in range(15):
                stream = await slow.new_stream(peer, ["/test/echo/1"])
                await stream.write(b"\x00\x00\x00\x64only a part")
        except Exception as error:  # thrown out
            assert not isinstance(error, AssertionError)
        await until(lambda: network.stats().bans == 1)
    async with stranger(network, 2) as greedy:
        muxed: Any = greedy.get_network().get_connections(peer)[0].muxed_conn
        muxed.stream_backlog_semaphore = trio.Semaphore(100_000)
        try:
            with trio.move_on_after(60):
                for _ in range(1000):
                    await muxed.open_stream()
        except Exception as error:  # thrown out
            assert not isinstance(error, AssertionError)
        await until(lambda: network.stats().bans == 2)
        await until(lambda: muxed.event_closed.is_set() or muxed.event_shutting_down.is_set())
        # 200 of them make a ban; of what the connection still held nothing was looked at.
        assert network.stats().offences["too_many_streams"] < 250
