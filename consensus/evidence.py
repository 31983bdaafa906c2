"""Offences that signed statements prove, in the form in which a contract could check them.

Each piece of evidence names who signed, what exactly was signed, and what that contradicts. Whoever holds it
needs none of our messages: ``check_evidence`` works on the evidence alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique

from consensus import bls
from consensus.certificate import CertificateError, verify_certificate
from consensus.committee import Committee, Member
from consensus.messages import Certificate, DivergenceReport, Proposal, Vote
from consensus.signing import (
    SignatureScheme,
    proposal_id,
    statement,
    trace_commit,
    value_id,
    work_tag,
)
from consensus.types import NIL, NO_ROUND, Kind, Scope, ValueId


class EvidenceError(ValueError):
    """The offence is not proven."""


@unique
class Offence(IntEnum):
    """What was done (protocol, section 10)."""

    EQUIVOCATION = 1
    WRONG_OUTPUT = 2
    FALSE_WORK_TAG = 3


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """The parts of one signed statement; the scope of the evidence completes it."""

    kind: Kind
    round: int
    value: bytes  # 32 bytes; a proposal's is its ``proposal_id``
    signature: bytes  # 96 bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """What a proposal's ``proposal_id`` hides."""

    value_id: ValueId
    pol_round: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One offence of one member.

    Equivocation: two statements for one slot. Wrong output: one statement for a value, the ``opening`` if it
    is a proposal, and the certificate of another value. False work tag: the prevote, the tag signed with it,
    the certificate of the prevoted value, and the published trace secret that gives another tag.
    """

    offence: Offence
    scope: Scope
    accused: Member
    statements: tuple[SignedStatement, ...]
    opening: Opening | None = None
    certificate: Certificate | None = None
    trace_secret: bytes | None = None


def statements_of(message: Proposal | Vote | DivergenceReport) -> tuple[SignedStatement, ...]:
    """Return the statements that the sender of a message signed."""
    if isinstance(message, Proposal):
        value = proposal_id(value_id(message.result), message.pol_round)
        return (SignedStatement(Kind.PROPOSAL, message.round, value, message.signature),)
    if isinstance(message, DivergenceReport):
        return (SignedStatement(Kind.OUTPUT, 0, value_id(message.own), message.signature),)
    vote = SignedStatement(message.kind, message.round, message.value_id, message.signature)
    if message.work is None:
        return (vote,)
    return vote, SignedStatement(Kind.WORK_TAG, 0, message.work.tag, message.work.signature)


def _contradict(first: SignedStatement, second: SignedStatement) -> bool:
    return (first.kind, first.round) == (second.kind, second.round) and first.value != second.value


def conflict(
    first: Proposal | Vote | DivergenceReport, second: Proposal | Vote | DivergenceReport
) -> tuple[SignedStatement, SignedStatement] | None:
    """Return two statements of one member that contradict each other, if there are any."""
    if (first.instance, first.sender) != (second.instance, second.sender):
        return None
    for one in statements_of(first):
        for other in statements_of(second):
            if _contradict(one, other):
                return one, other
    return None


def equivocation(
    first: Proposal | Vote | DivergenceReport, second: Proposal | Vote | DivergenceReport
) -> bool:
    """Whether one member signed two values of one kind in one round (work tags and outputs have round 0).

    Votes for different values in different rounds are no equivocation.
    """
    return conflict(first, second) is not None


def equivocation_evidence(
    first: Proposal | Vote | DivergenceReport,
    second: Proposal | Vote | DivergenceReport,
    scope: Scope,
    committee: Committee,
) -> Evidence:
    """Describe an equivocation in two verified messages; raises ``EvidenceError`` if there is none."""
    found = conflict(first, second)
    if found is None:
        raise EvidenceError("the two messages do not contradict each other")
    return Evidence(Offence.EQUIVOCATION, scope, committee.member(first.sender), found)


def wrong_output(message: Proposal | Vote | DivergenceReport, certificate: Certificate) -> bool:
    """Whether a verified message claims another result than the certified one.

    A precommit claims no result of one's own: it follows a polka. A nil prevote claims nothing.
    """
    if message.instance != certificate.instance:
        return False
    certified = value_id(certificate.result)
    if isinstance(message, Proposal):
        # With a proof of lock the algorithm obliges the proposer to repeat a value that may not be its own.
        return message.pol_round == NO_ROUND and value_id(message.result) != certified
    if isinstance(message, DivergenceReport):
        return value_id(message.own) != certified
    return message.kind is Kind.PREVOTE and message.value_id not in (NIL, certified)


def wrong_output_evidence(
    message: Proposal | Vote | DivergenceReport, certificate: Certificate, scope: Scope, committee: Committee
) -> Evidence:
    """Describe a wrong output; raises ``EvidenceError`` if the message does not claim one."""
    if not wrong_output(message, certificate):
        raise EvidenceError("the message does not claim another result than the certified one")
    opening = None
    if isinstance(message, Proposal):
        opening = Opening(value_id(message.result), message.pol_round)
    signed = statements_of(message)[:1]
    accused = committee.member(message.sender)
    return Evidence(Offence.WRONG_OUTPUT, scope, accused, signed, opening, certificate)


def false_work_tag(
    vote: Vote, certificate: Certificate, scope: Scope, committee: Committee, trace_secret: bytes
) -> bool:
    """Whether a verified prevote for the certified value carries another tag than its trace gives."""
    return (
        vote.work is not None
        and vote.instance == certificate.instance == scope.instance
        and vote.value_id == value_id(certificate.result)
        and trace_commit(trace_secret) == certificate.result.trace_commit
        and vote.work.tag
        != work_tag(scope.domain, scope.instance, committee.member(vote.sender).operator, trace_secret)
    )


def false_work_tag_evidence(
    vote: Vote, certificate: Certificate, scope: Scope, committee: Committee, trace_secret: bytes
) -> Evidence:
    """Describe a false work tag, publishing the secret; raises ``EvidenceError`` if the tag is right."""
    if not false_work_tag(vote, certificate, scope, committee, trace_secret):
        raise EvidenceError("the vote does not carry a false work tag for the certified value")
    return Evidence(
        Offence.FALSE_WORK_TAG,
        scope,
        committee.member(vote.sender),
        statements_of(vote),
        certificate=certificate,
        trace_secret=trace_secret,
    )


def check_evidence(evidence: Evidence, committee: Committee, scheme: SignatureScheme = bls.SCHEME) -> None:
    """Raise ``EvidenceError`` unless the evidence proves its offence, signatures and all."""
    accused = evidence.accused
    if evidence.scope.committee_root != committee.root:
        raise EvidenceError("the evidence names another committee")
    if accused.index not in committee or committee.member(accused.index) != accused:
        raise EvidenceError("the accused is not on the committee")
    match evidence.offence:
        case Offence.EQUIVOCATION:
            _check_equivocation(evidence)
        case Offence.WRONG_OUTPUT:
            _check_wrong_output(evidence, _certified(evidence, committee, scheme))
        case Offence.FALSE_WORK_TAG:
            _check_false_work_tag(evidence, _certified(evidence, committee, scheme))
    for signed in evidence.statements:
        message = statement(evidence.scope, signed.kind, signed.round, signed.value)
        if not scheme.fast_aggregate_verify([accused.key], message, signed.signature):
            raise EvidenceError(f"the signature of the {signed.kind.name} does not hold")


def _certified(evidence: Evidence, committee: Committee, scheme: SignatureScheme) -> Certificate:
    if evidence.certificate is None:
        raise EvidenceError("the certificate is missing")
    try:
        verify_certificate(evidence.certificate, evidence.scope, committee, scheme)
    except CertificateError as error:
        raise EvidenceError(f"the certificate is invalid: {error}") from error
    return evidence.certificate


def _check_equivocation(evidence: Evidence) -> None:
    if len(evidence.statements) != 2 or not _contradict(*evidence.statements):
        raise EvidenceError("there are not two statements that contradict each other")


def _check_wrong_output(evidence: Evidence, certificate: Certificate) -> None:
    if len(evidence.statements) != 1:
        raise EvidenceError("there is not one statement")
    signed, opening = evidence.statements[0], evidence.opening
    if signed.kind is Kind.PROPOSAL:
        if opening is None or proposal_id(opening.value_id, opening.pol_round) != signed.value:
            raise EvidenceError("the proposal is not opened")
        if opening.pol_round != NO_ROUND:
            raise EvidenceError("a proposer that shows a proof of lock repeats the value as it must")
        claimed: bytes = opening.value_id
    elif signed.kind in (Kind.PREVOTE, Kind.OUTPUT):
        claimed = signed.value
    else:
        raise EvidenceError(f"a {signed.kind.name} claims no result")
    if claimed in (NIL, value_id(certificate.result)):
        raise EvidenceError("no other result than the certified one is claimed")


def _check_false_work_tag(evidence: Evidence, certificate: Certificate) -> None:
    secret = evidence.trace_secret
    if [signed.kind for signed in evidence.statements] != [Kind.PREVOTE, Kind.WORK_TAG]:
        raise EvidenceError("there are not a prevote and its work tag")
    if secret is None or len(secret) != 32 or trace_commit(secret) != certificate.result.trace_commit:
        raise EvidenceError("the trace secret is not the one the certified result commits to")
    vote, tag = evidence.statements
    if vote.value != value_id(certificate.result):
        raise EvidenceError("the prevote is not for the certified result")
    if tag.round != 0:
        raise EvidenceError("a work tag is signed for round 0")
    scope = evidence.scope
    if tag.value == work_tag(scope.domain, scope.instance, evidence.accused.operator, secret):
        raise EvidenceError("the work tag is right")
