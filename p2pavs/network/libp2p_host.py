"""The libp2p objects, configured the one way that was found to work."""

from __future__ import annotations

import time
from dataclasses import dataclass

from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from multiaddr import Multiaddr

from p2pavs.network.config import NetworkConfig
from p2pavs.network.mends import apply_all

# Above our own limit, so that it is our rule which chooses whom to disconnect and not libp2p's, which takes
# nobody.
HEADROOM = 100  # connections
SEEN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Libp2p:
    """A host and its gossip, not yet running."""

    host: IHost
    pubsub: Pubsub
    gossip: GossipSub


def make_libp2p(config: NetworkConfig) -> Libp2p:
    """Build everything; nothing runs and nothing listens yet."""
    apply_all()
    limit = config.max_peers + HEADROOM
    host = new_host(
        key_pair=create_new_key_pair(config.key_seed),
        listen_addrs=[Multiaddr(config.listen)],
        muxer_preference="YAMUX",
        disable_identify_address_discovery=True,
        connection_config=ConnectionConfig(
            # No automatic connections and no automatic pruning: both are ours.
            min_connections=0,
            low_watermark=0,
            high_watermark=limit,
            max_connections=limit,
            # With one, two nodes that dial each other end up with different ideas of which connection is
            # left.
            max_connections_per_peer=4,
        ),
    )
    gossip = GossipSub(
        # 1.2 announces every message to everybody first, which doubles the cost on small messages.
        [TProtocol("/meshsub/1.1.0"), TProtocol("/meshsub/1.0.0")],
        degree=config.degree,
        degree_low=config.degree - 1,
        degree_high=2 * config.degree,
        heartbeat_initial_delay=0.2,
        heartbeat_interval=1,
        gossip_window=5,
        gossip_history=10,
        prune_back_off=5,
        unsubscribe_back_off=2,
        do_px=False,
        adaptive_gossip_enabled=False,
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
    )
    pubsub = Pubsub(host, gossip, strict_signing=True, seen_ttl=SEEN_SECONDS)
    # The default counts from the current second, and repeats message ids after a quick restart.
    pubsub.counter = time.time_ns()
    return Libp2p(host, pubsub, gossip)
