"""Evidence proves what it says to whoever has only the committee."""

from __future__ import annotations

import dataclasses

import pytest

from consensus.evidence import (
    Evidence,
    EvidenceError,
    Offence,
    Opening,
    check_evidence,
    equivocation,
    equivocation_evidence,
    false_work_tag,
    false_work_tag_evidence,
    statements_of,
    wrong_output,
    wrong_output_evidence,
)
from consensus.messages import Proposal, Vote
from consensus.signing import value_id
from consensus.types import NIL, InstanceId, Kind
from tests.unit.consensus import factory

COMMITTEE = factory.committee()
SCOPE = factory.scope(COMMITTEE)
OTHER = value_id(factory.result(b"no"))
CERTIFICATE = factory.certificate(COMMITTEE, (0, 1, 2))
PREVOTE = factory.vote(COMMITTEE, 3)
LAZY = factory.vote(COMMITTEE, 3, trace_secret=b"\x66" * 32)
WRONG = factory.vote(COMMITTEE, 3, value=OTHER)
NIL_VOTE = factory.vote(COMMITTEE, 3, value=NIL)
PROPOSAL = factory.proposal(COMMITTEE)
WRONG_PROPOSAL = factory.proposal(COMMITTEE, output=b"no")
REPORT = factory.divergence(COMMITTEE, 3)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PREVOTE, NIL_VOTE),
        (PREVOTE, WRONG),
        (PREVOTE, LAZY),  # one vote, two work tags
        (PROPOSAL, WRONG_PROPOSAL),
        (factory.proposal(COMMITTEE, 3, pol_round=0), factory.proposal(COMMITTEE, 3, pol_round=1)),
        (factory.vote(COMMITTEE, 3, Kind.PRECOMMIT), factory.vote(COMMITTEE, 3, Kind.PRECOMMIT, value=NIL)),
        (REPORT, factory.divergence(COMMITTEE, 3, b"maybe")),
    ],
)
def test_two_statements_for_one_slot_are_proven(first: Vote | Proposal, second: Vote | Proposal) -> None:
    assert equivocation(first, second)
    assert equivocation(second, first)
    evidence = equivocation_evidence(first, second, SCOPE, COMMITTEE)
    assert evidence.offence is Offence.EQUIVOCATION
    assert evidence.accused == COMMITTEE.member(first.sender)
    check_evidence(evidence, COMMITTEE)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PREVOTE, PREVOTE),
        (PREVOTE, factory.vote(COMMITTEE, 2, value=NIL)),  # another member
        (PREVOTE, factory.vote(COMMITTEE, 3, round_=1, value=NIL)),  # another round
        (PREVOTE, factory.vote(COMMITTEE, 3, Kind.PRECOMMIT, value=NIL)),  # another kind
        (PREVOTE, dataclasses.replace(NIL_VOTE, instance=InstanceId(7, 1))),
        (PREVOTE, REPORT),
    ],
)
def test_honest_behaviour_is_no_equivocation(first: Vote, second: Vote) -> None:
    assert not equivocation(first, second)
    with pytest.raises(EvidenceError, match="contradict"):
        equivocation_evidence(first, second, SCOPE, COMMITTEE)


@pytest.mark.parametrize("message", [WRONG, WRONG_PROPOSAL, REPORT])
def test_another_result_than_the_certified_one_is_proven(message: Vote | Proposal) -> None:
    assert wrong_output(message, CERTIFICATE)
    evidence = wrong_output_evidence(message, CERTIFICATE, SCOPE, COMMITTEE)
    assert evidence.offence is Offence.WRONG_OUTPUT
    check_evidence(evidence, COMMITTEE)


@pytest.mark.parametrize(
    "message",
    [PREVOTE, NIL_VOTE, PROPOSAL, factory.vote(COMMITTEE, 3, Kind.PRECOMMIT, value=OTHER)],
)
def test_honest_claims_are_not_wrong(message: Vote | Proposal) -> None:
    assert not wrong_output(message, CERTIFICATE)
    with pytest.raises(EvidenceError):
        wrong_output_evidence(message, CERTIFICATE, SCOPE, COMMITTEE)


def test_a_claim_for_another_instance_is_not_wrong() -> None:
    assert not wrong_output(dataclasses.replace(WRONG, instance=InstanceId(8, 0)), CERTIFICATE)


def test_a_false_work_tag_is_proven() -> None:
    assert false_work_tag(LAZY, CERTIFICATE, SCOPE, COMMITTEE, factory.SECRET)
    evidence = false_work_tag_evidence(LAZY, CERTIFICATE, SCOPE, COMMITTEE, factory.SECRET)
    check_evidence(evidence, COMMITTEE)


@pytest.mark.parametrize(
    ("vote", "secret"),
    [
        (PREVOTE, factory.SECRET),  # the tag is right
        (LAZY, b"\x66" * 32),  # not the certified trace's secret
        (WRONG, factory.SECRET),  # it never claimed the certified trace
        (NIL_VOTE, factory.SECRET),
    ],
)
def test_other_tags_are_no_offence(vote: Vote, secret: bytes) -> None:
    assert not false_work_tag(vote, CERTIFICATE, SCOPE, COMMITTEE, secret)
    with pytest.raises(EvidenceError):
        false_work_tag_evidence(vote, CERTIFICATE, SCOPE, COMMITTEE, secret)


EQUIVOCATION = equivocation_evidence(PREVOTE, NIL_VOTE, SCOPE, COMMITTEE)
WRONG_OUTPUT = wrong_output_evidence(WRONG_PROPOSAL, CERTIFICATE, SCOPE, COMMITTEE)
LAZY_VOTE = false_work_tag_evidence(LAZY, CERTIFICATE, SCOPE, COMMITTEE, factory.SECRET)


def with_statements(evidence: Evidence, *statements: object) -> Evidence:
    return dataclasses.replace(evidence, statements=statements)


def forged(evidence: Evidence, **change: object) -> Evidence:
    first, *rest = evidence.statements
    return with_statements(evidence, dataclasses.replace(first, **change), *rest)


NIL_CLAIM = dataclasses.replace(WRONG_OUTPUT, accused=COMMITTEE.member(3), opening=None)
LATE_TAG = dataclasses.replace(
    LAZY_VOTE.statements[1],
    round=1,
    signature=factory.signature(COMMITTEE, 3, Kind.WORK_TAG, 1, LAZY_VOTE.statements[1].value),
)
FALSE: dict[str, tuple[Evidence, str]] = {
    "somebody else": (dataclasses.replace(EQUIVOCATION, accused=COMMITTEE.member(0)), "does not hold"),
    "a stranger": (
        dataclasses.replace(EQUIVOCATION, accused=dataclasses.replace(COMMITTEE.member(3), index=9)),
        "not on the committee",
    ),
    "another key": (
        dataclasses.replace(
            EQUIVOCATION, accused=dataclasses.replace(COMMITTEE.member(3), key=factory.key(9))
        ),
        "not on the committee",
    ),
    "another round": (
        with_statements(
            EQUIVOCATION, *(dataclasses.replace(each, round=1) for each in EQUIVOCATION.statements)
        ),
        "does not hold",
    ),
    "another task": (
        dataclasses.replace(EQUIVOCATION, scope=dataclasses.replace(SCOPE, instance=InstanceId(8, 0))),
        "does not hold",
    ),
    "one statement": (with_statements(EQUIVOCATION, EQUIVOCATION.statements[0]), "not two statements"),
    "the same twice": (with_statements(EQUIVOCATION, *EQUIVOCATION.statements[:1] * 2), "not two statements"),
    "two rounds": (
        with_statements(
            EQUIVOCATION,
            EQUIVOCATION.statements[0],
            *statements_of(factory.vote(COMMITTEE, 3, round_=1, value=NIL)),
        ),
        "not two statements",
    ),
    "an unsigned value": (forged(EQUIVOCATION, value=OTHER), "does not hold"),
    "no certificate": (dataclasses.replace(WRONG_OUTPUT, certificate=None), "certificate is missing"),
    "a certificate of too few": (
        dataclasses.replace(WRONG_OUTPUT, certificate=dataclasses.replace(CERTIFICATE, signers=(0, 1))),
        "certificate is invalid",
    ),
    "no claim": (with_statements(WRONG_OUTPUT), "not one statement"),
    "no opening": (dataclasses.replace(WRONG_OUTPUT, opening=None), "not opened"),
    "a wrong opening": (dataclasses.replace(WRONG_OUTPUT, opening=Opening(OTHER, 0)), "not opened"),
    "a right proposal": (
        dataclasses.replace(
            WRONG_OUTPUT,
            statements=statements_of(PROPOSAL),
            opening=Opening(value_id(factory.result()), -1),
        ),
        "no other result",
    ),
    "a right prevote": (with_statements(NIL_CLAIM, statements_of(PREVOTE)[0]), "no other result"),
    "a nil prevote": (with_statements(NIL_CLAIM, *statements_of(NIL_VOTE)), "no other result"),
    "a precommit": (
        with_statements(NIL_CLAIM, *statements_of(factory.vote(COMMITTEE, 3, Kind.PRECOMMIT, value=OTHER))),
        "PRECOMMIT claims no result",
    ),
    "no secret": (dataclasses.replace(LAZY_VOTE, trace_secret=None), "trace secret"),
    "another secret": (dataclasses.replace(LAZY_VOTE, trace_secret=b"\x66" * 32), "trace secret"),
    "a short secret": (dataclasses.replace(LAZY_VOTE, trace_secret=b""), "trace secret"),
    "no prevote": (with_statements(LAZY_VOTE, LAZY_VOTE.statements[1]), "not a prevote and its"),
    "a prevote for another value": (
        with_statements(LAZY_VOTE, statements_of(WRONG)[0], LAZY_VOTE.statements[1]),
        "not for the certified",
    ),
    "a tag of another round": (with_statements(LAZY_VOTE, LAZY_VOTE.statements[0], LATE_TAG), "round 0"),
    "a right tag": (with_statements(LAZY_VOTE, *statements_of(PREVOTE)), "tag is right"),
}


@pytest.mark.parametrize("name", FALSE)
def test_false_evidence_is_refused(name: str) -> None:
    evidence, reason = FALSE[name]
    with pytest.raises(EvidenceError, match=reason):
        check_evidence(evidence, COMMITTEE)


def test_evidence_is_bound_to_the_committee() -> None:
    with pytest.raises(EvidenceError, match="another committee"):
        check_evidence(EQUIVOCATION, factory.committee((2, 2, 2, 2)))
