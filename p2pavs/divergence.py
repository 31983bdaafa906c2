"""What an operator is told where results differ: why a proposal was refused, who diverged and where."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from consensus.types import Result
from p2pavs.journal import Json
from p2pavs.relay import Refused

KEPT = 64


@dataclass(frozen=True, slots=True)
class Divergence:
    """A member computed something else than this one."""

    task_id: int
    operator: bytes
    own: bool
    """Whether it is this operator that stands alone against the certificate."""
    chunk: int
    """The first that differs; -1 where it could not be found out."""
    position: int
    """The first token that differs, from 0; -1 where it could not be found out."""
    detail: str
    profiles_differ: bool

    def fields(self) -> dict[str, Json]:
        """As the journal and the API show it."""
        return {
            "operator": "0x" + self.operator.hex(),
            "own": self.own,
            "chunk": self.chunk,
            "position": self.position,
            "detail": self.detail,
            "profilesDiffer": self.profiles_differ,
        }


class DivergenceBook:
    """The latest divergences of all tasks, and how many there were."""

    def __init__(self) -> None:
        self._recent: deque[Divergence] = deque(maxlen=KEPT)
        self.own = 0
        """Tasks in which this operator's result was not the certified one."""
        self.others = 0

    def add(self, divergence: Divergence) -> None:
        """Note one."""
        self._recent.append(divergence)
        if divergence.own:
            self.own += 1
        else:
            self.others += 1

    def recent(self) -> list[Divergence]:
        """The latest ones, oldest first."""
        return list(self._recent)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a result is not the own one, by the first thing that differs."""

    reason: str
    byte: int = -1
    """Of the output, where that differs."""
    position: int = -1
    """In tokens of the answer, where it is known."""


def mismatch(
    own: Result, own_output: bytes, other: Result, output: bytes, refused: Refused | None
) -> Mismatch:
    """Compare two results that are not equal. ``refused`` is what the chunks of the other one showed."""
    position = -1 if refused is None else refused.position
    chunks = "" if refused is None else f"{refused}; "
    if other.status != own.status:
        reason = f"status {other.status.name.lower()}, not {own.status.name.lower()}"
        return Mismatch(chunks + reason, -1, position)
    shorter = min(other.token_count, own.token_count)
    if output != own_output:
        byte = _first_difference(own_output, output)
        reason = f"the output differs from byte {byte} on"
        if byte == min(len(output), len(own_output)) and other.token_count != own.token_count:
            reason += f": one answer ends at token {shorter}"
            position = shorter if position < 0 else position
        return Mismatch(chunks + reason, byte, position)
    if other.token_count != own.token_count:
        reason = f"{other.token_count} tokens, not {own.token_count}: one ends at token {shorter}"
        return Mismatch(chunks + reason, -1, shorter if position < 0 else position)
    if other.finish_reason != own.finish_reason:
        name, mine = other.finish_reason.name.lower(), own.finish_reason.name.lower()
        reason = f"finish reason {name}, not {mine}, after token {own.token_count}"
        return Mismatch(chunks + reason, -1, own.token_count if position < 0 else position)
    for field, what in (
        ("trace_root", "the traces differ"),
        ("trace_commit", "the trace secrets differ"),
        ("runtime_profile", "the runtime profiles differ"),
    ):
        if getattr(other, field) != getattr(own, field):
            return Mismatch(chunks + what, -1, position)
    return Mismatch(chunks + "another output length", -1, position)


def _first_difference(one: bytes, other: bytes) -> int:
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
