"""Speed: every message is copied and split again for every peer.

Mended: one that fits is queued as it is; the slow path is for those that do not and for waiting control
messages.
"""

from __future__ import annotations

from typing import Any

from libp2p.pubsub.gossipsub import GossipSub

from p2pavs.network.mends.patching import replace


def apply() -> None:
    """Queue small messages without a copy."""
    original = GossipSub.send_rpc

    def send_rpc(self: Any, peer_id: Any, rpc: Any, priority: bool = False) -> None:
        if self.pubsub is None:
            return
        queue = self.pubsub.peer_queues.get(peer_id)
        if queue is None:
            return
        if peer_id in self._pending_control or rpc.ByteSize() > queue.max_message_size:
            original(self, peer_id, rpc, priority)
        elif not queue.push(rpc, priority=priority):
            self._handle_dropped_rpc(peer_id, rpc, "queue_full")

    replace(GossipSub, "send_rpc", send_rpc)
