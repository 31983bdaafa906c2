"""Defect 1, at the start: a pubsub stream that arrives before the pubsub service runs.

Stock behaviour: the stream handler uses `self.manager`, which does not exist yet, and the exception stops the
node.
Mended: such a stream is reset; the peer opens another one.
"""

from __future__ import annotations

from typing import Any

from libp2p.pubsub.pubsub import Pubsub

from p2pavs.network.mends.patching import replace


def apply() -> None:
    """Reset pubsub streams while there is no service to read them."""
    original = Pubsub.stream_handler

    async def stream_handler(self: Any, stream: Any) -> None:
        if not hasattr(self, "_manager"):
            await stream.reset()
            return
        await original(self, stream)

    replace(Pubsub, "stream_handler", stream_handler)
