"""What goes into an instance and what comes out: the whole surface between the core and its host.

The host writes every input to its log before it applies it. ``Instance.apply`` is a pure function of the
inputs so far, so replaying the log gives the same effects in the same order; ``Sign*`` effects may then be
carried out again, because the sign guard re-releases equal statements and refuses different ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from consensus.messages import Certificate, Commit, Message, Proposal, RoundCertificate, Vote
from consensus.types import Kind, Result, Step, ValueId

M = TypeVar("M", covariant=True)


@dataclass(frozen=True, slots=True)
class Verified(Generic[M]):
    """A message whose form, membership and signatures have been checked against its committee."""

    message: M


# --- inputs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwnResult:
    """The own computation is ready. Enters round 0 if the instance has not begun."""

    result: Result
    output: bytes
    trace_secret: bytes


@dataclass(frozen=True, slots=True)
class ExecutionTimeout:
    """The execution deadline passed without an own result. Enters round 0 all the same."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer set by ``SetTimer`` ran out."""

    step: Step  # PROPOSE, PREVOTE or PRECOMMIT
    round: int


@dataclass(frozen=True, slots=True)
class RebroadcastDue:
    """Gossip loses messages: say the last ones again."""


@dataclass(frozen=True, slots=True)
class Received:
    """A verified message of a peer, or of this member itself once it is signed."""

    message: Verified[Proposal] | Verified[Vote] | Verified[RoundCertificate] | Verified[Commit]


Input: TypeAlias = OwnResult | ExecutionTimeout | TimerFired | RebroadcastDue | Received


# --- effects ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignProposal:
    """Sign and publish a proposal, then feed it back as ``Received``."""

    round: int
    pol_round: int
    result: Result
    output: bytes


@dataclass(frozen=True, slots=True)
class SignVote:
    """Sign and publish a vote, then feed it back as ``Received``.

    The host adds the work tag to a prevote for a value; such a prevote is asked for only after ``OwnResult``.
    """

    kind: Kind
    round: int
    value_id: ValueId


@dataclass(frozen=True, slots=True)
class SignDivergence:
    """Sign and publish a report that the own result differs from the proposed one."""

    own: Result


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish again what is already signed: rebroadcasts, polkas, round certificates, commits."""

    message: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire ``TimerFired(step, round)`` after ``timeouts.duration(step, round)``."""

    step: Step
    round: int


@dataclass(frozen=True, slots=True)
class EnteredRound:
    """For the operator's eyes and metrics."""

    round: int
    proposer: int


@dataclass(frozen=True, slots=True)
class Decided:
    """The instance is over. ``output`` is None where only hashes of the output were seen."""

    certificate: Certificate
    output: bytes | None


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two different statements of one member for the same slot, both with valid signatures."""

    first: Proposal | Vote
    second: Proposal | Vote


@dataclass(frozen=True, slots=True)
class FalseWorkTag:
    """A prevote whose signed work tag is not the one its signer would have had to compute."""

    vote: Vote
    expected_tag: bytes


@dataclass(frozen=True, slots=True)
class WrongOutput:
    """A signed proposal or prevote for another result than the certified one."""

    message: Proposal | Vote
    certificate: Certificate


Effect: TypeAlias = (
    SignProposal
    | SignVote
    | SignDivergence
    | Publish
    | SetTimer
    | EnteredRound
    | Decided
    | Equivocation
    | FalseWorkTag
    | WrongOutput
)

__all__ = [
    "Commit",
    "Decided",
    "Effect",
    "EnteredRound",
    "Equivocation",
    "ExecutionTimeout",
    "FalseWorkTag",
    "Input",
    "OwnResult",
    "Publish",
    "RebroadcastDue",
    "Received",
    "SetTimer",
    "SignDivergence",
    "SignProposal",
    "SignVote",
    "TimerFired",
    "Verified",
    "WrongOutput",
]
