"""Defect 13: the log.

Stock behaviour: multi-line errors for every peer that does not speak pubsub, for ever; texts of whole
messages are built for debug lines that nobody reads. Mended: the library's loggers are silent; what matters
is logged by us.
"""

from __future__ import annotations

import logging
from typing import Any

from libp2p.network.connection import swarm_connection
from libp2p.pubsub import gossipsub, pubsub
from libp2p.stream_muxer.yamux import yamux

from p2pavs.network.mends.patching import replace

SILENT = ("libp2p", "multiaddr")


class _Undescribed:
    """A logger whose debug and info lines cost one call and build nothing."""

    def __init__(self, inner: logging.Logger) -> None:
        self._inner = inner

    def debug(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    info = debug

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def apply() -> None:
    """Silence the library."""
    for name in (*SILENT, *logging.root.manager.loggerDict):
        if name.split(".")[0] in SILENT:  # some of its modules set a level of their own
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for module in (yamux, pubsub, gossipsub):
        replace(module, "logger", _Undescribed(module.logger))
    # This module logs through the functions of `logging`, to the root logger.
    replace(swarm_connection, "logging", _Undescribed(logging.getLogger("libp2p.network")))
