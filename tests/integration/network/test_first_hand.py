"""Operators send each other their messages themselves; what does not arrive is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import trio
from libp2p.peer.id import ID

from p2pavs.network import Gossip, Network
from p2pavs.network.first_hand import FirstHand
from p2pavs.network.mends.patching import replace
from tests.integration.network.conftest import Open
from tests.integration.network.test_mesh import accept, mesh, take
from tests.integration.network.waiting import until

TOPIC = "p2pavs/test"


def count_copies(network: Network) -> list[tuple[str, bytes]]:
    """From whom each copy of a message comes, and what it says."""
    pubsub: Any = network._libp2p.pubsub
    copies: list[tuple[str, bytes]] = []

    def seen(message: Any) -> bool:
        if message.from_id != pubsub.my_id.to_bytes():
            copies.append((str(ID(message.from_id)), message.data))
        return bool(original(message))

    original = replace(pubsub, "_is_msg_seen", seen)
    return copies


async def subscribe(
    stack: AsyncExitStack, networks: list[Network], *, addressed: bool = False
) -> list[AsyncIterator[Gossip]]:
    topics = [
        await stack.enter_async_context(network.subscribe(TOPIC, accept, addressed=addressed))
        for network in networks
    ]
    with trio.fail_after(60):
        for network in networks:
            await network.wait_for_subscribers(TOPIC, len(networks) - 1)
    return topics


def all_prefer_each_other(networks: list[Network]) -> None:
    everybody = {network.peer_id for network in networks}
    for network in networks:
        network.prefer(everybody - {network.peer_id})


async def test_operators_get_hardly_more_than_one_copy_each(open_network: Open) -> None:
    networks = await mesh(open_network, 8)
    all_prefer_each_other(networks)
    async with AsyncExitStack() as stack:
        topics = await subscribe(stack, networks)
        copies = [count_copies(network) for network in networks]
        for number, network in enumerate(networks):
            await network.publish(TOPIC, bytes([number]))
        for messages in topics:
            await take(messages, 7)
        await trio.sleep(4)  # some heartbeats: what is named to those who have it is not sent to them
        # libp2p repeats recent messages to a peer whose subscription it has just heard of: one or two. On a
        # busy machine a heartbeat may name what is on its way. Where all relay there are three times as many.
        assert 8 * 7 <= sum(map(len, copies)) <= 8 * 7 + 25


async def test_what_is_addressed_reaches_only_those_it_is_for(open_network: Open) -> None:
    networks = await mesh(open_network, 5)
    all_prefer_each_other(networks)
    author, addressee, *others = networks
    async with AsyncExitStack() as stack:
        topics = await subscribe(stack, networks, addressed=True)
        copies = [count_copies(network) for network in others]
        assert not await author.tell(TOPIC, b"for nobody here", ["12D3KooWnobody"])
        assert await author.tell(TOPIC, b"for one", [addressee.peer_id])
        assert [message.data for message in await take(topics[1], 1)] == [b"for one"]
        await trio.sleep(4)  # some heartbeats: it is not named to anybody
        assert copies == [[], [], []]


async def test_who_is_no_operator_hears_what_is_addressed_to_operators(open_network: Open) -> None:
    networks = await mesh(open_network, 4)
    all_prefer_each_other(networks[:3])
    async with AsyncExitStack() as stack:
        topics = await subscribe(stack, networks, addressed=True)
        assert await networks[0].tell(TOPIC, b"for one", [networks[1].peer_id])
        assert [message.data for message in await take(topics[3], 1)] == [b"for one"]


async def test_who_is_no_operator_hears_of_everything(open_network: Open) -> None:
    networks = await mesh(open_network, 6)
    all_prefer_each_other(networks[:5])
    async with AsyncExitStack() as stack:
        topics = await subscribe(stack, networks)
        for number, network in enumerate(networks[:5]):
            await network.publish(TOPIC, bytes([number]))
        assert {message.data[0] for message in await take(topics[5], 5)} == set(range(5))


async def test_what_an_author_cannot_send_is_asked_for_and_then_relayed(open_network: Open) -> None:
    networks = await mesh(open_network, 3)
    all_prefer_each_other(networks)
    author, relay, cut_off = networks
    gossip: Any = author._libp2p.gossip
    hidden = ID.from_base58(cut_off.peer_id)

    def without_the_third(*arguments: Any) -> set[ID]:
        return set(original(*arguments)) - {hidden}

    original = replace(gossip, "_get_peers_to_send", without_the_third)
    replace(gossip, "gossip_heartbeat", dict)  # nor does it name anything
    async with AsyncExitStack() as stack:
        topics = await subscribe(stack, networks)
        await author.publish(TOPIC, b"first")
        assert [message.data for message in await take(topics[2], 1)] == [b"first"]
        first_hand: FirstHand = relay._first_hand
        await until(lambda: hidden in first_hand._relays_of(ID.from_base58(author.peer_id), TOPIC))
        replace(relay._libp2p.gossip, "gossip_heartbeat", dict)  # from now on nobody names anything
        await author.publish(TOPIC, b"second")
        assert [message.data for message in await take(topics[2], 1)] == [b"second"]
