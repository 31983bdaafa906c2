"""Speed: every message is copied, split and serialised again for every peer, and has a frame of its own.

Mended: one that fits is queued as it is (the slow path is for those that do not, and for waiting control
messages), it is serialised once for all peers, and what waits for a peer goes in one packet.
"""

from __future__ import annotations

from typing import Any, Final

from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.utils import encode_varint_prefixed

from p2pavs.network.mends.patching import replace

TOGETHER: Final = 65536  # bytes of waiting messages that go in one packet


def apply() -> None:
    """Queue small messages without a copy, and send those that wait together."""
    _queue_without_a_copy()
    _send_together()


def _queue_without_a_copy() -> None:
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


def _send_together() -> None:
    last: list[Any] = [None, b""]  # the packet that was serialised last: most often the next peer's too

    def frame(packet: Any) -> bytes:
        if last[0] is not packet:
            last[:] = [packet, encode_varint_prefixed(packet.SerializeToString())]
        return bytes(last[1])

    async def handle_sending_messages(self: Any, peer_id: Any, stream: Any, queue: Any) -> None:
        try:
            while (packet := await queue.pop()) is not None:
                await stream.write(frame(_with_what_waits(packet, queue)))
        except Exception:  # whatever it is, nothing more can be sent on this stream
            self._handle_dead_peer(peer_id)

    replace(Pubsub, "handle_sending_messages", handle_sending_messages)


def _with_what_waits(packet: Any, queue: Any) -> Any:
    """Add the queue's next packets; each may be queued for other peers too, and stays as it is."""
    if not len(queue):
        return packet
    together = rpc_pb2.RPC()
    together.MergeFrom(packet)
    size = packet.ByteSize()
    while len(queue) and size < TOGETHER:
        following = queue._queue.pop()
        size += following.ByteSize()
        together.MergeFrom(following)
    return together
