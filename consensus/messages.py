"""What members say to each other. These are untrusted: nothing here has been checked yet.

``sender`` and ``signers`` are indexes into the epoch's operator set. ``verification.py`` turns a message
whose signatures hold into a ``Verified`` one, and only those enter an instance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from consensus.types import InstanceId, Kind, Result, ValueId


@dataclass(frozen=True, slots=True)
class Proposal:
    """The round's proposer offers a result. ``pol_round`` is the round of its proof of lock, or -1."""

    instance: InstanceId
    round: int
    pol_round: int
    result: Result
    output: bytes  # the bytes that ``result.output_hash`` names
    sender: int
    signature: bytes  # over statement(PROPOSAL, round, proposal_id(value_id(result), pol_round))


@dataclass(frozen=True, slots=True)
class WorkTag:
    """The proof that a prevote's signer ran the model (protocol, section 5)."""

    tag: bytes
    signature: bytes  # over statement(WORK_TAG, 0, tag)


@dataclass(frozen=True, slots=True)
class Vote:
    """A prevote or a precommit. A prevote for a value carries a work tag; nothing else does."""

    instance: InstanceId
    kind: Kind  # PREVOTE or PRECOMMIT
    round: int
    value_id: ValueId
    sender: int
    signature: bytes
    work: WorkTag | None = None


@dataclass(frozen=True, slots=True)
class VoteGroup:
    """Equal votes of several members under one aggregate signature."""

    value_id: ValueId
    signers: tuple[int, ...]  # strictly ascending
    signature: bytes  # aggregate


@dataclass(frozen=True, slots=True)
class RoundCertificate:
    """Votes of one kind and round that together mean something: a polka, or a reason to enter a round."""

    instance: InstanceId
    kind: Kind  # PREVOTE or PRECOMMIT
    round: int
    groups: tuple[VoteGroup, ...]  # strictly ascending by value_id


@dataclass(frozen=True, slots=True)
class Certificate:
    """More than 2/3 of the weight precommitted this result in this round (protocol, section 8)."""

    instance: InstanceId
    round: int
    result: Result
    signers: tuple[int, ...]  # strictly ascending
    signature: bytes  # aggregate of precommits


@dataclass(frozen=True, slots=True)
class Commit:
    """A certificate together with the output it certifies, as members pass it on."""

    certificate: Certificate
    output: bytes


@dataclass(frozen=True, slots=True)
class DivergenceReport:
    """A member's own signed result where it differs from what was proposed."""

    instance: InstanceId
    own: Result
    first_chunk: int  # first chunk of the trace that differs; -1 where it is not known
    sender: int
    signature: bytes  # over statement(OUTPUT, 0, value_id(own))


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """A part of an answer, sent while it is generated: a hint, which its receivers check by computing.

    It is no statement and bears no signature of the member; who sent it is known from the network.
    """

    instance: InstanceId
    index: int  # of the chunk, from 0
    tokens: tuple[int, ...]  # 1 to 32
    digest: bytes  # of the chunk of the trace, 32 bytes
    sender: int


Message: TypeAlias = Proposal | Vote | RoundCertificate | Commit | DivergenceReport | OutputChunk
