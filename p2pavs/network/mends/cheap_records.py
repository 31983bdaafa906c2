"""Speed: a signed peer record on every message.

Stock behaviour: each gossip RPC carries the sender's signed address record, made and verified (twice) every
time: 37% of CPU time. Mended: it travels in the first message of a stream, and the same bytes from the same
peer are verified once.
"""

from __future__ import annotations

from typing import Any

from libp2p.pubsub import gossipsub, pubsub
from libp2p.pubsub.utils import maybe_consume_signed_record

from p2pavs.network.mends.patching import replace

MAX_REMEMBERED = 1024  # peers whose last record is remembered


def apply() -> None:
    """Send the record once, verify it once."""

    def nothing_to_send(host: Any) -> tuple[bytes, bool]:
        return b"", False

    def already_verified(msg: Any, host: Any, peer_id: Any) -> bool:
        return True

    replace(gossipsub, "env_to_send_in_RPC", nothing_to_send)
    # The reader of the stream has verified the very same message a moment before.
    replace(gossipsub, "maybe_consume_signed_record", already_verified)
    last: dict[tuple[int, Any], bytes] = {}

    def verified_once(msg: Any, host: Any, peer_id: Any) -> bool:
        if not msg.HasField("senderRecord") or not msg.senderRecord:
            return True
        key = (id(host), peer_id)
        if last.get(key) == msg.senderRecord:
            return True
        valid = maybe_consume_signed_record(msg, host, peer_id)
        if valid:
            if len(last) >= MAX_REMEMBERED:
                last.pop(next(iter(last)))
            last[key] = msg.senderRecord
        return valid

    replace(pubsub, "maybe_consume_signed_record", verified_once)
