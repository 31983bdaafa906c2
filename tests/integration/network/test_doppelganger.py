"""Two processes with one peer key: the second finds out, the first goes on. And no false alarm."""

from __future__ import annotations

import trio

from p2pavs.network import Network
from tests.integration.network.conftest import Open, fresh_config
from tests.integration.network.test_conduct import TOPIC, accept, gossiping, send, signed
from tests.integration.network.waiting import until


async def test_the_second_of_two_nodes_with_one_key_finds_out(open_network: Open) -> None:
    hub = await open_network()
    await open_network(hub.addresses[0])
    config = fresh_config(hub.addresses[0])
    async with Network.open(config) as first:
        await until(lambda: hub.peer_id in first.connected())
        async with Network.open(config) as second:
            assert second.peer_id == first.peer_id
            with trio.fail_after(60):
                await second.outbid.wait()
        assert not first.outbid.is_set(), "the one that was there first goes on"


async def test_a_node_that_is_started_again_hears_no_other(open_network: Open) -> None:
    """Its peers still hold the record of its last life, also where the clock was set back since."""
    hub = await open_network()
    config = fresh_config(hub.addresses[0])
    async with Network.open(config) as life:
        await until(lambda: hub.peer_id in life.connected())
        ahead = life._discovery._own()
        life._discovery._sign(ahead.seq + 10**9, ahead.addresses, ahead.payload)  # a clock that was ahead

        def known() -> int:
            entry = hub._discovery.book.entries.get(life.peer_id)
            return 0 if entry is None or entry.record is None else entry.record.seq

        await until(lambda: known() > ahead.seq)
    async with Network.open(config) as again:
        await until(lambda: again._discovery._own().seq > ahead.seq + 10**9)
        for _ in range(3):
            await again._discovery._exchange(hub.peer_id)
        assert not again.outbid.is_set()


async def test_gossip_under_the_own_name_is_told_where_its_signature_holds(open_network: Open) -> None:
    network, told = await open_network(), []
    network.on_returned(told.append)
    own = network._libp2p.host
    forged = signed(own, 1, b"forged")
    forged.signature = bytes(64)
    async with network.subscribe(TOPIC, accept) as messages, gossiping(network) as (host, stream):
        theirs = signed(own, 2, b"what this process did not say")
        await send(stream, forged, theirs, theirs, signed(host, 3, b"a stranger's"))
        with trio.fail_after(60):
            message = await anext(aiter(messages))
        assert message.data == b"a stranger's", "what has our name is not for the subscriber"
        await network.publish(TOPIC, b"our own")
    assert told == [b"what this process did not say"]
