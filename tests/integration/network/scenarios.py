"""What stock libp2p does, and what it does when mended: one program, run both ways, in a process of its own.

    python -m tests.integration.network.scenarios stock|mended [NAME ...]

prints one JSON line per scenario: {"name": ..., "outcome": ...}.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.host.exceptions import StreamFailure
from libp2p.network.config import ConnectionConfig
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils import encode_varint_prefixed
from multiaddr import Multiaddr

from p2pavs.network.mends import apply_all
from tests.integration.network.waiting import until

TOPIC = "t"
PATIENCE = 90.0  # seconds until a scenario counts as stuck
ANY_PORT = Multiaddr("/ip4/127.0.0.1/tcp/0")
_seeds = itertools.count(1)

Scenario = Callable[[], Awaitable[Any]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


class Node:
    """A host as libp2p makes it, with gossip or without."""

    def __init__(self, *, gossip: bool = True, **connection: Any) -> None:
        settings = {"min_connections": 0, "low_watermark": 0, "max_connections_per_peer": 4} | connection
        self.host: Any = new_host(
            key_pair=create_new_key_pair(next(_seeds).to_bytes(32, "big")),
            listen_addrs=[ANY_PORT],
            muxer_preference="YAMUX",
            disable_identify_address_discovery=True,
            connection_config=ConnectionConfig(**settings),
        )
        self.has_gossip = gossip
        if not gossip:
            return
        self.gossip: Any = GossipSub(
            ["/meshsub/1.1.0"],
            degree=4,
            degree_low=3,
            degree_high=8,
            heartbeat_initial_delay=0.1,
            heartbeat_interval=1,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
        )
        self.pubsub: Any = Pubsub(self.host, self.gossip, strict_signing=True)

    @property
    def info(self) -> PeerInfo:
        return info_from_p2p_addr(self.host.get_addrs()[0])

    @property
    def id(self) -> ID:
        return self.host.get_id()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.host.run(listen_addrs=[ANY_PORT]), contextlib.AsyncExitStack() as stack:
            if self.has_gossip:
                await stack.enter_async_context(background_trio_service(self.pubsub))
                await stack.enter_async_context(background_trio_service(self.gossip))
                await self.pubsub.wait_until_ready()
            try:
                yield
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 2):
                    await self.host.close()


async def hold(stream: Any) -> None:
    """Handle a stream by never reading it."""
    await trio.sleep_forever()


async def survives(attack: Callable[[Node, Node], Awaitable[None]], prepare: Any = None) -> str:
    """Run a victim, let an attacker with an honest connection do one thing, and see who is left."""
    victim, attacker = Node(), Node(gossip=False)
    try:
        async with attacker.running(), victim.running():
            if prepare is not None:
                prepare(victim)
            await victim.pubsub.subscribe(TOPIC)
            await attacker.host.connect(victim.info)
            with contextlib.suppress(Exception):  # a mended victim resets the stream while we write
                await attack(victim, attacker)
            await trio.sleep(0.3)  # a victim that dies does so at once, which cancels this
            third = Node(gossip=False)
            async with third.running():
                await third.host.connect(victim.info)
                stream = await third.host.new_stream(victim.id, ["/meshsub/1.1.0"])
                await stream.close()
    except Exception:
        return "dead"
    return "alive"


async def send_rpc(victim: Node, attacker: Node, rpc: bytes) -> None:
    stream = await attacker.host.new_stream(victim.id, ["/meshsub/1.1.0"])
    await stream.write(encode_varint_prefixed(rpc))


def signed(attacker: Node, **changes: Any) -> bytes:
    message = rpc_pb2.Message(data=b"x", topicIDs=[TOPIC], from_id=attacker.id.to_bytes(), seqno=b"\x01" * 8)
    key = attacker.host.get_private_key()
    message.signature = key.sign(b"libp2p-pubsub:" + message.SerializeToString())
    message.key = attacker.host.get_public_key().serialize()
    for name, value in changes.items():
        setattr(message, name, value)
    return bytes(rpc_pb2.RPC(publish=[message]).SerializeToString())


@scenario
async def garbage_protobuf() -> str:
    return await survives(lambda v, a: send_rpc(v, a, b"\xff\xff\xff\xff garbage"))


@scenario
async def undecodable_key() -> str:
    async def attack(victim: Node, attacker: Node) -> None:
        await send_rpc(victim, attacker, signed(attacker, from_id=b"\x12\x20" + b"a" * 32, key=b"\xff" * 3))

    return await survives(attack)


@scenario
async def negotiation_not_utf8() -> str:
    async def attack(victim: Node, attacker: Node) -> None:
        stream = await attacker.host.get_network().new_stream(victim.id)
        await stream.write(b"\x05\xff\xff\xff\xff\n")

    return await survives(attack)


@scenario
async def negotiation_line_of_16_mib() -> str:
    """Whether the victim keeps reading a line that is announced as 16 MiB long."""
    victim, attacker = Node(), Node(gossip=False)
    async with attacker.running(), victim.running():
        await attacker.host.connect(victim.info)
        stream = await attacker.host.get_network().new_stream(victim.id)
        await stream.write(b"\x80\x80\x80\x08")
        try:
            with trio.move_on_after(10):
                for _ in range(40):
                    await stream.write(b"a" * 65536)
                    await trio.sleep(0.02)
                return "reads on"
        except Exception:
            return "reset"
        return "reads on"


@scenario
async def handler_raises() -> str:
    def prepare(victim: Node) -> None:
        async def handler(stream: Any) -> None:
            raise ValueError("a bug of the application")

        victim.host.set_stream_handler("/x/1", handler)

    async def attack(victim: Node, attacker: Node) -> None:
        stream = await attacker.host.new_stream(victim.id, ["/x/1"])
        await stream.write(b"hello")

    return await survives(attack, prepare)


@scenario
async def validator_raises() -> str:
    def prepare(victim: Node) -> None:
        def validator(forwarder: Any, message: Any) -> bool:
            raise ValueError("a bug of the application")

        victim.pubsub.set_topic_validator(TOPIC, validator, False)

    return await survives(lambda v, a: send_rpc(v, a, signed(a)), prepare)


@scenario
async def stream_before_service() -> str:
    victim, attacker = Node(), Node(gossip=False)
    victim.has_gossip = False  # made, its handlers are registered, and it never runs
    victim.host.get_network().notifees.clear()
    try:
        async with attacker.running(), victim.running():
            await attacker.host.connect(victim.info)
            with contextlib.suppress(Exception):  # a mended victim resets the stream
                await send_rpc(victim, attacker, b"")
            await trio.sleep(0.3)  # a victim that dies does so at once, which cancels this
            third = Node(gossip=False)
            async with third.running():
                await third.host.connect(victim.info)
    except Exception:
        return "dead"
    return "alive"


@scenario
async def many_tasks_of_one_task() -> str:
    """More peers than a task may have children: each is a child of the one that awaits peers."""
    node = Node()
    try:
        async with node.running():

            async def start_them() -> None:
                for _ in range(1100):
                    node.pubsub.manager.run_task(trio.sleep_forever)
                await trio.sleep_forever()

            node.pubsub.manager.run_daemon_task(start_them)
            await trio.sleep(0.3)  # a node that dies does so at once, which cancels this
    except Exception:
        return "dead"
    return "alive"


@scenario
async def heartbeat_fails_once() -> str:
    node = Node()
    original = node.gossip.fanout_heartbeat
    calls = 0

    def fanout_heartbeat() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("set changed size during iteration")
        original()

    node.gossip.fanout_heartbeat = fanout_heartbeat
    try:
        async with node.running():
            await until(lambda: calls >= 3)
    except Exception:
        return "dead"
    return "alive"


@scenario
async def inbound_connections_in_a_life() -> int:
    """Connect and leave 15 times at a node with 10 inbound slots; how many were accepted."""
    victim = Node(gossip=False, max_connections=10, high_watermark=10)
    accepted = 0
    async with victim.running():
        for _ in range(15):
            guest = Node(gossip=False)
            async with guest.running():
                try:
                    with trio.fail_after(20):
                        await guest.host.connect(victim.info)
                        stream = await guest.host.new_stream(victim.id, ["/ipfs/ping/1.0.0"])
                    await stream.reset()
                except Exception:
                    break
            await until(lambda: not victim.host.get_connected_peers())
            accepted += 1
    return accepted


@scenario
async def opportunistic_grafts() -> int:
    """How many peers one heartbeat grafts into a mesh that is as large as it should be."""
    node, peers = Node(), [Node().id for _ in range(12)]
    node.gossip.mesh[TOPIC] = set(peers[:6])
    node.pubsub.peer_topics[TOPIC] = set(peers)
    node.pubsub.peers.update(dict.fromkeys(peers, None))
    for peer in peers:
        node.gossip.peer_protocol[peer] = "/meshsub/1.1.0"
    grafts, _ = node.gossip.mesh_heartbeat()
    return len(grafts)


@scenario
async def control_messages() -> list[list[str]]:
    """GRAFT three peers to one topic each; the topics that each of them is told."""
    node, peers = Node(), [Node().id for _ in range(3)]
    told: dict[Any, list[str]] = {}

    async def emit(control: Any, peer: Any) -> None:
        told[peer] = [graft.topicID for graft in control.graft]

    node.gossip.emit_control_message = emit
    await node.gossip._emit_control_msgs({p: [f"topic {i}"] for i, p in enumerate(peers)}, {}, {})
    return [told[peer] for peer in peers]


@scenario
async def publishing_before_the_mesh() -> int:
    """Five peers are subscribed and the mesh is still empty; to how many a message of our own goes."""
    node, peers = Node(), [Node(gossip=False).id for _ in range(5)]
    node.gossip.mesh[TOPIC] = set()
    node.pubsub.peer_topics[TOPIC] = set(peers)
    node.pubsub.peers.update(dict.fromkeys(peers, None))
    return len(list(node.gossip._get_peers_to_send([TOPIC], node.id, node.id)))


@scenario
async def burst_of_200() -> int:
    """Publish 200 messages at once; how many arrive."""
    one, two = Node(), Node()
    async with one.running(), two.running():
        subscription = await two.pubsub.subscribe(TOPIC)
        await one.pubsub.subscribe(TOPIC)
        await one.host.connect(two.info)
        await until(lambda: two.id in one.gossip.mesh[TOPIC] and one.id in two.gossip.mesh[TOPIC])
        for number in range(200):
            await one.pubsub.publish(TOPIC, number.to_bytes(2, "big"))
        received = 0
        with trio.move_on_after(6):
            while received < 200:
                await subscription.get()
                received += 1
        return received


@scenario
async def negotiation_times_out_once() -> str:
    """The first attempt to open a pubsub stream fails as one that timed out does."""
    one, two = Node(), Node()
    original, calls = one.host.new_stream, 0

    async def new_stream(peer: Any, protocols: Any) -> Any:
        nonlocal calls
        if "/meshsub/1.1.0" in protocols:
            calls += 1
            if calls == 1:
                raise StreamFailure("negotiation timed out")
        return await original(peer, protocols)

    one.host.new_stream = new_stream
    async with one.running(), two.running():
        await one.host.connect(two.info)
        with trio.move_on_after(6):
            await until(lambda: two.id in one.pubsub.peers)
        return "registered" if two.id in one.pubsub.peers else "unknown"


@scenario
async def subscribed_while_registering() -> str:
    """Subscribe after the greeting has been made and before the peer is registered."""
    one, two = Node(), Node()
    greeting, released = trio.Event(), trio.Event()
    original = one.host.new_stream

    async def new_stream(peer: Any, protocols: Any) -> Any:
        stream = await original(peer, protocols)
        if "/meshsub/1.1.0" in protocols:
            write = stream.write

            async def held(data: bytes) -> None:
                greeting.set()
                await released.wait()
                await write(data)

            stream.write = held
        return stream

    one.host.new_stream = new_stream
    async with one.running(), two.running():
        await one.host.connect(two.info)
        await greeting.wait()
        await one.pubsub.subscribe(TOPIC)
        released.set()
        with trio.move_on_after(6):
            await until(lambda: one.id in two.pubsub.peer_topics.get(TOPIC, ()))
        return "announced" if one.id in two.pubsub.peer_topics.get(TOPIC, ()) else "unheard"


@scenario
async def two_registrations_at_once() -> int:
    """How many streams two registrations of the same peer leave behind."""
    one, two = Node(), Node(gossip=False)
    opened = 0
    async with one.running(), two.running():
        two.host.set_stream_handler("/meshsub/1.1.0", hold)
        original = one.host.new_stream

        async def new_stream(peer: Any, protocols: Any) -> Any:
            nonlocal opened
            stream = await original(peer, protocols)
            opened += "/meshsub/1.1.0" in protocols
            return stream

        one.host.new_stream = new_stream
        one.host.get_network().notifees.clear()
        await one.host.connect(two.info)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.pubsub._handle_new_peer, two.id)
            nursery.start_soon(one.pubsub._handle_new_peer, two.id)
    return opened


@scenario
async def old_stream_dies_late() -> str:
    """The end of a stream of a peer that is still connected: are its subscriptions remembered?"""
    one, two = Node(), Node()
    async with one.running(), two.running():
        await two.pubsub.subscribe(TOPIC)
        await one.host.connect(two.info)
        await until(lambda: two.id in one.pubsub.peer_topics.get(TOPIC, ()) and two.id in one.pubsub.peers)
        one.pubsub._handle_dead_peer(two.id)
        return "remembered" if two.id in one.pubsub.peer_topics.get(TOPIC, ()) else "forgotten"


@scenario
async def silent_peer() -> str:
    """A peer behind a cable that is pulled: is it still connected 20 seconds later?"""
    one, two = Node(gossip=False), Node(gossip=False)
    async with one.running(), two.running(), trio.open_nursery() as nursery:
        cut = trio.Event()
        port = int(two.info.addrs[0].value_for_protocol("tcp"))

        async def carry(source: Any, target: Any) -> None:
            async for data in source:
                if not cut.is_set():
                    await target.send_all(data)

        async def proxy(near: Any) -> None:
            far = await trio.open_tcp_stream("127.0.0.1", port)
            async with trio.open_nursery() as inner:
                inner.start_soon(carry, near, far)
                inner.start_soon(carry, far, near)

        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, proxy, listeners)
        address = Multiaddr(f"/ip4/127.0.0.1/tcp/{listeners[0].socket.getsockname()[1]}")
        await one.host.connect(PeerInfo(two.id, [address]))
        cut.set()
        with trio.move_on_after(20):
            await until(lambda: two.id not in one.host.get_connected_peers())
        outcome = "connected" if two.id in one.host.get_connected_peers() else "noticed"
        nursery.cancel_scope.cancel()
    return outcome


@scenario
async def dial_after_failed_dial() -> str:
    """Dial a port where nobody listens, start the peer there, and dial again."""
    one, two = Node(gossip=False), Node(gossip=False)
    async with one.running(), two.running():
        closed = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        port = closed.socket.getsockname()[1]
        await closed.aclose()
        store = one.host.get_peerstore()
        try:
            await one.host.connect(PeerInfo(two.id, [Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")]))
        except Exception:
            store.clear_addrs(two.id)
        try:
            await one.host.connect(two.info)
        except Exception as error:
            return str(error).rsplit("(", 1)[-1].rstrip(")")
        return "connected"


@scenario
async def known_and_not_wanted() -> str:
    """The address of a peer is known, and nobody has asked for a connection."""
    one, two = Node(gossip=False, low_watermark=0, high_watermark=100), Node(gossip=False)
    async with two.running():
        one.host.get_peerstore().add_addrs(two.id, two.info.addrs, 100)
        async with one.running():
            with trio.move_on_after(6):
                await until(lambda: two.id in one.host.get_connected_peers())
            return "connected" if two.id in one.host.get_connected_peers() else "left alone"


@scenario
async def streams_of_one_peer() -> int:
    """Open 100 streams and negotiate nothing; how many the victim keeps."""
    victim, attacker = Node(gossip=False), Node(gossip=False)
    async with attacker.running(), victim.running():
        await attacker.host.connect(victim.info)
        muxed = attacker.host.get_network().get_connections(victim.id)[0].muxed_conn
        for _ in range(100):
            await muxed.open_stream()
        held = victim.host.get_network().get_connections(attacker.id)[0].muxed_conn.streams
        with trio.move_on_after(6):
            await until(lambda: sum(not s.is_initiator for s in held.values()) >= 100)
        return sum(not stream.is_initiator for stream in held.values())


@scenario
async def reset_with_unread_data() -> int:
    """Reset a stream in which something is unread; how many streams are left."""
    victim, attacker = Node(gossip=False), Node(gossip=False)
    arrived: list[Any] = []

    async def take(stream: Any) -> None:
        arrived.append(stream.muxed_stream)
        await stream.read(1)
        await stream.reset()

    victim.host.set_stream_handler("/x/1", take)
    async with attacker.running(), victim.running():
        await attacker.host.connect(victim.info)
        stream = await attacker.host.new_stream(victim.id, ["/x/1"])
        await stream.write(b"two bytes and more")
        await until(lambda: arrived and arrived[0].closed)
        held = victim.host.get_network().get_connections(attacker.id)[0].muxed_conn.streams
        return sum(stream is arrived[0] for stream in held.values())


@scenario
async def more_than_the_window() -> str:
    """Send 2 MiB into a window of 256 KiB that nobody reads; does the victim keep the connection?"""
    victim, attacker = Node(gossip=False), Node(gossip=False)
    victim.host.set_stream_handler("/x/1", hold)
    async with attacker.running(), victim.running():
        await attacker.host.connect(victim.info)
        stream = await attacker.host.new_stream(victim.id, ["/x/1"])
        stream.muxed_stream.send_window = 2**30
        try:
            with trio.fail_after(10):
                await stream.write(b"a" * 2**21)
        except Exception as error:
            logging.getLogger("scenarios").debug("write failed: %r", error)
        with trio.move_on_after(6):
            await until(lambda: attacker.id not in victim.host.get_connected_peers())
        return "kept" if attacker.id in victim.host.get_connected_peers() else "closed"


@scenario
async def a_peer_without_gossip_in_the_log() -> str:
    """Whether the library logs that a peer does not speak gossip."""
    lines = 0

    class Counter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            nonlocal lines
            lines += 1

    counter = Counter()
    loggers = [logging.getLogger(), logging.getLogger("libp2p")]  # it may keep its lines from the root
    for logger in loggers:
        logger.addHandler(counter)
    logging.disable(logging.NOTSET)
    try:
        one, two = Node(), Node(gossip=False)
        async with one.running(), two.running():
            await one.host.connect(two.info)
            with trio.move_on_after(6):
                await until(lambda: lines)
    finally:
        logging.disable(logging.CRITICAL)
        for logger in loggers:
            logger.removeHandler(counter)
    return "lines" if lines else "silent"


def main(mode: str, *names: str) -> None:
    if mode == "mended":
        apply_all()
    logging.disable(logging.CRITICAL)
    chosen = {name: SCENARIOS[name] for name in names} or SCENARIOS
    for name, function in chosen.items():
        try:
            outcome = trio.run(_limited, function)
        except BaseException as error:
            outcome = {"failed": "".join(traceback.format_exception(error))[-1500:]}
        print(json.dumps({"name": name, "outcome": outcome}), flush=True)


async def _limited(function: Scenario) -> Any:
    with trio.move_on_after(PATIENCE):
        return await function()
    return "stuck"


if __name__ == "__main__":
    main(*sys.argv[1:])
