"""Defect 3: mesh collapse.

Stock behaviour:
(a) opportunistic grafting adds two peers at every heartbeat while all scores are equal, the mesh outgrows its
    upper bound, is pruned, and GRAFTs during the back-off count as a flood;
(b) `_emit_control_msgs` keeps appending to one list, so each peer also receives the GRAFT and IHAVE meant for
    those before it;
(c) whoever prunes does not remember the back-off himself;
(d) while the mesh of a topic is still empty, what we publish is sent to nobody.
Above about twelve peers the mesh collapses. Mended: no opportunistic grafting, one message per peer, back-off
on both sides, and our own messages go to subscribers outside the mesh while it is too small.
"""

from __future__ import annotations

import random
from typing import Any

from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2

from p2pavs.network.mends.patching import replace


def apply() -> None:
    """Keep the mesh within its bounds, and messages with those they are meant for."""
    _do_not_outgrow()
    _one_control_message_each()
    _publish_before_the_mesh()


def _do_not_outgrow() -> None:
    def no_opportunistic_grafting(self: Any, topic: str, peers_to_graft: Any) -> int:
        return 0

    replace(GossipSub, "_perform_opportunistic_grafting", no_opportunistic_grafting)


def _one_control_message_each() -> None:
    async def emit_control_msgs(self: Any, to_graft: Any, to_prune: Any, to_gossip: Any) -> None:
        for peer in set(to_graft) | set(to_prune) | set(to_gossip):
            control = rpc_pb2.ControlMessage()
            for topic in to_graft.get(peer, ()):
                control.graft.add(topicID=topic)
            for topic in to_prune.get(peer, ()):
                control.prune.add(topicID=topic, backoff=self.prune_back_off)
                self._add_back_off(peer, topic, False)
            for topic, message_ids in to_gossip.get(peer, {}).items():
                control.ihave.add(topicID=topic, messageIDs=message_ids)
            await self.emit_control_message(control, peer)

    replace(GossipSub, "_emit_control_msgs", emit_control_msgs)


def _publish_before_the_mesh() -> None:
    original = GossipSub._get_peers_to_send

    def peers_to_send(self: Any, topic_ids: Any, msg_forwarder: Any, origin: Any, msg_id: Any = None) -> Any:
        chosen = set(original(self, topic_ids, msg_forwarder, origin, msg_id))
        if self.pubsub is not None and origin == self.pubsub.my_id:
            for topic in topic_ids:
                subscribers = self.pubsub.peer_topics.get(topic, set())
                others = [peer for peer in subscribers if peer in self.pubsub.peers and peer not in chosen]
                missing = max(0, min(self.degree - len(chosen), len(others)))
                chosen.update(random.sample(others, missing))
        return chosen

    replace(GossipSub, "_get_peers_to_send", peers_to_send)
