"""Defect 14: connections that nobody asked for.

Stock behaviour: a background task dials every address in the peer store until half of the upper limit of
connections is reached, also when the configuration asks for none. Mended: it does nothing; whom to dial is
decided by our discovery.
"""

from __future__ import annotations

from typing import Any

from libp2p.network.auto_connector import AutoConnector

from p2pavs.network.mends.patching import replace


def apply() -> None:
    """Never dial on libp2p's own account."""

    async def maybe_connect(self: Any) -> None:
        return None

    replace(AutoConnector, "maybe_connect", maybe_connect)
