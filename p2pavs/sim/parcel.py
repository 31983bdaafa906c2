"""A message on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from consensus.effects import Received, Verified
from consensus.messages import (
    Commit,
    DivergenceReport,
    Message,
    OutputChunk,
    Proposal,
    RoundCertificate,
    Vote,
)


@dataclass(slots=True, eq=False)
class Parcel:
    """A message as all receivers get it: encoded, and its signatures checked, once for all of them."""

    message: Message | None  # None: bytes that nobody can read
    data: bytes
    received: Received | None = None  # None: nothing for the core
    reason: str | None = None  # why it does not verify
    by_honest: bool = False


def received(message: Message) -> Received | None:
    """Return what the core is fed for a message that verified: nothing for a report or a chunk."""
    match message:
        case Proposal():
            return Received(Verified(message))
        case Vote():
            return Received(Verified(message))
        case RoundCertificate():
            return Received(Verified(message))
        case Commit():
            return Received(Verified(message))
        case DivergenceReport() | OutputChunk():
            return None
        case _:
            assert_never(message)
