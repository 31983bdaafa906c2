"""Finding the right peers although others stand in the way, and being found after moving."""

from __future__ import annotations

from contextlib import AsyncExitStack

import cbor2
import pytest
import trio
from nacl.signing import SigningKey

from p2pavs.network import Network, neighbours, network
from p2pavs.network.exchange import PROTOCOL
from p2pavs.network.records import make_record
from tests.integration.network.conftest import Open, fresh_config
from tests.integration.network.strangers import ask, stranger
from tests.integration.network.waiting import until


async def test_identities_around_a_newcomer_do_not_keep_it_from_the_operators(open_network: Open) -> None:
    """The attackers come first, and fill its address book and connections; one honest node is enough."""
    hub = await open_network()
    operators = [await open_network(hub.addresses[0]) for _ in range(2)]
    for one in operators:
        await until(lambda one=one: one.peer_id in hub.connected())  # type: ignore[misc]
    newcomer = await open_network(max_peers=10, max_known=40, max_outbound=4)
    async with AsyncExitStack() as stack:
        attackers = [await stack.enter_async_context(stranger(newcomer, seed)) for seed in range(1, 11)]
        for number, attacker in enumerate(attackers):
            for fake in range(4):
                key = SigningKey(bytes([number + 1, fake + 1]) * 16)
                record = make_record(key, 2**40, ("/ip4/127.0.0.1/tcp/9",), b"")
                await ask(attacker, newcomer, PROTOCOL, cbor2.dumps([record.envelope, []], canonical=True))
        assert len(newcomer.peers()) >= 40
        newcomer.prefer([hub.peer_id, *(one.peer_id for one in operators)])
        # The hub hears of the newcomer as any operator does: by its record.
        hub._discovery._learn(newcomer._discovery._own())
        hub.prefer([newcomer.peer_id])
        wanted = {hub.peer_id, *(one.peer_id for one in operators)}
        await until(lambda: wanted <= newcomer.connected(), 180)


async def test_a_node_that_moves_is_found_again(open_network: Open) -> None:
    """It comes back on another port, and its newer record replaces the old one everywhere."""
    hub = await open_network()
    other = await open_network(hub.addresses[0])
    config = fresh_config(hub.addresses[0])
    async with Network.open(config) as first:
        await until(lambda: first.peer_id in other.connected())
        old = first.addresses
    await until(lambda: first.peer_id not in other.connected())
    async with Network.open(config) as moved:
        assert moved.addresses != old
        await until(lambda: moved.peer_id in other.connected() and moved.peer_id in hub.connected(), 120)

        def known() -> tuple[str, ...]:
            found = [info.addresses for info in other.peers() if info.peer_id == moved.peer_id]
            return found[0] if found else ()

        await until(lambda: [f"{one}/p2p/{moved.peer_id}" for one in known()] == list(moved.addresses))


async def test_new_addresses_of_a_running_node_are_announced(
    open_network: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "ADDRESSES_EVERY", 0.2)
    hub = await open_network()
    roaming = await open_network(hub.addresses[0])
    await until(lambda: roaming.peer_id in hub.connected())
    there = ("/ip4/127.0.0.2/tcp/4001",)
    monkeypatch.setattr(
        network, "own_addresses", lambda host, config: there if host is roaming._libp2p.host else ()
    )

    def known() -> tuple[str, ...]:
        return next((info.addresses for info in hub.peers() if info.peer_id == roaming.peer_id), ())

    await until(lambda: known() == there)
    assert roaming.addresses == (f"{there[0]}/p2p/{roaming.peer_id}",)
    await trio.lowlevel.checkpoint()


async def test_nodes_of_one_segment_find_each_other_without_an_address(open_network: Open) -> None:
    first = await open_network(mdns=True)
    apart = await open_network()
    second = await open_network(mdns=True)
    await until(lambda: second.peer_id in first.connected(), 120)
    await until(lambda: all(info.record is not None for info in first.peers()))
    assert not apart.connected()


async def test_a_node_without_multicast_goes_on(open_network: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_port(**_: object) -> None:
        raise OSError("Address already in use")

    monkeypatch.setattr(neighbours, "Zeroconf", no_port)
    hub = await open_network(mdns=True)
    other = await open_network(hub.addresses[0], mdns=True)
    await until(lambda: other.peer_id in hub.connected())
