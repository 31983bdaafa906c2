"""Peer-to-peer networking: libp2p, mended, behind a small interface."""

import warnings

with warnings.catch_warnings():
    # libp2p imports modules of others that are deprecated by now; nothing here can change that.
    warnings.simplefilter("ignore", DeprecationWarning)
    import libp2p as _libp2p  # noqa: F401

from p2pavs.network.conduct import Offence
from p2pavs.network.config import NetworkConfig
from p2pavs.network.errors import (
    AlreadySubscribed,
    BootstrapUnreachable,
    InvalidAddress,
    InvalidConfig,
    InvalidRecord,
    ListenFailed,
    MessageTooLarge,
    NetworkError,
    PeerUnknown,
    RequestFailed,
    RequestTimeout,
    ResponseTooLarge,
)
from p2pavs.network.gossip import MAX_MESSAGE, Gossip, Validator
from p2pavs.network.network import Network, PeerInfo
from p2pavs.network.records import MAX_PAYLOAD, PeerRecord
from p2pavs.network.requests import Handler, ServeLimits
from p2pavs.network.stats import NetworkStats

__all__ = [
    "MAX_MESSAGE",
    "MAX_PAYLOAD",
    "AlreadySubscribed",
    "BootstrapUnreachable",
    "Gossip",
    "Handler",
    "InvalidAddress",
    "InvalidConfig",
    "InvalidRecord",
    "ListenFailed",
    "MessageTooLarge",
    "Network",
    "NetworkConfig",
    "NetworkError",
    "NetworkStats",
    "Offence",
    "PeerInfo",
    "PeerRecord",
    "PeerUnknown",
    "RequestFailed",
    "RequestTimeout",
    "ResponseTooLarge",
    "ServeLimits",
    "Validator",
]
