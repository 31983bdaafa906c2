"""Several networks in one process: finding each other, gossip, restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio

from p2pavs.network import (
    MAX_MESSAGE,
    AlreadySubscribed,
    BootstrapUnreachable,
    Gossip,
    ListenFailed,
    MessageTooLarge,
    Network,
)
from tests.integration.network.conftest import Open, fresh_config
from tests.integration.network.waiting import until

TOPIC = "p2pavs/test"


def accept(author: str, data: bytes) -> bool:
    return True


async def mesh(open_network: Open, count: int) -> list[Network]:
    first = await open_network()
    networks = [first] + [await open_network(first.addresses[0]) for _ in range(count - 1)]
    with trio.fail_after(60):
        for network in networks:
            await network.wait_for_peers(count - 1)
    return networks


async def take(messages: AsyncIterator[Gossip], count: int) -> list[Gossip]:
    taken = []
    with trio.fail_after(60):
        async for message in messages:
            taken.append(message)
            if len(taken) == count:
                return taken
    raise AssertionError("the subscription ended")


async def test_one_bootstrap_address_is_enough_for_a_full_mesh(open_network: Open) -> None:
    networks = await mesh(open_network, 5)
    everybody = {network.peer_id for network in networks}
    for network in networks:
        await until(lambda network=network: network.connected() == everybody - {network.peer_id})  # type: ignore[misc]
        assert all(peer.connected for peer in network.peers())
        assert network.addresses[0].endswith(f"/p2p/{network.peer_id}")
        assert "/tcp/0/" not in network.addresses[0]


async def test_gossip_reaches_everybody_and_names_its_author(open_network: Open) -> None:
    networks = await mesh(open_network, 5)
    async with AsyncExitStack() as stack:
        topics = [await stack.enter_async_context(n.subscribe(TOPIC, accept)) for n in networks]
        with trio.fail_after(60):
            for network in networks:
                await network.wait_for_subscribers(TOPIC, 4)
        for number, network in enumerate(networks):
            await network.publish(TOPIC, bytes([number]))
        for number, messages in enumerate(topics):
            expected = {Gossip(n.peer_id, bytes([i])) for i, n in enumerate(networks) if i != number}
            assert set(await take(messages, 4)) == expected


async def test_what_a_validator_refuses_is_neither_delivered_nor_forwarded(open_network: Open) -> None:
    """A line of three: the middle one refuses, so the last one never hears of it."""
    first = await open_network()
    middle = await open_network(first.addresses[0])
    with trio.fail_after(60):
        await first.wait_for_peers(1)
    last = await open_network(middle.addresses[0], max_outbound=1)
    asked: list[tuple[str, bytes]] = []

    def judge(author: str, data: bytes) -> bool:
        asked.append((author, data))
        if data == b"raise":
            raise ValueError("a bug of the validator")
        return data != b"refuse"

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(first.subscribe(TOPIC, accept))
        at_middle = await stack.enter_async_context(middle.subscribe(TOPIC, judge))
        at_last = await stack.enter_async_context(last.subscribe(TOPIC, judge))
        with trio.fail_after(60):
            await middle.wait_for_subscribers(TOPIC, 2)
            await first.wait_for_subscribers(TOPIC, 1)
            await last.wait_for_subscribers(TOPIC, 1)
        for data in (b"refuse", b"raise", b"fine"):
            await first.publish(TOPIC, data)
        assert await take(at_middle, 1) == [Gossip(first.peer_id, b"fine")]
        assert await take(at_last, 1) == [Gossip(first.peer_id, b"fine")]
    assert (first.peer_id, b"refuse") in asked
    assert middle.stats().messages_rejected == 2
    assert middle.stats().validator_errors == 1
    assert last.stats().messages_in == 1


async def test_late_joiner_finds_everybody_and_receives(open_network: Open) -> None:
    networks = await mesh(open_network, 3)
    async with networks[1].subscribe(TOPIC, accept), networks[2].subscribe(TOPIC, accept):
        late = await open_network(networks[0].addresses[0])
        async with late.subscribe(TOPIC, accept) as messages:
            with trio.fail_after(60):
                await late.wait_for_peers(3)
                await networks[2].wait_for_subscribers(TOPIC, 2)
            await networks[2].publish(TOPIC, b"welcome")
            assert await take(messages, 1) == [Gossip(networks[2].peer_id, b"welcome")]


async def test_restart_with_the_same_identity(open_network: Open) -> None:
    """The old connections die, new ones come, and messages of the second life are not taken for old ones."""
    networks = await mesh(open_network, 2)
    config = fresh_config(networks[0].addresses[0])
    async with networks[0].subscribe(TOPIC, accept) as messages:
        for life in range(2):
            async with Network.open(config) as restarted, restarted.subscribe(TOPIC, accept):
                with trio.fail_after(60):
                    await restarted.wait_for_peers(2)
                    await restarted.wait_for_subscribers(TOPIC, 1)
                await restarted.publish(TOPIC, bytes([life]))
                assert await take(messages, 1) == [Gossip(restarted.peer_id, bytes([life]))]
            with trio.fail_after(60):
                while restarted.peer_id in networks[0].connected():
                    await networks[0].wait_for_change()


async def test_bootstrap_dies_and_a_restarted_node_uses_its_stored_peers(
    open_network: Open, tmp_path: Path
) -> None:
    async with Network.open(fresh_config()) as bootstrap:
        address = bootstrap.addresses[0]
        stays = await open_network(address)
        config = fresh_config(address, peers_file=tmp_path / "peers.cbor")
        async with Network.open(config) as first_life:
            with trio.fail_after(60):
                await first_life.wait_for_peers(2)

            def known() -> set[str]:
                return {peer.peer_id for peer in first_life.peers() if peer.record is not None}

            await until(lambda: known() == {bootstrap.peer_id, stays.peer_id})
    with trio.fail_after(60):
        while stays.connected():
            await stays.wait_for_change()
    async with Network.open(config) as second_life:
        with trio.fail_after(60):
            await second_life.wait_for_peers(1)
            await second_life.wait_for_bootstrap(60)
        assert second_life.connected() == {stays.peer_id}


async def test_one_of_several_bootstrap_addresses_is_enough(open_network: Open) -> None:
    first, second, gone = await open_network(), await open_network(), await open_network()
    nobody = "/ip4/127.0.0.1/tcp/1/p2p/" + gone.peer_id
    network = await open_network(nobody, second.addresses[0], first.addresses[0])
    await network.wait_for_bootstrap(60)
    await until(lambda: network.connected() == {first.peer_id, second.peer_id})
    assert network.bootstrap_error() is None
    # They bring together who knows neither of the others.
    await until(lambda: second.peer_id in first.connected())


async def test_unreachable_bootstrap_is_named(open_network: Open) -> None:
    other = await open_network()
    gone = "/ip4/127.0.0.1/tcp/1/p2p/" + other.peer_id
    network = await open_network(gone)
    with pytest.raises(BootstrapUnreachable, match=r"127\.0\.0\.1/tcp/1.*nobody listens"):
        await network.wait_for_bootstrap(0.5)
    await until(lambda: network.bootstrap_error() is not None)
    assert gone in (network.bootstrap_error() or "")


async def test_bootstrap_address_with_another_peer_behind_it(open_network: Open) -> None:
    other, third = await open_network(), await open_network()
    wrong = other.addresses[0].replace(other.peer_id, third.peer_id)
    network = await open_network(wrong)
    with pytest.raises(BootstrapUnreachable, match="does not answer as peer"):
        await network.wait_for_bootstrap(1)


async def test_first_node_has_nobody_to_wait_for(open_network: Open) -> None:
    network = await open_network()
    await network.wait_for_bootstrap(0.1)
    assert network.bootstrap_error() is None


async def test_a_taken_port_is_named(open_network: Open) -> None:
    network = await open_network()
    taken = network.addresses[0].split("/p2p/")[0]
    with pytest.raises(ListenFailed, match=r"tcp/\d+ \(Address already in use\)"):
        await open_network(listen=taken)


async def test_slow_subscriber_loses_messages_and_they_are_counted(open_network: Open) -> None:
    one, two = await mesh(open_network, 2)
    async with one.subscribe(TOPIC, accept), two.subscribe(TOPIC, accept, queue_size=5) as messages:
        with trio.fail_after(60):
            await one.wait_for_subscribers(TOPIC, 1)
            await two.wait_for_subscribers(TOPIC, 1)
        for number in range(20):
            await one.publish(TOPIC, bytes([number]))
        await until(lambda: two.stats().messages_dropped == 15)
        assert [message.data[0] for message in await take(messages, 5)] == [0, 1, 2, 3, 4]
    assert two.stats().messages_in == 5


async def test_an_author_gets_no_more_than_its_rate(open_network: Open) -> None:
    one, two = await mesh(open_network, 2)
    limits: dict[str, Any] = {"author_rate": 0.01, "author_burst": 3}
    async with one.subscribe(TOPIC, accept), two.subscribe(TOPIC, accept, **limits) as messages:
        with trio.fail_after(60):
            await one.wait_for_subscribers(TOPIC, 1)
        for number in range(6):
            await one.publish(TOPIC, bytes([number]))
        await until(lambda: two.stats().messages_rejected == 3)
        assert len(await take(messages, 3)) == 3
    assert two.stats().messages_in == 3


async def test_large_messages_arrive_and_larger_ones_are_refused(open_network: Open) -> None:
    one, two = await mesh(open_network, 2)
    async with one.subscribe(TOPIC, accept), two.subscribe(TOPIC, accept) as messages:
        with trio.fail_after(60):
            await one.wait_for_subscribers(TOPIC, 1)
        largest = bytes(MAX_MESSAGE)
        await one.publish(TOPIC, largest)
        assert await take(messages, 1) == [Gossip(one.peer_id, largest)]
        with pytest.raises(MessageTooLarge, match="900001 bytes"):
            await one.publish(TOPIC, largest + b"x")


async def test_a_topic_has_one_subscriber_at_a_time(open_network: Open) -> None:
    network = await open_network()
    async with network.subscribe(TOPIC, accept):
        with pytest.raises(AlreadySubscribed):
            async with network.subscribe(TOPIC, accept):
                raise AssertionError("subscribed twice")
    async with network.subscribe(TOPIC, accept):
        pass


async def test_a_full_node_makes_room_for_preferred_peers(open_network: Open) -> None:
    full = await open_network(max_peers=2)
    preferred = [await open_network() for _ in range(2)]
    full.prefer(network.peer_id for network in preferred)
    strangers = [await open_network(full.addresses[0], max_outbound=1) for _ in range(2)]
    with trio.fail_after(60):
        await full.wait_for_peers(2)
    wanted = {network.peer_id for network in preferred}
    assert full.connected() == {network.peer_id for network in strangers}
    joining = [await open_network(full.addresses[0], key_seed=n._config.key_seed) for n in preferred]
    assert {network.peer_id for network in joining} == wanted
    with trio.fail_after(60):
        while full.connected() != wanted:
            await full.wait_for_change()
    assert full.stats().evictions >= 2


async def test_errors_of_the_block_come_out_as_they_are() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Network.open(fresh_config()):
            raise KeyError("mine")
