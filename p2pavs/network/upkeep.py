"""What libp2p forgets: repairs of its state that no single function could mend."""

from __future__ import annotations

from typing import Any, Final

import structlog
import trio
from libp2p.pubsub.pb import rpc_pb2

from p2pavs.network.connections import Connections
from p2pavs.network.libp2p_host import Libp2p
from p2pavs.network.peer_ids import libp2p_id

log = structlog.get_logger(__name__)

INTERVAL: Final = 0.5  # seconds
ANNOUNCE_EVERY: Final = 15.0  # seconds


async def keep_up(libp2p: Libp2p, connections: Connections) -> None:
    """Run for ever."""
    next_announcement = trio.current_time() + ANNOUNCE_EVERY
    while True:
        await trio.sleep(INTERVAL)
        try:
            keep_up_once(libp2p, connections)
            if trio.current_time() >= next_announcement:
                next_announcement = trio.current_time() + ANNOUNCE_EVERY
                announce_topics(libp2p)
        except Exception as error:
            log.warning("upkeep of the gossip state failed", error=repr(error)[:200])


def keep_up_once(libp2p: Libp2p, connections: Connections) -> None:
    """Bring gossip's idea of who is there in line with the connections."""
    connections.reconcile()
    pubsub: Any = libp2p.pubsub
    gossip: Any = libp2p.gossip
    for members in gossip.mesh.values():
        members.intersection_update(pubsub.peers)  # grafted, then gone before it was registered
    for peer in sorted(connections.peers):
        peer_id = libp2p_id(peer)
        stream = pubsub.peers.get(peer_id)
        if stream is None:
            pubsub._schedule_peer_stream_retry(peer_id)
        elif stream.muxed_conn.is_closed:
            # Pinned to a dead connection while another one lives: nobody would notice before the next write.
            log.debug("gossip stream on a dead connection", peer=peer)
            pubsub._handle_dead_peer(peer_id)
    gossip.recent_message_deliveries.clear()  # grows with every message, and is read by nothing we use


def announce_topics(libp2p: Libp2p) -> None:
    """Tell every peer our topics again: libp2p says it once, and what is lost then is lost for ever."""
    pubsub: Any = libp2p.pubsub
    for queue in pubsub.peer_queues.values():
        packet = rpc_pb2.RPC()
        for topic in pubsub.topic_ids:
            packet.subscriptions.add(subscribe=True, topicid=topic)
        queue.push(packet)
