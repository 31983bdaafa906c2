"""Defect 5: connected peers that gossip does not know, or of whom it does not know the topics.

Stock behaviour:
(a) opening the pubsub stream is tried again only after two kinds of error; a negotiation that times out is a
    third, and the peer stays connected without ever being registered;
(b) two registrations of one peer may run at once, and leave two streams and two queues behind;
(c) the greeting lists our topics, and those subscribed to between its making and the end of the registration
    are announced to nobody;
(d) the late death of an *old* stream of a peer that has reconnected erases the subscriptions which its new
    stream announced, and they are announced only once.
Mended: failed negotiations are retried, one registration at a time, topics that changed meanwhile are
announced after it, and the subscriptions of a peer that is still connected are kept.
"""

from __future__ import annotations

from typing import Any

from libp2p.host.exceptions import StreamFailure
from libp2p.network.exceptions import SwarmException
from libp2p.pubsub.pubsub import Pubsub

from p2pavs.network.mends.patching import replace


def apply() -> None:
    """Register every connected peer once, and keep its subscriptions and ours in step."""
    _register_once_and_retry()
    _keep_subscriptions()


def _register_once_and_retry() -> None:
    original = Pubsub._handle_new_peer

    async def handle_new_peer(self: Any, peer_id: Any) -> None:
        running = self.__dict__.setdefault("_registering", set())
        if peer_id in running:
            return
        running.add(peer_id)
        try:
            before = set(self.topic_ids)
            await original(self, peer_id)
            _announce_changes(self, peer_id, before)
        except StreamFailure as error:
            raise SwarmException(str(error)) from error  # the kind that the caller retries
        finally:
            running.discard(peer_id)

    replace(Pubsub, "_handle_new_peer", handle_new_peer)


def _announce_changes(pubsub: Any, peer_id: Any, before: set[str]) -> None:
    queue = pubsub.peer_queues.get(peer_id)
    if queue is None:
        return
    for topic in before ^ set(pubsub.topic_ids):
        packet, _ = pubsub._build_announce_rpc(topic, topic in pubsub.topic_ids)
        queue.push(packet)


def _keep_subscriptions() -> None:
    original = Pubsub._handle_dead_peer

    def handle_dead_peer(self: Any, peer_id: Any) -> None:
        connected = self._peer_is_connected(peer_id)
        kept = [topic for topic, peers in self.peer_topics.items() if peer_id in peers] if connected else []
        original(self, peer_id)
        for topic in kept:
            self.peer_topics.setdefault(topic, set()).add(peer_id)
        if kept:
            self._peer_subscription_count[peer_id] = len(kept)

    replace(Pubsub, "_handle_dead_peer", handle_dead_peer)
