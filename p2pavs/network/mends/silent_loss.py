"""Defect 4: silent loss.

Stock behaviour: the queue to each peer and the channel of each subscription hold 32 messages, the rest of a
burst is dropped without a word, and inside the mesh nothing repairs it: of 200 messages published at once, 32
arrive.
Mended: 2,048 and 4,096 (deliveries to our own subscriptions are bounded and counted elsewhere).
"""

from __future__ import annotations

import functools

from libp2p.pubsub import pubsub
from libp2p.pubsub.rpc_queue import RpcQueue

from p2pavs.network.mends.patching import replace

OUTBOUND_QUEUE = 2048  # RPCs waiting for one peer
SUBSCRIPTION_QUEUE = 4096  # messages waiting for one subscriber


def apply() -> None:
    """Make the queues deep enough for a burst."""
    replace(pubsub, "RpcQueue", functools.partial(RpcQueue, max_size=OUTBOUND_QUEUE))
    replace(pubsub, "SUBSCRIPTION_CHANNEL_SIZE", SUBSCRIPTION_QUEUE)
