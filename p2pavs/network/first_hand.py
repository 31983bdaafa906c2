"""Who is sent a gossip message at once, and who is only told of it.

Operators are connected to each other, so an author sends its message to all of them itself, and who has it
from its author does not send it on to operators: each gets it once, where a mesh of degree D would bring it
about D times. What did not arrive is repaired in the way of Plumtree (epidemic broadcast trees; gossipsub's
IHAVE and IWANT are its messages): at each heartbeat every node names what it has to a few others, and who
asks for a message of an author is sent what that author says at once, for a while. So a pair of operators
that cannot connect waits two seconds, once. Peers that are no operators get everything through the mesh.

On an addressed topic an author sends its message to those operators it is for. It is not named to others, and
not repaired: whoever says it has another way where nothing comes of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import trio
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.utils import safe_bytes_from_hex

from p2pavs.network.mends.patching import replace
from p2pavs.network.peer_ids import libp2p_id

RELAY_SECONDS: Final = 30.0
"""How long a peer that asked for a message of an author is sent that author's messages at once."""
NAMED: Final = slice(1, 3)
"""In which heartbeats after it came a message is named to others: first it may arrive first-hand."""
MAX_RELAYED: Final = 64
"""Such peers of one author."""


class FirstHand:
    """Takes the place of three decisions of one `GossipSub`."""

    def __init__(self, pubsub: Pubsub, gossip: GossipSub) -> None:
        self._pubsub: Any = pubsub
        self._gossip: Any = gossip
        self._operators: frozenset[ID] = frozenset()
        self._relays: dict[bytes, dict[ID, float]] = {}  # author: peers, and until when
        self.addressed: set[str] = set()
        """Topics on which messages are for some only."""
        self._addressees: ContextVar[frozenset[ID]] = ContextVar("addressees", default=frozenset())
        self._mesh_peers = replace(gossip, "_get_peers_to_send", self._peers_to_send)
        self._answer = replace(gossip, "handle_iwant", self._asked)
        replace(gossip, "gossip_heartbeat", self._named)

    def prefer(self, operators: Iterable[str]) -> None:
        """Name the peers that are connected to each other."""
        self._operators = frozenset(map(libp2p_id, operators))

    def _peers_to_send(
        self, topic_ids: Sequence[str], msg_forwarder: ID, origin: ID, msg_id: bytes | None = None
    ) -> set[ID]:
        topic = topic_ids[0]  # messages of more topics, or none, are not accepted
        mesh: set[ID] | None = self._gossip.mesh.get(topic)
        own = origin == self._pubsub.my_id
        if mesh is None or (own and len(mesh) < self._gossip.degree):
            mesh = set(self._mesh_peers(topic_ids, msg_forwarder, origin, msg_id))
        if topic in self.addressed:
            chosen = (mesh - self._operators) | (self._addressees.get() if own else set())
        elif own:
            subscribers: set[ID] = self._pubsub.peer_topics.get(topic, set())
            chosen = mesh | (subscribers & self._operators)
        elif msg_forwarder == origin and origin in self._operators:
            chosen = (mesh - self._operators) | self._relays_of(origin, topic)
        else:
            chosen = mesh
        return chosen - {msg_forwarder, origin}

    @contextmanager
    def addressed_to(self, peers: Iterable[str]) -> Iterator[None]:
        """What is published within, on an addressed topic, is for these."""
        token = self._addressees.set(frozenset(map(libp2p_id, peers)))
        try:
            yield
        finally:
            self._addressees.reset(token)

    def _relays_of(self, author: ID, topic: str) -> set[ID]:
        """Who lacked messages of an author not long ago."""
        relays = self._relays.get(author.to_bytes())
        if not relays:
            return set()
        now = trio.current_time()
        subscribers = self._pubsub.peer_topics.get(topic, set())
        return {peer for peer, until in relays.items() if until > now and peer in subscribers}

    async def _asked(self, iwant: rpc_pb2.ControlIWant, peer: ID) -> None:
        """A peer lacks messages: their authors' next ones are sent to it at once."""
        until = trio.current_time() + RELAY_SECONDS
        for wanted in iwant.messageIDs:
            message = self._gossip.mcache.get(safe_bytes_from_hex(wanted) or b"")
            if message is None or ID(message.from_id) not in self._operators:
                continue
            relays = self._relays.setdefault(message.from_id, {})
            relays[peer] = until
            while len(relays) > MAX_RELAYED:
                relays.pop(next(iter(relays)))
        await self._answer(iwant, peer)

    def _forget_relays(self) -> None:
        now = trio.current_time()
        for author, relays in list(self._relays.items()):
            left = {peer: until for peer, until in relays.items() if until > now}
            if left:
                self._relays[author] = left
            else:
                del self._relays[author]

    def _named(self) -> dict[ID, dict[str, list[bytes]]]:
        """What is named to whom at this heartbeat: to peers of the mesh too, which may not have got it."""
        self._forget_relays()
        found: defaultdict[ID, dict[str, list[bytes]]] = defaultdict(dict)
        gossip = self._gossip
        for topic in {*gossip.mesh, *gossip.fanout} - self.addressed:
            heard = [
                entry.mid
                for period in gossip.mcache.history[NAMED]
                for entry in period
                if topic in entry.topics
            ]
            if heard and topic in self._pubsub.peer_topics:
                for peer in gossip._get_in_topic_gossipsub_peers_from_minus(topic, gossip.degree, ()):
                    found[peer][topic] = heard
        return found
