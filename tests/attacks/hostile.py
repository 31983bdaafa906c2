"""A hostile peer over real libp2p: a host of its own, whose streams say what an attack likes.

It knows the protocol and may hold the keys of a registered operator. When it is thrown out it comes back, for
as long as the attack lasts.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import cbor2
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils import encode_varint_prefixed
from multiaddr import Multiaddr
from nacl.signing import SigningKey

from consensus import bls
from consensus.committee import Committee
from consensus.messages import Vote
from consensus.signing import statement
from consensus.types import NIL, Domain, InstanceId, Kind, Scope, ValueId
from consensus.wire import encode_message
from p2pavs import catch_up, certificate_sync
from p2pavs.network import exchange
from p2pavs.network.records import make_record
from p2pavs.network.shutdown import close_host

MESHSUB = "/meshsub/1.1.0"
PAUSE = 0.5  # seconds until an attacker that was thrown out comes back


@dataclass(slots=True)
class Target:
    """What an attacker knows of the network."""

    addresses: tuple[str, ...]  # of all nodes, with their peer ids
    topic: str
    domain: Domain
    peer_seed: bytes  # 32 bytes; of an operator, or of nobody
    consensus: bls.SecretKey | None = None
    committee: Callable[[], tuple[InstanceId, Committee, int] | None] = lambda: None
    """A running instance, its committee and the own index in it, where there is one."""


@dataclass(slots=True)
class Hostile:
    """One attacker with connections to all nodes."""

    host: Any
    target: Target
    sent: int = 0
    thrown_out: int = 0
    streams: dict[str, Any] = field(default_factory=dict)
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    async def connect(self, address: str) -> ID:
        """A connection to a node."""
        info = info_from_p2p_addr(Multiaddr(address))
        with trio.fail_after(5):
            await self.host.connect(info)
        return info.peer_id

    async def gossip(self, packet: bytes) -> None:
        """Send bytes on the gossip stream of every node, opening what is closed."""
        for address in self.target.addresses:
            try:
                if address not in self.streams:
                    peer = await self.connect(address)
                    with trio.fail_after(5):
                        self.streams[address] = await self.host.new_stream(peer, [MESHSUB])
                with trio.fail_after(5):
                    await self.streams[address].write(encode_varint_prefixed(packet))
                self.sent += 1
            except Exception:
                self.thrown_out += address in self.streams
                self.streams.pop(address, None)
                await trio.sleep(PAUSE)

    async def publish(self, *payloads: bytes) -> None:
        """Send properly signed gossip messages with these payloads."""
        await self.gossip(rpc_pb2.RPC(publish=[self.signed(one) for one in payloads]).SerializeToString())

    def signed(self, data: bytes) -> Any:
        """A gossip message as libp2p signs it."""
        message = rpc_pb2.Message(
            data=data,
            topicIDs=[self.target.topic],
            from_id=self.host.get_id().to_bytes(),
            seqno=self.rng.randbytes(8),
        )
        message.signature = self.host.get_private_key().sign(b"libp2p-pubsub:" + message.SerializeToString())
        message.key = self.host.get_public_key().serialize()
        return message

    async def request(self, address: str, protocol: str, data: bytes, length: int | None = None) -> Any:
        """Open a request stream and send; the stream, for whoever wants to read it."""
        peer = await self.connect(address)
        with trio.fail_after(5):
            stream = await self.host.new_stream(peer, [protocol])
            await stream.write((len(data) if length is None else length).to_bytes(4, "big") + data)
        self.sent += 1
        return stream


@asynccontextmanager
async def hostile(target: Target, seed: bytes | None = None) -> AsyncIterator[Hostile]:
    """An attacker with an operator's peer key, or with a seed of its own."""
    key = create_new_key_pair(target.peer_seed if seed is None else seed)
    host: Any = new_host(
        key_pair=key, muxer_preference="YAMUX", listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]
    )
    async with host.run(listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        try:
            yield Hostile(host, target)
        finally:
            with trio.CancelScope(shield=True):
                await close_host(host)


# --- attacks; each goes on until it is cancelled ------------------------------------------------------------


async def malformed(one: Hostile) -> None:
    """Signed gossip whose payload is no message, and packets that are no gossip."""
    while True:
        await one.publish(one.rng.randbytes(one.rng.randrange(300)))
        await one.gossip(one.rng.randbytes(50))
        await trio.sleep(0.02)


async def oversized(one: Hostile) -> None:
    """Payloads of 800 kB, and packets that announce more than there can be."""
    while True:
        await one.publish(bytes(800_000))
        for stream in list(one.streams.values()):
            with trio.move_on_after(1):
                try:
                    await stream.write(b"\xff\xff\xff\xff\x0f")
                except Exception:
                    continue
        one.streams.clear()
        await trio.sleep(0.1)


def _vote(one: Hostile, instance: InstanceId, round_: int, signature: bytes | None = None) -> bytes:
    made = signature or bls.sign(bls.SecretKey(b"\1" * 32), one.rng.randbytes(32))
    return encode_message(Vote(instance, Kind.PRECOMMIT, round_, NIL, 0, made, None))


async def wrong_task(one: Hostile) -> None:
    """Well-formed votes of tasks that do not exist, or that this operator has no part in."""
    signature = bls.sign(bls.SecretKey(b"\1" * 32), bytes(32))
    while True:
        for _ in range(5):
            number = one.rng.randrange(1, 2**40)
            await one.publish(_vote(one, InstanceId(number, 0), 0, signature))
        await trio.sleep(0.05)


async def forged(one: Hostile) -> None:
    """Votes of the running task, with signatures that do not hold."""
    while True:
        found = one.target.committee()
        if found is not None:
            instance, _, _ = found
            await one.publish(*[_vote(one, instance, round_) for round_ in range(20)])
        await trio.sleep(0.05)


async def replay(one: Hostile) -> None:
    """The same messages again and again: under their old number, and under new ones."""
    old = [one.signed(_vote(one, InstanceId(one.rng.randrange(1, 100), 0), 0)) for _ in range(20)]
    packet = rpc_pb2.RPC(publish=old).SerializeToString()
    payloads = [message.data for message in old]
    while True:
        await one.gossip(packet)
        await one.publish(*payloads)
        await trio.sleep(0.02)


async def flood(one: Hostile) -> None:
    """A thousand signed messages a second."""
    signature = bls.sign(bls.SecretKey(b"\1" * 32), bytes(32))
    while True:
        votes = [_vote(one, InstanceId(1, 0), one.rng.randrange(2**30), signature) for _ in range(50)]
        await one.publish(*votes)
        await trio.sleep(0.05)


async def connections(one: Hostile) -> None:
    """Connections that say nothing, as many as one address can open."""
    held: list[trio.SocketStream] = []
    try:
        while True:
            for address in one.target.addresses:
                port = int(address.split("/")[4])
                for _ in range(50):
                    try:
                        with trio.fail_after(2):
                            held.append(await trio.open_tcp_stream("127.0.0.1", port))
                        one.sent += 1
                    except (OSError, trio.TooSlowError):
                        one.thrown_out += 1
            while len(held) > 2000:
                await held.pop(0).aclose()
            await trio.sleep(0.2)
    finally:
        for stream in held:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)


async def streams(one: Hostile) -> None:
    """Streams that say nothing, thousands of them."""
    while True:
        for address in one.target.addresses:
            try:
                peer = await one.connect(address)
                muxed = one.host.get_network().get_connections(peer)[0].muxed_conn
                muxed.stream_backlog_semaphore = trio.Semaphore(100_000)
                with trio.move_on_after(2):
                    for _ in range(500):
                        await muxed.open_stream()
                        one.sent += 1
            except Exception:
                one.thrown_out += 1
        await trio.sleep(0.2)


async def slow_reads(one: Hostile) -> None:
    """Requests that come byte by byte, and answers that nobody reads."""
    asks = cbor2.dumps(list(range(1, 200)), canonical=True)
    while True:
        for address in one.target.addresses:
            try:
                await one.request(address, certificate_sync.PROTOCOL, asks)
                await one.request(address, catch_up.PROTOCOL, b"\x80", length=900)
            except Exception:
                one.thrown_out += 1
        await trio.sleep(0.1)


async def endless_answers(one: Hostile) -> None:
    """Serve the sync protocols with answers that announce a lot and trickle, or are noise."""

    async def trickle(stream: Any) -> None:
        one.sent += 1
        await stream.write(b"\x00" + (800_000).to_bytes(4, "big"))
        while True:
            await stream.write(one.rng.randbytes(10))
            await trio.sleep(0.5)

    for protocol in (catch_up.PROTOCOL, certificate_sync.PROTOCOL, exchange.PROTOCOL):
        one.host.set_stream_handler(protocol, trickle)
    while True:
        for address in one.target.addresses:
            try:
                await one.connect(address)
            except Exception:
                one.thrown_out += 1
        await trio.sleep(1)


async def fake_records(one: Hostile) -> None:
    """Peer records by the thousand: false ones, and valid ones of identities that do not exist."""
    number = 0
    while True:
        for address in one.target.addresses:
            number += 1
            key = SigningKey(number.to_bytes(32, "big"))
            record = make_record(key, 2**40, ("/ip4/127.0.0.1/tcp/9",), bytes(4000))
            envelope = record.envelope if number % 2 else record.envelope[:-1] + b"\x00"
            try:
                with trio.fail_after(2):
                    stream = await one.request(
                        address, exchange.PROTOCOL, cbor2.dumps([envelope, []], canonical=True)
                    )
                    await stream.close_write()
                    await stream.read(5)
                    await stream.reset()
            except Exception:
                one.thrown_out += 1
        await trio.sleep(0.05)


async def identities(one: Hostile) -> None:
    """A new identity for every connection."""
    number = 0
    while True:
        number += 1
        async with hostile(one.target, number.to_bytes(32, "big")) as another:
            for address in one.target.addresses:
                try:
                    await another.connect(address)
                    one.sent += 1
                except Exception:
                    one.thrown_out += 1
            await trio.sleep(0.3)


async def within_the_rules(one: Hostile) -> None:
    """An operator that signs whatever the rules let it: votes for nil in all rounds within reach."""
    done: set[tuple[InstanceId, int, Kind]] = set()
    while True:
        found = one.target.committee()
        secret = one.target.consensus
        if found is not None and secret is not None:
            instance, committee, own = found
            scope = Scope(one.target.domain, instance, committee.root)
            batch: list[bytes] = []
            for round_ in range(64):
                for kind in (Kind.PREVOTE, Kind.PRECOMMIT):
                    if (instance, round_, kind) not in done and len(batch) < 10:
                        done.add((instance, round_, kind))
                        signed = bls.SCHEME.sign(secret, statement(scope, kind, round_, NIL))
                        batch.append(encode_message(Vote(instance, kind, round_, NIL, own, signed, None)))
            await one.publish(*batch)
        await trio.sleep(0.1)


async def twin(one: Hostile) -> None:
    """A second node with the stolen keys of one that runs: it signs what the first one does not."""
    done: set[InstanceId] = set()
    while True:
        found = one.target.committee()
        secret = one.target.consensus
        if found is not None and secret is not None and found[0] not in done:
            instance, committee, own = found
            done.add(instance)
            scope = Scope(one.target.domain, instance, committee.root)
            for value in (NIL, ValueId(one.rng.randbytes(32))):
                signed = bls.SCHEME.sign(secret, statement(scope, Kind.PRECOMMIT, 0, value))
                await one.publish(encode_message(Vote(instance, Kind.PRECOMMIT, 0, value, own, signed, None)))
        await trio.sleep(0.1)


Attack = Callable[[Hostile], Awaitable[None]]


class Keys(Enum):
    """Whose keys an attacker holds."""

    NOBODY = auto()
    OPERATOR = auto()  # an operator with little stake, whose node does not run
    RUNNING = auto()  # one of the honest nodes


ATTACKS: Sequence[tuple[Attack, Keys]] = (
    (malformed, Keys.OPERATOR),
    (oversized, Keys.OPERATOR),
    (wrong_task, Keys.OPERATOR),
    (forged, Keys.OPERATOR),
    (replay, Keys.OPERATOR),
    (flood, Keys.OPERATOR),
    (connections, Keys.NOBODY),
    (streams, Keys.NOBODY),
    (slow_reads, Keys.NOBODY),
    (endless_answers, Keys.NOBODY),
    (fake_records, Keys.NOBODY),
    (identities, Keys.NOBODY),
    (within_the_rules, Keys.OPERATOR),
    (twin, Keys.RUNNING),  # last: it costs the honest node its stake
)
