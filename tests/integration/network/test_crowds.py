"""Many connections, many streams, many identities: whoever is honest still gets in."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio

from p2pavs.network import Network
from p2pavs.network.mends import inbound_slots
from tests.integration.network.conftest import Open
from tests.integration.network.strangers import stranger
from tests.integration.network.waiting import until

SILENT = 400


def _port(network: Network) -> int:
    return int(network.addresses[0].split("/")[4])


async def test_connections_that_say_nothing_do_not_keep_others_out(open_network: Open) -> None:
    network = await open_network()
    silent = []
    try:
        for _ in range(SILENT):
            silent.append(await trio.open_tcp_stream("127.0.0.1", _port(network)))
        await until(lambda: network._libp2p.host.get_network()._inbound_limiter.borrowed_tokens <= 40)  # type: ignore[attr-defined]
    finally:
        for one in silent:
            await one.aclose()


async def test_a_newcomer_enters_while_silent_connections_are_held(
    open_network: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate is for each address, and here everybody has the same one."""
    monkeypatch.setattr(inbound_slots, "HANDSHAKES_AT_ONCE", 10 * SILENT)
    network = await open_network()
    silent = []
    try:
        for _ in range(SILENT):
            silent.append(await trio.open_tcp_stream("127.0.0.1", _port(network)))
        friend = await open_network(network.addresses[0])
        await until(lambda: friend.peer_id in network.connected(), 120)
    finally:
        for one in silent:
            await one.aclose()


async def test_one_address_cannot_begin_handshakes_without_end(
    open_network: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound_slots, "HANDSHAKES_AT_ONCE", 3)
    monkeypatch.setattr(inbound_slots, "HANDSHAKES", 0.001)
    network = await open_network()
    friend = await open_network(network.addresses[0])
    await until(lambda: friend.peer_id in network.connected())
    entered = 0
    for seed in range(1, 6):
        with trio.move_on_after(30):
            try:
                async with stranger(network, seed):
                    entered += 1
            except Exception as error:
                assert not isinstance(error, AssertionError)
    assert entered == 2
    assert network.connected() == {friend.peer_id}


async def test_streams_without_end(open_network: Open) -> None:
    network = await open_network()
    peer = network._libp2p.host.get_id()
    async with stranger(network) as host:
        muxed: Any = host.get_network().get_connections(peer)[0].muxed_conn
        muxed.stream_backlog_semaphore = trio.Semaphore(100_000)
        try:
            with trio.move_on_after(60):
                for _ in range(2000):
                    await muxed.open_stream()
        except Exception as error:
            assert not isinstance(error, AssertionError)
        held: Any = network._libp2p.host.get_network().get_connections(host.get_id())
        await until(lambda: all(_inbound(one) <= 70 for one in held))
    async with AsyncExitStack() as stack:
        friend = await open_network(network.addresses[0])
        await until(lambda: friend.peer_id in network.connected())
        await stack.aclose()


def _inbound(connection: Any) -> int:
    return sum(not stream.is_initiator for stream in connection.muxed_conn.streams.values())


async def test_identities_without_end_make_room_for_operators(open_network: Open) -> None:
    network = await open_network(max_peers=5)
    operator = await open_network(network.addresses[0])
    network.prefer([operator.peer_id])
    async with AsyncExitStack() as stack:
        for seed in range(1, 12):
            await stack.enter_async_context(stranger(network, seed))
        await until(lambda: len(network.connected()) <= 5 and operator.peer_id in network.connected())
