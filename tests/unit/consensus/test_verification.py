"""From untrusted to verified: every rule has a message that breaks only it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from consensus import bls
from consensus.effects import Verified
from consensus.known_signatures import KnownSignatures
from consensus.messages import Message
from consensus.signing import Randomness, SignatureCheck, proposal_id, value_id
from consensus.types import MAX_ROUND, NIL, InstanceId, Kind, ValueId
from consensus.verification import (
    Invalid,
    MessageVerifier,
    VerificationError,
    signature_cost,
    verify_together,
)
from tests.unit.consensus import factory
from tests.unit.consensus.factory import Coefficients

VOTE_KINDS = (Kind.PREVOTE, Kind.PRECOMMIT)
COMMITTEE = factory.committee()
SCOPE = factory.scope(COMMITTEE)
VALUE = value_id(factory.result())
OTHER = value_id(factory.result(b"no"))
PREVOTE = factory.vote(COMMITTEE, 0)
PRECOMMIT = factory.vote(COMMITTEE, 1, Kind.PRECOMMIT)
NIL_PREVOTE = factory.vote(COMMITTEE, 2, value=NIL)
PROPOSAL = factory.proposal(COMMITTEE)
LATE_PROPOSAL = factory.proposal(COMMITTEE, round_=3, pol_round=1)
POLKA = factory.round_certificate(COMMITTEE, [(VALUE, (0, 1, 2))])
MIXED = factory.round_certificate(COMMITTEE, sorted([(VALUE, (0, 2)), (NIL, (1,)), (OTHER, (3,))]))
COMMIT = factory.commit(COMMITTEE, (0, 1, 2))
REPORT = factory.divergence(COMMITTEE, 3)
GOOD: list[Message] = [
    PREVOTE,
    PRECOMMIT,
    NIL_PREVOTE,
    PROPOSAL,
    LATE_PROPOSAL,
    POLKA,
    MIXED,
    COMMIT,
    REPORT,
]


def verifier() -> MessageVerifier:
    return MessageVerifier(SCOPE, COMMITTEE, Coefficients())


def foreign_proposal() -> Message:
    """A proposal that a member signs out of turn."""
    sender = next(i for i in range(4) if i != COMMITTEE.proposer(0))
    signed = factory.signature(COMMITTEE, sender, Kind.PROPOSAL, 0, proposal_id(VALUE, -1))
    return dataclasses.replace(PROPOSAL, sender=sender, signature=signed)


def proposal_with_lock(pol_round: int) -> Message:
    return factory.proposal(COMMITTEE, round_=3, pol_round=pol_round)


def bare_prevote() -> Message:
    return dataclasses.replace(PREVOTE, work=None)


def swapped_groups() -> Message:
    first, *rest = MIXED.groups
    return dataclasses.replace(MIXED, groups=(*rest, first))


def repeated_group() -> Message:
    return dataclasses.replace(POLKA, groups=POLKA.groups * 2)


def double_voter() -> Message:
    return factory.round_certificate(COMMITTEE, sorted([(VALUE, (0, 2)), (NIL, (0, 1))]))


STRANGER_GROUP = dataclasses.replace(POLKA.groups[0], signers=(0, 1, 9))
BAD: dict[str, tuple[Message, str]] = {
    "proposal out of turn": (foreign_proposal(), "not the proposer"),
    "proposal of a stranger": (dataclasses.replace(PROPOSAL, sender=9), "not on the committee"),
    "proposal for another task": (dataclasses.replace(PROPOSAL, instance=InstanceId(8, 0)), "not for"),
    "proof of lock from now": (proposal_with_lock(3), "proof of lock"),
    "proof of lock from before all": (dataclasses.replace(PROPOSAL, pol_round=-2), "proof of lock"),
    "changed proof of lock": (dataclasses.replace(LATE_PROPOSAL, pol_round=0), "does not hold"),
    "another output": (dataclasses.replace(PROPOSAL, output=b"no!"), "not the one"),
    "a cut output": (dataclasses.replace(PROPOSAL, output=b"ye"), "2 bytes"),
    "proposal without a signature": (dataclasses.replace(PROPOSAL, signature=bytes(96)), "does not hold"),
    "vote of a stranger": (dataclasses.replace(PREVOTE, sender=9), "not on the committee"),
    "vote for another": (dataclasses.replace(PREVOTE, sender=1), "does not hold"),
    "vote in another round": (dataclasses.replace(PREVOTE, round=1), "does not hold"),
    "vote in no round": (dataclasses.replace(PREVOTE, round=MAX_ROUND + 1), "not a round"),
    "prevote as precommit": (
        dataclasses.replace(PREVOTE, kind=Kind.PRECOMMIT, work=None),
        "does not hold",
    ),
    "vote for another attempt": (dataclasses.replace(PREVOTE, instance=InstanceId(7, 1)), "not for"),
    "prevote without work": (bare_prevote(), "tag is missing"),
    "precommit with work": (dataclasses.replace(PRECOMMIT, work=PREVOTE.work), "none is due"),
    "nil with work": (dataclasses.replace(NIL_PREVOTE, work=PREVOTE.work), "none is due"),
    "somebody else's work": (
        dataclasses.replace(PREVOTE, work=factory.vote(COMMITTEE, 1).work),
        "does not hold",
    ),
    "a vote of no kind": (dataclasses.replace(PREVOTE, kind=Kind.OUTPUT), "not a kind of vote"),
    "groups out of order": (swapped_groups(), "ascending by value"),
    "a group twice": (repeated_group(), "ascending by value"),
    "a voter in two groups": (double_voter(), "two groups"),
    "a stranger in a group": (dataclasses.replace(POLKA, groups=(STRANGER_GROUP,)), "not on the committee"),
    "no groups": (dataclasses.replace(POLKA, groups=()), "not more than a third"),
    "one voter": (factory.round_certificate(COMMITTEE, [(VALUE, (0,))]), "not more than a third"),
    "a certificate of proposals": (dataclasses.replace(POLKA, kind=Kind.PROPOSAL), "not a kind of vote"),
    "a certificate of another kind": (dataclasses.replace(POLKA, kind=Kind.PRECOMMIT), "does not hold"),
    "a group with another's signature": (
        dataclasses.replace(
            MIXED,
            groups=(
                *MIXED.groups[:-1],
                dataclasses.replace(MIXED.groups[-1], signature=MIXED.groups[0].signature),
            ),
        ),
        "does not hold",
    ),
    "commit of too few": (factory.commit(COMMITTEE, (0, 1)), "two thirds"),
    "commit with another output": (dataclasses.replace(COMMIT, output=b"no!"), "not the one"),
    "commit of others": (
        dataclasses.replace(COMMIT, certificate=dataclasses.replace(COMMIT.certificate, signers=(0, 1, 3))),
        "does not hold",
    ),
    "report of a stranger": (dataclasses.replace(REPORT, sender=9), "not on the committee"),
    "report for another": (dataclasses.replace(REPORT, sender=0), "does not hold"),
    "report on another task": (dataclasses.replace(REPORT, instance=InstanceId(8, 0)), "not for"),
    "report of no chunk": (dataclasses.replace(REPORT, first_chunk=-2), "not a chunk"),
}


@pytest.mark.parametrize("message", GOOD, ids=lambda message: type(message).__name__)
def test_true_messages_are_verified(message: Message) -> None:
    assert verifier().verify(message) == Verified(message)


@pytest.mark.parametrize("name", BAD)
def test_false_messages_are_invalid(name: str) -> None:
    message, reason = BAD[name]
    found = verifier().verify(message)
    assert isinstance(found, Invalid)
    assert reason in found.reason


def test_a_batch_judges_each_on_its_own() -> None:
    mixture = [
        message for pair in zip(GOOD, (bad for bad, _ in BAD.values()), strict=False) for message in pair
    ]
    found = verifier().verify_many(mixture)
    assert [isinstance(each, Verified) for each in found] == [True, False] * len(GOOD)
    assert [each.message for each in found[::2]] == GOOD


def test_no_messages_are_fine() -> None:
    assert verifier().verify_many([]) == []


def test_the_cost_is_the_number_of_signatures() -> None:
    for message in GOOD:
        assert signature_cost(message) == len(verifier().claims(message))
    assert signature_cost(PREVOTE) == 2
    assert signature_cost(MIXED) == 3


def test_the_scope_must_be_the_committees() -> None:
    with pytest.raises(VerificationError, match="another committee"):
        MessageVerifier(SCOPE, factory.committee((2, 2, 2, 2)), Coefficients())


def test_another_scheme_can_take_over() -> None:
    class Sealed:
        """Accepts what carries one seal: what a simulation uses in place of pairings."""

        def aggregate(self, signatures: list[bytes]) -> bytes:
            return signatures[0]

        def fast_aggregate_verify(self, keys: list[bytes], message: bytes, signature: bytes) -> bool:
            return signature == b"seal"

        def find_bad(self, checks: list[SignatureCheck], rng: Coefficients) -> tuple[int, ...]:
            return tuple(i for i, check in enumerate(checks) if check.signature != b"seal")

    sealed = dataclasses.replace(PRECOMMIT, signature=b"seal", value_id=ValueId(b"\1" * 32))
    checker = MessageVerifier(SCOPE, COMMITTEE, Coefficients(), Sealed())
    assert checker.verify_many([sealed, PRECOMMIT]) == [
        Verified(sealed),
        Invalid("a signature does not hold"),
    ]


# --- nothing is checked twice ------------------------------------------------------------------------------


class Counting:
    """The real scheme; counts the claims it is asked about."""

    def __init__(self) -> None:
        self.asked = 0

    def aggregate(self, signatures: Sequence[bytes]) -> bytes:
        return bls.aggregate(signatures)

    def fast_aggregate_verify(self, keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
        return bls.fast_aggregate_verify(keys, message, signature)

    def find_bad(self, checks: Sequence[SignatureCheck], rng: Randomness) -> tuple[int, ...]:
        self.asked += len(checks)
        return bls.find_bad(checks, rng)


def counting() -> tuple[Counting, MessageVerifier]:
    scheme = Counting()
    return scheme, MessageVerifier(SCOPE, COMMITTEE, Coefficients(), scheme)


@pytest.mark.parametrize("message", GOOD, ids=lambda message: type(message).__name__)
def test_a_second_copy_needs_no_check(message: Message) -> None:
    scheme, checker = counting()
    assert checker.verify(message) == Verified(message)
    asked = scheme.asked
    assert checker.verify(message) == Verified(message)
    assert scheme.asked == asked > 0


def test_a_proof_made_of_known_votes_needs_no_check() -> None:
    scheme, checker = counting()
    votes = [factory.vote(COMMITTEE, sender, kind) for sender in (0, 1, 2) for kind in VOTE_KINDS]
    assert all(isinstance(each, Verified) for each in checker.verify_many(votes))
    scheme.asked = 0
    assert checker.verify_many([POLKA, COMMIT]) == [Verified(POLKA), Verified(COMMIT)]
    assert scheme.asked == 0


def test_own_votes_are_known_when_they_were_learnt() -> None:
    scheme, checker = counting()
    checker.learn(factory.vote(COMMITTEE, 0))
    assert checker.verify_many([factory.vote(COMMITTEE, 1), factory.vote(COMMITTEE, 2)])
    scheme.asked = 0
    assert checker.verify(POLKA) == Verified(POLKA)
    assert scheme.asked == 0


def test_a_proof_with_one_vote_unknown_is_checked() -> None:
    scheme, checker = counting()
    assert checker.verify_many([factory.vote(COMMITTEE, 0), factory.vote(COMMITTEE, 1)])
    scheme.asked = 0
    assert checker.verify(POLKA) == Verified(POLKA)
    assert scheme.asked == 1


@pytest.mark.parametrize("name", BAD)
def test_what_is_known_lets_nothing_false_through(name: str) -> None:
    _, checker = counting()
    votes = [factory.vote(COMMITTEE, sender, kind) for sender in range(4) for kind in VOTE_KINDS]
    assert all(isinstance(each, Verified) for each in checker.verify_many([*votes, *GOOD]))
    message, reason = BAD[name]
    for _ in range(2):
        found = checker.verify(message)
        assert isinstance(found, Invalid)
        assert reason in found.reason


def test_what_did_not_hold_is_not_known_afterwards() -> None:
    _, checker = counting()
    forged = dataclasses.replace(PREVOTE, signature=PRECOMMIT.signature)
    assert isinstance(checker.verify(forged), Invalid)
    assert checker.verify(PREVOTE) == Verified(PREVOTE)
    assert isinstance(checker.verify(forged), Invalid)


def test_known_signatures_are_bounded() -> None:
    known = KnownSignatures(Counting(), kept=2)
    checks = [SignatureCheck((bytes([n]),), b"m", b"s") for n in range(3)]
    for check in checks:
        known.learn(check)
    assert [known.holds(check) for check in checks] == [None, True, True]


def test_instances_are_checked_together_and_judged_apart() -> None:
    jobs: list[tuple[MessageVerifier, list[Message]]] = [
        (verifier(), [PREVOTE, BAD["vote for another"][0]]),
        (verifier(), []),
        (verifier(), [BAD["no groups"][0], POLKA]),
        (verifier(), [BAD["commit of others"][0]]),
    ]
    found = verify_together(jobs, Coefficients())
    assert [[isinstance(each, Verified) for each in one] for one in found] == [
        [True, False],
        [],
        [False, True],
        [False],
    ]
    scheme = Counting()
    assert verify_together([(one, messages[:1]) for one, messages in jobs[:1]], Coefficients(), scheme)
    assert scheme.asked == 0  # what was found together is known apart
