"""Real keys, committees and signed messages for tests. Deterministic: no randomness, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from consensus import bls
from consensus.committee import Committee, Operator, OperatorSet
from consensus.hashing import keccak256
from consensus.messages import (
    Certificate,
    Commit,
    DivergenceReport,
    Proposal,
    RoundCertificate,
    Vote,
    VoteGroup,
    WorkTag,
)
from consensus.signing import proposal_id, statement, trace_commit, value_id, work_tag
from consensus.types import (
    NIL,
    NO_ROUND,
    Domain,
    FinishReason,
    InstanceId,
    Kind,
    Result,
    ResultStatus,
    Scope,
    ValueId,
)

TASK_SEED = keccak256(b"a task seed")
TASK_HASH = b"\x7a" * 32
DOMAIN = Domain(31337, b"\x11" * 20)
INSTANCE = InstanceId(7, 0)
SECRET = b"\x5e" * 32
OUTPUT = b"yes"


@cache
def secret(index: int) -> bls.SecretKey:
    return bls.SecretKey(hashlib.sha256(b"test key %d" % index).digest()[1:].rjust(32, b"\0"))


@cache
def key(index: int) -> bytes:
    return bls.public_key(secret(index))


def address(index: int) -> bytes:
    return keccak256(b"address %d" % index)[:20]


def operator_set(stakes: Sequence[int], epoch: int = 1) -> OperatorSet:
    return OperatorSet(epoch, [Operator(address(i), key(i), stake) for i, stake in enumerate(stakes)])


def committee(stakes: Sequence[int] = (1, 1, 1, 1), size: int = 0) -> Committee:
    return Committee.select(operator_set(stakes), TASK_HASH, TASK_SEED, 0, size)


def scope(of: Committee) -> Scope:
    return Scope(DOMAIN, INSTANCE, of.root)


def result(output: bytes = OUTPUT, trace_secret: bytes = SECRET) -> Result:
    return Result(
        status=ResultStatus.COMPLETED,
        output_hash=keccak256(output),
        output_length=len(output),
        token_count=3,
        finish_reason=FinishReason.END_OF_TEXT,
        trace_root=keccak256(b"root of " + output),
        trace_commit=trace_commit(trace_secret),
        runtime_profile=b"\x44" * 32,
    )


def signature(of: Committee, sender: int, kind: Kind, round_: int, value: bytes) -> bytes:
    return bls.sign(secret(sender), statement(scope(of), kind, round_, value))


def proposal(of: Committee, round_: int = 0, output: bytes = OUTPUT, pol_round: int = NO_ROUND) -> Proposal:
    sender, found = of.proposer(round_), result(output)
    signed = signature(of, sender, Kind.PROPOSAL, round_, proposal_id(value_id(found), pol_round))
    return Proposal(INSTANCE, round_, pol_round, found, output, sender, signed)


def vote(
    of: Committee,
    sender: int,
    kind: Kind = Kind.PREVOTE,
    round_: int = 0,
    value: ValueId | None = None,
    trace_secret: bytes = SECRET,
) -> Vote:
    chosen = value_id(result()) if value is None else value
    work = None
    if kind is Kind.PREVOTE and chosen != NIL:
        tag = work_tag(DOMAIN, INSTANCE, of.member(sender).operator, trace_secret)
        work = WorkTag(tag, signature(of, sender, Kind.WORK_TAG, 0, tag))
    return Vote(INSTANCE, kind, round_, chosen, sender, signature(of, sender, kind, round_, chosen), work)


def group(of: Committee, signers: Sequence[int], kind: Kind, round_: int, value: ValueId) -> VoteGroup:
    signatures = [signature(of, signer, kind, round_, value) for signer in signers]
    return VoteGroup(value, tuple(signers), bls.aggregate(signatures))


def round_certificate(
    of: Committee,
    groups: Sequence[tuple[ValueId, Sequence[int]]],
    kind: Kind = Kind.PREVOTE,
    round_: int = 0,
) -> RoundCertificate:
    made = tuple(group(of, signers, kind, round_, value) for value, signers in groups)
    return RoundCertificate(INSTANCE, kind, round_, made)


def certificate(
    of: Committee, signers: Sequence[int], round_: int = 0, output: bytes = OUTPUT
) -> Certificate:
    found = result(output)
    signed = group(of, signers, Kind.PRECOMMIT, round_, value_id(found))
    return Certificate(INSTANCE, round_, found, signed.signers, signed.signature)


def commit(of: Committee, signers: Sequence[int]) -> Commit:
    return Commit(certificate(of, signers), OUTPUT)


def divergence(of: Committee, sender: int, output: bytes = b"no") -> DivergenceReport:
    own = result(output)
    return DivergenceReport(INSTANCE, own, 2, sender, signature(of, sender, Kind.OUTPUT, 0, value_id(own)))


class Coefficients:
    """Unpredictable enough for a test, the same in each run; counts what it gave."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, size: int) -> bytes:
        self.calls += 1
        return hashlib.shake_256(b"coefficient %d" % self.calls).digest(size)
