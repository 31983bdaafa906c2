"""What the driver joins: proposals that come before or after their votes, rounds that are skipped."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from consensus.driver import Driver, DriverOutput, Offer, RoundStarted, Validity
from consensus.messages import RoundCertificate, Vote, VoteGroup
from consensus.round_state import CastVote, Decide, Propose, ScheduleTimeout
from consensus.types import NIL, InstanceId, Kind, Step, ValueId
from consensus.vote_keeper import VoteKeeper

V, W = ValueId(b"v" * 32), ValueId(b"w" * 32)
INSTANCE = InstanceId(1, 0)


class Equal:
    """Four members of weight 1."""

    def weight_of(self, index: int) -> int:
        return 1 if 0 <= index < 4 else 0

    def quorum(self, weight: int) -> bool:
        return weight >= 3

    def weak_quorum(self, weight: int) -> bool:
        return weight >= 2


@dataclass
class Member:
    """A driver with surroundings that a test changes by hand."""

    own: ValueId = NIL
    proposes: frozenset[int] = frozenset()
    offers: dict[int, Offer] = field(default_factory=dict)
    known: set[ValueId] = field(default_factory=set)
    judged: dict[ValueId, Validity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.votes = VoteKeeper(Equal())
        self.driver = Driver(self.votes, self)

    def is_proposer(self, round_: int) -> bool:
        return round_ in self.proposes

    def own_value(self) -> ValueId:
        return self.own

    def validity(self, value: ValueId) -> Validity:
        return self.judged.get(value, Validity.VALID)

    def offer(self, round_: int) -> Offer | None:
        return self.offers.get(round_)

    def knows(self, value: ValueId) -> bool:
        return value in self.known

    def propose(self, round_: int, value: ValueId, pol_round: int = -1) -> tuple[DriverOutput, ...]:
        self.offers.setdefault(round_, Offer(value, pol_round))
        self.known.add(value)
        return self.driver.run()

    def vote(self, kind: Kind, round_: int, value: ValueId, *senders: int) -> tuple[DriverOutput, ...]:
        outputs: list[DriverOutput] = []
        for sender in senders:
            self.votes.add(Vote(INSTANCE, kind, round_, value, sender, b""), self.driver.state.round)
            outputs += self.driver.run()
        return tuple(outputs)

    def prevote(self, round_: int, value: ValueId, *senders: int) -> tuple[DriverOutput, ...]:
        return self.vote(Kind.PREVOTE, round_, value, *senders)

    def precommit(self, round_: int, value: ValueId, *senders: int) -> tuple[DriverOutput, ...]:
        return self.vote(Kind.PRECOMMIT, round_, value, *senders)


def prevotes(round_: int, value: ValueId) -> CastVote:
    return CastVote(Kind.PREVOTE, round_, value)


def precommits(round_: int, value: ValueId) -> CastVote:
    return CastVote(Kind.PRECOMMIT, round_, value)


def started(
    own: ValueId = NIL,
    proposes: frozenset[int] = frozenset(),
    judged: dict[ValueId, Validity] | None = None,
) -> Member:
    member = Member(own=own, proposes=proposes, judged=judged or {})
    member.driver.start()
    return member


def test_a_round_from_proposal_to_decision() -> None:
    member = Member(own=V, proposes=frozenset({0}))
    assert member.driver.start() == (RoundStarted(0), Propose(0, V, -1), ScheduleTimeout(Step.PROPOSE, 0))
    assert member.propose(0, V) == (prevotes(0, V),)
    assert member.prevote(0, V, 0, 1, 2) == (precommits(0, V),)
    assert member.precommit(0, V, 0, 1, 2) == (Decide(0, V),)
    assert member.driver.decided
    assert member.precommit(0, V, 3) == ()


def test_start_twice_is_start_once() -> None:
    member = started()
    assert member.driver.start() == ()


def test_a_proposal_after_its_polka_is_prevoted_and_locked() -> None:
    """Line 36 fires where the step allows it, in the same breath as line 22."""
    member = started()
    assert member.prevote(0, V, 0, 1, 2) == ()
    assert member.propose(0, V) == (prevotes(0, V), precommits(0, V))
    assert member.driver.state.locked_value == V


def test_a_proposal_after_its_precommits_is_decided_at_once() -> None:
    member = started()
    assert member.precommit(0, V, 0, 1, 2) == (ScheduleTimeout(Step.PRECOMMIT, 0),)
    assert member.propose(0, V) == (Decide(0, V),)


def test_a_decision_needs_no_start() -> None:
    member = Member()
    member.precommit(4, V, 0, 1, 2)
    assert member.propose(4, V) == (Decide(4, V),)
    assert member.driver.start() == ()


def test_what_came_before_the_start_is_taken_up() -> None:
    member = Member()
    member.propose(0, V)
    member.prevote(0, V, 0, 1, 2)
    assert member.driver.start() == (
        RoundStarted(0),
        ScheduleTimeout(Step.PROPOSE, 0),
        prevotes(0, V),
        precommits(0, V),
    )


def test_an_invalid_value_gets_nil() -> None:
    member = started(judged={V: Validity.INVALID})
    assert member.propose(0, V) == (prevotes(0, NIL),)


def test_an_unknown_validity_waits_for_the_timeout_only() -> None:
    member = started(judged={V: Validity.UNKNOWN})
    assert member.propose(0, V) == ()
    assert member.driver.timeout(Step.PROPOSE, 0) == (prevotes(0, NIL),)


def test_a_validity_that_becomes_known_is_voted_on() -> None:
    member = started(judged={V: Validity.UNKNOWN})
    member.propose(0, V)
    member.judged[V] = Validity.VALID
    assert member.driver.run() == (prevotes(0, V),)


def test_an_invalid_value_with_a_polka_is_locked_all_the_same() -> None:
    """The polka shows that honest members computed it (lines 36 to 43)."""
    member = started(judged={V: Validity.INVALID})
    member.propose(0, V)
    assert member.prevote(0, V, 0, 1, 2) == (precommits(0, V),)


def test_a_late_own_value_is_proposed_once() -> None:
    member = started(proposes=frozenset({0}))
    member.own = V
    assert member.driver.run() == (Propose(0, V, -1),)
    assert member.driver.run() == ()


def test_line_28_waits_for_the_polka_of_the_proof_of_lock_round() -> None:
    member = started()
    member.precommit(0, NIL, 0, 1, 2)
    member.driver.timeout(Step.PRECOMMIT, 0)
    assert member.propose(1, V, pol_round=0) == ()
    assert member.prevote(0, V, 0, 1, 2) == (prevotes(1, V),)


def test_line_28_takes_a_polka_that_came_whole() -> None:
    member = started()
    member.precommit(0, NIL, 0, 1, 2)
    member.driver.timeout(Step.PRECOMMIT, 0)
    member.propose(1, V, pol_round=0)
    polka = RoundCertificate(INSTANCE, Kind.PREVOTE, 0, (VoteGroup(V, (0, 1, 2), b""),))
    member.votes.add_certificate(polka, member.driver.state.round)
    assert member.driver.run() == (prevotes(1, V),)


def test_an_invalid_value_with_a_proof_of_lock_gets_nil_without_waiting() -> None:
    member = started(judged={V: Validity.INVALID})
    member.precommit(0, NIL, 0, 1, 2)
    member.driver.timeout(Step.PRECOMMIT, 0)
    assert member.propose(1, V, pol_round=0) == (prevotes(1, NIL),)


def test_lines_34_and_47_fire_once_a_round() -> None:
    member = started()
    member.driver.timeout(Step.PROPOSE, 0)
    assert member.prevote(0, V, 0) + member.prevote(0, W, 1) == ()
    assert member.prevote(0, NIL, 2) == (ScheduleTimeout(Step.PREVOTE, 0),)
    assert member.prevote(0, NIL, 3) == ()
    member.driver.timeout(Step.PREVOTE, 0)
    assert member.precommit(0, NIL, 0, 1, 2, 3) == (ScheduleTimeout(Step.PRECOMMIT, 0),)


def test_line_44_after_a_nil_prevote() -> None:
    member = started()
    member.driver.timeout(Step.PROPOSE, 0)
    assert member.prevote(0, NIL, 0, 1, 2) == (precommits(0, NIL),)


def test_line_42_makes_a_valid_value_that_is_proposed_later() -> None:
    member = started(own=W, proposes=frozenset({1}))
    member.driver.timeout(Step.PROPOSE, 0)
    member.prevote(0, NIL, 3)
    member.prevote(0, V, 0, 1)
    member.driver.timeout(Step.PREVOTE, 0)
    assert member.propose(0, V) == ()
    assert member.prevote(0, V, 2) == ()
    assert (member.driver.state.valid_value, member.driver.state.locked_round) == (V, -1)
    member.precommit(0, NIL, 0, 1, 2)
    outputs = member.driver.timeout(Step.PRECOMMIT, 0)
    assert outputs == (RoundStarted(1), Propose(1, V, 0), ScheduleTimeout(Step.PROPOSE, 1))


def test_a_skip_goes_to_the_highest_round_and_answers_its_proposal() -> None:
    member = started()
    member.offers[6] = Offer(V, -1)
    member.known.add(V)
    member.prevote(4, NIL, 0)
    member.precommit(6, NIL, 0)
    outputs = member.prevote(6, V, 1)
    assert outputs == (RoundStarted(6), ScheduleTimeout(Step.PROPOSE, 6), prevotes(6, V))


def test_no_skip_before_the_start() -> None:
    member = Member()
    assert member.prevote(6, NIL, 0, 1) == ()
    assert RoundStarted(6) in member.driver.start()


@pytest.mark.parametrize("step", [Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT])
def test_a_timer_of_a_round_left_behind_changes_nothing(step: Step) -> None:
    member = started()
    member.prevote(3, NIL, 0, 1)
    before = member.driver.state
    assert member.driver.timeout(step, 0) == ()
    assert member.driver.state == before


def test_the_order_of_arrival_does_not_matter() -> None:
    """Whatever comes first, the same votes are cast and the same value is decided."""
    pieces = ["proposal", "prevotes", "precommits", "start"]
    for order in itertools.permutations(pieces):
        member = Member()
        outputs: list[DriverOutput] = []
        for piece in order:
            match piece:
                case "proposal":
                    outputs += member.propose(0, V)
                case "prevotes":
                    outputs += member.prevote(0, V, 0, 1, 2)
                case "precommits":
                    outputs += member.precommit(0, V, 0, 1, 2)
                case _:
                    outputs += member.driver.start()
        assert outputs.count(Decide(0, V)) == 1
        for output in outputs:
            assert not isinstance(output, CastVote) or output.value == V
