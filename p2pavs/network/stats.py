"""Counters of one network, for metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Everything counts from the start of this process; `NetworkStats` is the snapshot for others."""

    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    messages_rejected: int = 0
    messages_dropped: int = 0
    validator_errors: int = 0
    requests_out: int = 0
    requests_failed: int = 0
    requests_in: int = 0
    requests_refused: int = 0
    handler_errors: int = 0
    dials: int = 0
    dial_failures: int = 0
    records_rejected: int = 0
    evictions: int = 0
    bans: int = 0


@dataclass(frozen=True, slots=True)
class NetworkStats:
    """Counters of the process so far, and two gauges."""

    messages_in: int
    """Gossip accepted by a validator and given to a subscriber."""

    messages_out: int
    """Gossip we published."""

    bytes_in: int
    bytes_out: int
    messages_rejected: int
    """Gossip that a validator refused."""

    messages_dropped: int
    """Gossip lost because a subscriber was too slow."""

    validator_errors: int
    requests_out: int
    requests_failed: int
    requests_in: int
    requests_refused: int
    """Requests of others that were over a limit."""

    handler_errors: int
    dials: int
    dial_failures: int
    records_rejected: int
    """Peer records that were malformed or not signed by their peer."""

    evictions: int
    """Connections closed to make room."""

    offences: Mapping[str, int]
    """What peers did that no honest one does, by kind."""

    bans: int
    """How often a peer lost its connection for it."""

    peers_connected: int
    peers_known: int
