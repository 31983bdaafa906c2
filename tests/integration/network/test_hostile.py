"""Peers that lie, and peers that make noise."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils import encode_varint_prefixed
from nacl.signing import SigningKey

from p2pavs.network import MAX_PAYLOAD, InvalidRecord, Network
from p2pavs.network.exchange import PROTOCOL
from p2pavs.network.records import PeerRecord, make_record
from tests.integration.network.conftest import Open, fresh_config
from tests.integration.network.strangers import ask, stranger
from tests.integration.network.waiting import until

NOWHERE = ("/ip4/127.0.0.1/tcp/1",)
TOPIC = "p2pavs/test"


def record_of(network: Network, peer: str) -> PeerRecord | None:
    return next((info.record for info in network.peers() if info.peer_id == peer), None)


async def test_records_travel_to_those_who_never_met(open_network: Open) -> None:
    """The payload of one reaches another through a third, newer versions replace older ones."""
    hub = await open_network()
    one = await open_network(hub.addresses[0])
    one.set_record(b"version 1")
    other = await open_network(hub.addresses[0], max_outbound=1)

    def payload_at_other() -> bytes:
        record = record_of(other, one.peer_id)
        return b"" if record is None else record.payload

    await until(lambda: payload_at_other() == b"version 1")
    one.set_record(b"version 2")
    await until(lambda: payload_at_other() == b"version 2")
    with pytest.raises(InvalidRecord):
        one.set_record(bytes(MAX_PAYLOAD + 1))
    assert all(info.last_seen is not None for info in other.peers() if info.connected)


async def test_forged_records_are_not_believed(open_network: Open) -> None:
    network = await open_network()
    honest = await open_network(network.addresses[0])
    await until(lambda: record_of(network, honest.peer_id))
    true = record_of(network, honest.peer_id)
    assert true is not None
    liar = SigningKey(bytes([1]) + bytes(31))
    body, signature = cbor2.loads(true.envelope)
    fields = cbor2.loads(body)
    fields[2], fields[3] = fields[2] + 1, list(NOWHERE)
    changed = cbor2.dumps(fields, canonical=True)
    forgeries = [
        cbor2.dumps([changed, signature]),
        cbor2.dumps([changed, liar.sign(b"p2pavs/peer-record/1\x00" + changed).signature]),
        cbor2.dumps([body, bytes(64)]),
        b"noise",
    ]
    async with stranger(network) as host:
        for number, forgery in enumerate(forgeries, start=1):
            response = await ask(host, network, PROTOCOL, cbor2.dumps([forgery, []], canonical=True))
            assert response[0] == 0
            assert network.stats().records_rejected == number
        response = await ask(host, network, PROTOCOL, b"noise")
        assert response[0] == 1
    assert record_of(network, honest.peer_id) == true
    assert record_of(network, str(host.get_id())) is None


async def test_a_dead_address_does_not_hide_a_live_one(open_network: Open) -> None:
    """The record of a peer names a port where nobody listens, and then the right one."""
    network = await open_network()
    config = fresh_config()
    async with Network.open(config) as target:
        live = target.addresses[0].split("/p2p/")[0]
        record = make_record(SigningKey(config.key_seed), 2**62, (*NOWHERE, live), b"")
        async with stranger(network) as host:
            await ask(host, network, PROTOCOL, cbor2.dumps([record.envelope, []], canonical=True))
            await until(lambda: target.peer_id in network.connected())
        await until(lambda: network.peer_id in target.connected())


async def test_an_old_record_does_not_come_back(open_network: Open) -> None:
    network = await open_network()
    key = SigningKey(bytes([1]) + bytes(31))
    new, old = make_record(key, 2, NOWHERE, b"new"), make_record(key, 1, NOWHERE, b"old")
    async with stranger(network) as host:
        for record in (new, old):
            await ask(host, network, PROTOCOL, cbor2.dumps([record.envelope, []], canonical=True))
        believed = record_of(network, new.peer_id)
    assert believed is not None
    assert believed.payload == b"new"


async def test_more_records_than_a_node_keeps(open_network: Open) -> None:
    network = await open_network(max_known=5)
    honest = await open_network(network.addresses[0])
    await until(lambda: record_of(network, honest.peer_id))
    async with stranger(network) as host:
        for number in range(15):
            record = make_record(SigningKey(bytes([number + 1]) * 32), 1, NOWHERE, b"")
            await ask(host, network, PROTOCOL, cbor2.dumps([record.envelope, []], canonical=True))
    assert len(network._discovery.book.entries) == 5
    assert record_of(network, honest.peer_id) is not None


async def test_a_clock_that_was_set_back(open_network: Open) -> None:
    """Others hold a record of ours that is newer than our clock: the new one must still win."""
    network = await open_network()
    config = fresh_config(network.addresses[0])
    future = make_record(SigningKey(config.key_seed), 2**62, NOWHERE, b"from the future")
    async with stranger(network) as host:
        await ask(host, network, PROTOCOL, cbor2.dumps([future.envelope, []], canonical=True))
    assert record_of(network, future.peer_id) == future
    async with Network.open(config) as restarted:
        restarted.set_record(b"now")

        def payload() -> bytes:
            record = record_of(network, restarted.peer_id)
            return b"" if record is None else record.payload

        await until(lambda: payload() == b"now")


def rpc_noise(rng: random.Random) -> bytes:
    """Mostly well-formed gossip with nonsense inside, half of it damaged afterwards."""

    def some(most: int = 40) -> bytes:
        return rng.randbytes(rng.randrange(most))

    rpc: Any = rpc_pb2.RPC()
    topic = rng.choice([TOPIC, "x", ""])
    for _ in range(rng.randrange(3)):
        rpc.subscriptions.add(subscribe=rng.random() < 0.5, topicid=rng.choice([TOPIC, "a"]))
    for _ in range(rng.randrange(3)):
        rpc.publish.add(
            from_id=some(), data=some(), seqno=some(12), topicIDs=[topic], signature=some(70), key=some()
        )
    if rng.random() < 0.7:
        rpc.control.graft.add(topicID=topic)
        prune = rpc.control.prune.add(topicID=topic, backoff=rng.choice([0, 1, 2**40]))
        prune.peers.add(peerID=some(), signedPeerRecord=some())
        rpc.control.ihave.add(topicID=topic, messageIDs=[some() for _ in range(rng.randrange(50))])
        rpc.control.iwant.add(messageIDs=[some() for _ in range(rng.randrange(50))])
        rpc.control.idontwant.add(messageIDs=[some()])
    if rng.random() < 0.2:
        rpc.senderRecord = some(200)
    data = bytearray(rpc.SerializeToString())
    if data and rng.random() < 0.5:
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


async def make_noise(host: Any, network: Network, rng: random.Random) -> None:
    """Streams full of noise on every protocol; the victim may reset them at any time."""
    peer = network._libp2p.host.get_id()
    for protocol in rng.choices(
        ["/meshsub/1.1.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", PROTOCOL, ""], k=6
    ):
        opened = host.new_stream(peer, [protocol]) if protocol else host.get_network().new_stream(peer)
        stream = await opened
        for _ in range(15):
            noise = (
                encode_varint_prefixed(rpc_noise(rng)) if protocol.startswith("/mesh") else rng.randbytes(100)
            )
            await stream.write(noise)
        await (stream.reset() if rng.random() < 0.5 else stream.close())
    if rng.random() < 0.3:
        connection: Any = host.get_network().get_connections(peer)[0]
        await connection.muxed_conn.secured_conn.write(rng.randbytes(100))


async def test_noise_on_every_protocol_stops_nothing(open_network: Open) -> None:
    rng = random.Random(20)
    network = await open_network()
    friend = await open_network(network.addresses[0])
    async with (
        network.subscribe(TOPIC, lambda author, data: True) as messages,
        friend.subscribe(TOPIC, lambda author, data: True),
    ):
        for seed in range(1, 11):
            async with stranger(network, seed) as host:
                try:
                    with trio.move_on_after(10):
                        await make_noise(host, network, rng)
                except Exception as error:  # being thrown out is what should happen
                    assert not isinstance(error, AssertionError)
        await until(lambda: network.connected() == {friend.peer_id})
        with trio.fail_after(60):
            await friend.wait_for_subscribers(TOPIC, 1)
            await friend.publish(TOPIC, b"still there?")
            assert [message.data async for message in _first(messages)] == [b"still there?"]


async def _first(messages: Any) -> Any:
    yield await anext(messages)
