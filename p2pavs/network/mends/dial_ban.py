"""Defect 7: one failed dial bans the peer for 60 seconds.

Stock behaviour: a dial that failed puts the peer on a list, and for a minute every further attempt fails at
once, also when the peer came back after a second. Mended: the list stays empty; we have our own back-off.
"""

from __future__ import annotations

from typing import Any

from libp2p.network.swarm import _NegativePeerCache

from p2pavs.network.mends.patching import replace


def apply() -> None:
    """Never remember a failed dial."""

    def mark_failed(self: Any, peer_id: str) -> None:
        return None

    replace(_NegativePeerCache, "mark_failed", mark_failed)
