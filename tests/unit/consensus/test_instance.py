"""The rules an instance adds to the algorithm, each from inputs to effects."""

from __future__ import annotations

import pytest

from consensus import bls
from consensus.certificate import verify_certificate
from consensus.effects import (
    Decided,
    Effect,
    EnteredRound,
    Equivocation,
    ExecutionTimeout,
    FalseWorkTag,
    Input,
    Publish,
    RebroadcastDue,
    Received,
    SetTimer,
    SignDivergence,
    SignProposal,
    SignVote,
    TimerFired,
    Verified,
    WrongOutput,
)
from consensus.instance import Instance, RebroadcastPolicy
from consensus.messages import Commit, DivergenceReport, Proposal, RoundCertificate, Vote
from consensus.types import MAX_ROUND, NIL, InstanceId, Kind, Step
from tests.sim.world import SCHEME, World, own_result, value_of
from tests.unit.consensus import factory

RIGHT, WRONG = b"right", b"wrong"
RESULT = own_result(RIGHT)
WORLD = World((1, 1, 1, 1), seed=3)
PROPOSER = WORLD.committee.proposer(0)
OTHERS = [index for index in range(4) if index != PROPOSER]
OWN = OTHERS[0]  # the member under test, unless a test says otherwise


def received(message: Proposal | Vote | RoundCertificate | Commit) -> Received:
    match message:
        case Proposal():
            return Received(Verified(message))
        case Vote():
            return Received(Verified(message))
        case RoundCertificate():
            return Received(Verified(message))
        case Commit():
            return Received(Verified(message))


class Member:
    """An instance, and all its effects so far."""

    def __init__(
        self, own: int | None = OWN, world: World = WORLD, policy: RebroadcastPolicy | None = None
    ) -> None:
        self.world = world
        self.instance = Instance(world.committee, world.scope, own, policy, SCHEME)
        self.effects: list[Effect] = []

    def feed(self, *events: Input | Proposal | Vote | RoundCertificate | Commit) -> list[Effect]:
        fresh: list[Effect] = []
        for event in events:
            if isinstance(event, Proposal | Vote | RoundCertificate | Commit):
                fresh += self.instance.apply(received(event))
            else:
                fresh += self.instance.apply(event)
        self.effects += fresh
        return fresh


def prevotes(output: bytes | None, *senders: int, round_: int = 0) -> list[Vote]:
    return [WORLD.prevote(round_, output, sender) for sender in senders]


def precommits(output: bytes | None, *senders: int, round_: int = 0) -> list[Vote]:
    return [WORLD.precommit(round_, output, sender) for sender in senders]


def published(effects: list[Effect]) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, Publish)]


def prevote_for(output: bytes | None, round_: int = 0) -> SignVote:
    return SignVote(Kind.PREVOTE, round_, NIL if output is None else value_of(output))


def precommit_for(output: bytes | None, round_: int = 0) -> SignVote:
    return SignVote(Kind.PRECOMMIT, round_, NIL if output is None else value_of(output))


class TestEntering:
    def test_the_own_result_enters_round_0(self) -> None:
        assert Member().feed(RESULT) == [EnteredRound(0, PROPOSER), SetTimer(Step.PROPOSE, 0)]

    def test_so_does_the_execution_deadline(self) -> None:
        assert Member().feed(ExecutionTimeout()) == [EnteredRound(0, PROPOSER), SetTimer(Step.PROPOSE, 0)]

    def test_only_the_first_own_result_counts(self) -> None:
        member = Member()
        assert member.feed(RESULT, own_result(WRONG))[2:] == []
        assert prevote_for(RIGHT) in member.feed(WORLD.proposal(0, RIGHT))

    def test_the_proposer_offers_its_result(self) -> None:
        effects = Member(PROPOSER).feed(RESULT)
        assert SignProposal(0, -1, RESULT.result, RIGHT) in effects

    def test_a_proposer_without_a_result_offers_it_when_it_comes(self) -> None:
        member = Member(PROPOSER)
        assert not any(isinstance(effect, SignProposal) for effect in member.feed(ExecutionTimeout()))
        assert member.feed(RESULT) == [SignProposal(0, -1, RESULT.result, RIGHT)]

    def test_messages_from_before_are_taken_up(self) -> None:
        member = Member()
        assert member.feed(WORLD.proposal(0, RIGHT), *prevotes(RIGHT, *OTHERS)) == []
        effects = member.feed(RESULT)
        assert [effect for effect in effects if isinstance(effect, SignVote)] == [
            prevote_for(RIGHT),
            precommit_for(RIGHT),
        ]


class TestPrevoting:
    def test_the_own_value(self) -> None:
        assert prevote_for(RIGHT) in Member().feed(RESULT, WORLD.proposal(0, RIGHT))

    def test_another_value_gets_nil_and_one_divergence_report(self) -> None:
        member = Member()
        effects = member.feed(RESULT, WORLD.proposal(0, WRONG))
        assert effects[-2:] == [prevote_for(None), SignDivergence(RESULT.result)]
        later = member.feed(
            *precommits(None, *range(4)), TimerFired(Step.PRECOMMIT, 0), WORLD.proposal(1, WRONG)
        )
        assert prevote_for(None, 1) in later
        assert sum(isinstance(effect, SignDivergence) for effect in member.effects) == 1

    def test_without_an_own_result_it_waits_until_the_propose_timeout(self) -> None:
        member = Member()
        assert member.feed(ExecutionTimeout(), WORLD.proposal(0, RIGHT))[2:] == []
        assert member.feed(TimerFired(Step.PROPOSE, 0)) == [prevote_for(None)]

    def test_an_own_result_that_comes_in_time_is_used(self) -> None:
        member = Member()
        member.feed(ExecutionTimeout(), WORLD.proposal(0, RIGHT))
        assert member.feed(RESULT) == [prevote_for(RIGHT)]

    def test_an_own_result_that_comes_late_is_used_in_the_next_round(self) -> None:
        member = Member()
        member.feed(ExecutionTimeout(), TimerFired(Step.PROPOSE, 0), RESULT)
        effects = member.feed(
            *precommits(None, *range(4)), TimerFired(Step.PRECOMMIT, 0), WORLD.proposal(1, RIGHT)
        )
        assert any(effect == prevote_for(RIGHT, 1) or isinstance(effect, SignProposal) for effect in effects)

    def test_an_own_vote_does_not_count_before_it_comes_back(self) -> None:
        member = Member()
        others = [index for index in range(4) if index != OWN]
        member.feed(RESULT, WORLD.proposal(0, RIGHT))
        assert precommit_for(RIGHT) not in member.feed(*prevotes(RIGHT, *others[:2]))
        assert precommit_for(RIGHT) in member.feed(*prevotes(RIGHT, OWN))


class TestLocking:
    def test_a_polka_locks_also_what_the_own_result_is_not(self) -> None:
        member = Member()
        member.feed(own_result(WRONG), WORLD.proposal(0, RIGHT))
        effects = member.feed(*prevotes(RIGHT, *[i for i in range(4) if i != OWN]))
        assert precommit_for(RIGHT) in effects

    def test_locking_publishes_proposal_and_polka(self) -> None:
        member, votes = Member(), prevotes(RIGHT, 0, 1, 2)
        member.feed(RESULT, WORLD.proposal(0, RIGHT))
        assert published(member.feed(*votes)) == [WORLD.proposal(0, RIGHT), WORLD.certificate(votes)]

    def test_the_policy_may_keep_that_for_the_rebroadcast(self) -> None:
        member, votes = Member(policy=RebroadcastPolicy(polka_on_lock=False)), prevotes(RIGHT, 0, 1, 2)
        assert published(member.feed(RESULT, WORLD.proposal(0, RIGHT), *votes)) == []
        assert WORLD.certificate(votes) in published(member.feed(RebroadcastDue()))

    def test_a_polka_enters_whole_past_an_equivocator(self) -> None:
        """Two of three voters told this member something else first; the certificate still locks."""
        member = Member()
        member.feed(RESULT, WORLD.proposal(0, RIGHT), *prevotes(WRONG, 0, 1))
        assert precommit_for(RIGHT) in member.feed(WORLD.certificate(prevotes(RIGHT, 0, 1, 2)))


class TestWorkTags:
    FALSE = WORLD.vote(Kind.PREVOTE, 0, value_of(RIGHT), PROPOSER, b"?" * 32)

    def expect(self, effects: list[Effect]) -> None:
        found = [effect for effect in effects if isinstance(effect, FalseWorkTag)]
        tag = WORLD.prevote(0, RIGHT, PROPOSER).work
        assert tag is not None
        assert found == [FalseWorkTag(self.FALSE, tag.tag)]

    def test_a_false_one_is_reported_once_and_counts_for_nothing(self) -> None:
        member = Member()
        member.feed(RESULT, WORLD.proposal(0, RIGHT))
        effects = member.feed(self.FALSE, self.FALSE, *prevotes(RIGHT, *OTHERS[:2]))
        self.expect(effects)
        assert precommit_for(RIGHT) not in effects
        assert precommit_for(RIGHT) in member.feed(*prevotes(RIGHT, OTHERS[2]))

    def test_one_from_before_the_own_result_is_found_when_it_comes(self) -> None:
        member = Member()
        assert member.feed(WORLD.proposal(0, RIGHT), self.FALSE, *prevotes(RIGHT, *OTHERS[:2])) == []
        effects = member.feed(RESULT)
        self.expect(effects)
        assert precommit_for(RIGHT) not in effects

    def test_its_precommits_do_not_count_either(self) -> None:
        member = Member()
        member.feed(RESULT, WORLD.proposal(0, RIGHT), self.FALSE)
        member.feed(*precommits(RIGHT, PROPOSER, *OTHERS[:2]))
        assert member.instance.decided is None
        effects = member.feed(*precommits(RIGHT, OTHERS[2]))
        decided = next(effect for effect in effects if isinstance(effect, Decided))
        assert decided.certificate.signers == tuple(OTHERS)

    def test_a_certificate_with_its_vote_is_taken(self) -> None:
        member = Member()
        member.feed(RESULT, WORLD.proposal(0, RIGHT), self.FALSE)
        effects = member.feed(WORLD.certificate([self.FALSE, *prevotes(RIGHT, *OTHERS[:2])]))
        assert precommit_for(RIGHT) in effects

    def test_a_value_that_is_not_the_own_cannot_be_checked(self) -> None:
        member = Member()
        member.feed(own_result(WRONG), WORLD.proposal(0, RIGHT), self.FALSE)
        assert precommit_for(RIGHT) in member.feed(*prevotes(RIGHT, *OTHERS[:2]))

    def test_a_prevote_without_its_tag_is_nothing(self) -> None:
        member = Member()
        bare = Vote(WORLD.scope.instance, Kind.PREVOTE, 0, value_of(RIGHT), PROPOSER, b"")
        member.feed(RESULT, WORLD.proposal(0, RIGHT), bare, *prevotes(RIGHT, *OTHERS[:2]))
        assert precommit_for(RIGHT) not in member.effects
        assert precommit_for(RIGHT) in member.feed(*prevotes(RIGHT, PROPOSER))


class TestDeciding:
    def test_the_certificate_names_who_precommitted(self) -> None:
        member = Member()
        member.feed(RESULT, WORLD.proposal(0, RIGHT), *precommits(RIGHT, 3, 0))
        effects = member.feed(*precommits(RIGHT, 1))
        certificate = WORLD.commit(0, RIGHT, [0, 1, 3]).certificate
        assert effects == [Decided(certificate, RIGHT)]
        verify_certificate(certificate, WORLD.scope, WORLD.committee, SCHEME)

    def test_real_signatures_make_a_real_certificate(self) -> None:
        committee = factory.committee((1, 1, 1, 1))
        instance = Instance(committee, factory.scope(committee), None)
        proposal = factory.proposal(committee)
        votes = [factory.vote(committee, sender, Kind.PRECOMMIT) for sender in range(3)]
        effects = list(instance.apply(received(proposal)))
        for vote in votes:
            effects += instance.apply(received(vote))
        decided = next(effect for effect in effects if isinstance(effect, Decided))
        verify_certificate(decided.certificate, factory.scope(committee), committee, bls.SCHEME)

    def test_before_entering(self) -> None:
        member = Member()
        effects = member.feed(WORLD.proposal(0, RIGHT), *precommits(RIGHT, 0, 1, 2))
        assert [type(effect) for effect in effects] == [Decided]
        assert member.feed(ExecutionTimeout(), TimerFired(Step.PROPOSE, 0)) == []

    def test_the_own_result_is_enough_to_know_the_value(self) -> None:
        member = Member()
        member.feed(RESULT)
        assert any(isinstance(effect, Decided) for effect in member.feed(*precommits(RIGHT, 0, 1, 2)))

    def test_precommits_without_the_result_wait_for_it(self) -> None:
        member = Member()
        member.feed(ExecutionTimeout(), *precommits(RIGHT, 0, 1, 2))
        assert member.instance.decided is None
        assert any(isinstance(effect, Decided) for effect in member.feed(WORLD.proposal(0, RIGHT)))

    def test_a_commit_decides_by_itself_and_once(self) -> None:
        member, commit = Member(), WORLD.commit(2, RIGHT, [0, 1, 2])
        assert member.feed(commit, commit) == [Decided(commit.certificate, RIGHT)]
        assert member.instance.decided == commit

    def test_a_round_certificate_of_precommits_decides(self) -> None:
        member = Member()
        votes = precommits(RIGHT, 0, 1, 2, round_=1)
        member.feed(RESULT, WORLD.certificate(votes))
        assert member.instance.decided == WORLD.commit(1, RIGHT, [0, 1, 2])

    def test_wrong_values_in_hand_are_reported_once_a_member(self) -> None:
        member = Member()
        guilty = WORLD.committee.proposer(0)
        vote = WORLD.prevote(0, WRONG, guilty)
        member.feed(RESULT, WORLD.proposal(0, WRONG), vote)
        commit = WORLD.commit(1, RIGHT, OTHERS)
        effects = member.feed(commit)
        wrong = [effect for effect in effects if isinstance(effect, WrongOutput)]
        assert wrong == [WrongOutput(WORLD.proposal(0, WRONG), commit.certificate)]
        assert member.feed(WORLD.prevote(1, WRONG, guilty)) == []

    def test_a_wrong_value_that_comes_later_is_reported_too(self) -> None:
        member, commit = Member(), WORLD.commit(0, RIGHT, [0, 1, 2])
        vote = WORLD.prevote(0, WRONG, 3)
        assert member.feed(RESULT, commit, vote)[-1] == WrongOutput(vote, commit.certificate)

    def test_nil_is_not_wrong_nor_is_a_proposal_bound_by_a_polka(self) -> None:
        member = Member()
        bound = WORLD.proposal(1, WRONG, pol_round=0)
        effects = member.feed(RESULT, bound, *prevotes(None, 0), WORLD.commit(0, RIGHT, [0, 1, 2]))
        assert not any(isinstance(effect, WrongOutput) for effect in effects)

    def test_an_own_result_that_was_outvoted_is_a_divergence(self) -> None:
        effects = Member().feed(WORLD.commit(0, RIGHT, [0, 1, 2]), own_result(WRONG))
        assert effects[-1] == SignDivergence(own_result(WRONG).result)


class TestEquivocation:
    def test_two_votes(self) -> None:
        first, second = prevotes(RIGHT, 2)[0], prevotes(None, 2)[0]
        assert Member().feed(first, second, second) == [Equivocation(first, second)]

    def test_two_proposals_and_either_may_be_locked(self) -> None:
        member = Member()
        first, second = WORLD.proposal(0, WRONG), WORLD.proposal(0, RIGHT)
        effects = member.feed(RESULT, first, second)
        assert Equivocation(first, second) in effects
        assert prevote_for(None) in effects
        assert precommit_for(RIGHT) in member.feed(*prevotes(RIGHT, 0, 1, 2))

    def test_the_proof_of_lock_round_is_signed_too(self) -> None:
        member = Member()
        first, second = WORLD.proposal(1, RIGHT), WORLD.proposal(1, RIGHT, pol_round=0)
        assert Equivocation(first, second) in member.feed(first, second)

    def test_a_third_proposal_is_kept_only_if_it_has_a_quorum(self) -> None:
        member = Member()
        member.feed(
            RESULT, WORLD.proposal(0, WRONG), WORLD.proposal(0, b"other"), WORLD.proposal(0, b"third")
        )
        member.feed(*(WORLD.prevote(0, b"third", i) for i in range(3)))
        assert precommit_for(b"third") not in member.effects
        assert precommit_for(b"third") in member.feed(WORLD.proposal(0, b"third"))


class TestRebroadcast:
    def test_nothing_before_entering(self) -> None:
        assert Member().feed(RebroadcastDue()) == []

    def test_the_own_messages_of_the_round_once_they_came_back(self) -> None:
        member = Member(PROPOSER)
        proposal, prevote = WORLD.proposal(0, RIGHT), WORLD.prevote(0, RIGHT, PROPOSER)
        member.feed(RESULT, proposal, prevote)
        assert member.feed(RebroadcastDue()) == [Publish(proposal), Publish(prevote)]

    def test_what_did_not_come_back_is_asked_for_again(self) -> None:
        member = Member()
        member.feed(RESULT, WORLD.proposal(0, RIGHT))
        assert member.feed(RebroadcastDue()) == [prevote_for(RIGHT)]

    def test_a_vote_of_an_earlier_life_is_said_again_instead(self) -> None:
        member, earlier = Member(), WORLD.prevote(0, None, OWN)
        member.feed(RESULT, WORLD.proposal(0, RIGHT), earlier)
        assert member.feed(RebroadcastDue()) == [Publish(earlier)]

    def test_the_lock_goes_with_it_in_later_rounds(self) -> None:
        member, votes = Member(), prevotes(RIGHT, 0, 1, 2)
        member.feed(RESULT, WORLD.proposal(0, RIGHT), *votes)
        member.feed(*precommits(None, *range(4)), TimerFired(Step.PRECOMMIT, 0))
        again = published(member.feed(RebroadcastDue()))
        assert WORLD.proposal(0, RIGHT) in again
        assert WORLD.certificate(votes) in again
        assert WORLD.certificate(precommits(None, *range(4))) in again

    def test_entering_a_round_publishes_the_precommits_that_ended_the_last(self) -> None:
        member = Member()
        votes = [*precommits(RIGHT, 0, 1), *precommits(None, 2)]
        member.feed(RESULT, *votes)
        assert published(member.feed(TimerFired(Step.PRECOMMIT, 0))) == [WORLD.certificate(votes)]

    def test_skipping_publishes_the_weak_quorum(self) -> None:
        member, votes = Member(), prevotes(None, 0, 3, round_=5)
        member.feed(RESULT)
        effects = member.feed(*votes)
        assert EnteredRound(5, WORLD.committee.proposer(5)) in effects
        assert published(effects) == [WORLD.certificate(votes)]

    def test_a_weak_quorum_of_both_kinds_is_published_vote_by_vote(self) -> None:
        member = Member()
        votes = [*prevotes(None, 0, round_=5), *precommits(None, 3, round_=5)]
        member.feed(RESULT)
        assert published(member.feed(*votes)) == votes

    def test_a_certificate_that_came_whole_is_passed_on(self) -> None:
        member, whole = Member(), WORLD.certificate(prevotes(None, 0, 3, round_=5))
        member.feed(RESULT)
        assert published(member.feed(whole)) == [whole]

    def test_a_quorum_that_came_whole_ends_a_round_without_the_single_votes(self) -> None:
        member, whole = Member(), WORLD.certificate(precommits(None, 0, 1, 2))
        member.feed(RESULT, whole, *precommits(None, 3))
        assert published(member.feed(TimerFired(Step.PRECOMMIT, 0))) == [whole]

    def test_parts_that_only_together_end_a_round_are_all_published(self) -> None:
        member, part, vote = Member(), WORLD.certificate(precommits(None, 0, 1)), precommits(None, 2)[0]
        assert SetTimer(Step.PRECOMMIT, 0) in member.feed(RESULT, part, vote)
        assert published(member.feed(TimerFired(Step.PRECOMMIT, 0))) == [part, vote]

    def test_the_commit_and_nothing_else_after_the_decision(self) -> None:
        member, commit = Member(), WORLD.commit(0, RIGHT, [0, 1, 2])
        member.feed(RESULT, WORLD.proposal(0, RIGHT), commit)
        assert member.feed(RebroadcastDue()) == [Publish(commit)]
        assert member.instance.messages() == (commit,)

    def test_who_votes_in_a_later_round_is_told_a_few_times(self) -> None:
        member, commit = Member(), WORLD.commit(0, RIGHT, [0, 1, 2])
        member.feed(RESULT, commit)
        assert member.feed(*prevotes(None, 3)) == []
        effects = [effect for r in range(1, 10) for effect in member.feed(*prevotes(None, 3, round_=r))]
        assert effects == [Publish(commit)] * RebroadcastPolicy().commits_per_member


class TestObserver:
    def test_it_follows_and_decides_and_signs_nothing(self) -> None:
        member = Member(own=None)
        member.feed(WORLD.proposal(0, RIGHT), *prevotes(RIGHT, *range(4)), RebroadcastDue())
        member.feed(*prevotes(None, 0, 1, round_=3), *precommits(RIGHT, 0, 1, 2))
        kinds = {type(effect) for effect in member.effects}
        assert kinds == {EnteredRound, Decided}
        assert EnteredRound(3, WORLD.committee.proposer(3)) in member.effects


class TestStrangeMessages:
    """Nothing a peer sends raises, and nothing out of place counts."""

    def test_another_instance(self) -> None:
        other = InstanceId(99, 0)
        proposal, vote = WORLD.proposal(0, RIGHT), prevotes(RIGHT, 0)[0]
        commit, polka = WORLD.commit(0, RIGHT, [0, 1, 2]), WORLD.certificate(prevotes(RIGHT, 0, 1, 2))
        certificate = commit.certificate
        strange: list[Proposal | Vote | RoundCertificate | Commit] = [
            Proposal(other, 0, -1, proposal.result, RIGHT, proposal.sender, b""),
            Vote(other, vote.kind, 0, vote.value_id, 0, b"", vote.work),
            RoundCertificate(other, polka.kind, 0, polka.groups),
            Commit(type(certificate)(other, 0, certificate.result, (0, 1, 2), b""), RIGHT),
        ]
        member = Member()
        member.feed(RESULT)
        assert member.feed(*strange) == []
        assert member.instance.status().rounds == ()

    def test_out_of_place(self) -> None:
        here, result = WORLD.scope.instance, RESULT.result
        strange: list[Proposal | Vote] = [
            Proposal(here, 0, -1, result, RIGHT, OTHERS[0], b""),  # not the proposer
            Proposal(here, 0, 0, result, RIGHT, PROPOSER, b""),  # proof of lock in its own round
            Proposal(here, -1, -1, result, RIGHT, PROPOSER, b""),
            Proposal(here, MAX_ROUND + 1, -1, result, RIGHT, PROPOSER, b""),
            Vote(here, Kind.PREVOTE, 0, NIL, 77, b""),  # a stranger
            Vote(here, Kind.PREVOTE, -1, NIL, 0, b""),
            Vote(here, Kind.PREVOTE, MAX_ROUND + 1, NIL, 0, b""),
            Vote(here, Kind.COMMITMENT, 0, NIL, 0, b""),
        ]
        member = Member()
        member.feed(RESULT)
        assert member.feed(*strange) == []
        assert member.instance.status().rounds == ()

    def test_timers_that_make_no_sense(self) -> None:
        member = Member()
        assert member.feed(TimerFired(Step.COMMIT, 0), TimerFired(Step.PREVOTE, 0)) == []
        member.feed(RESULT)
        assert member.feed(TimerFired(Step.UNSTARTED, 0), TimerFired(Step.PRECOMMIT, 9)) == []

    def test_far_proposals_of_one_proposer_are_few(self) -> None:
        member = Member()
        rounds = [r for r in range(1, 400) if WORLD.committee.proposer(r) == PROPOSER]
        member.feed(RESULT, *(WORLD.proposal(r, b"%d" % r) for r in rounds))
        held = [tally for tally in member.instance.status().rounds if tally.proposed]
        assert [tally.round for tally in held] == rounds[-4:]


def test_status_says_who_proposed_and_what_was_voted() -> None:
    member = Member()
    member.feed(RESULT, WORLD.proposal(0, RIGHT), *prevotes(RIGHT, 0, 1), *prevotes(None, 2))
    status = member.instance.status()
    assert (status.round, status.step, status.own_value) == (0, Step.PREVOTE, value_of(RIGHT))
    assert (status.locked_value, status.decided_value, status.total_weight) == (None, None, 4)
    (tally,) = status.rounds
    assert (tally.proposer, tally.proposed) == (PROPOSER, (value_of(RIGHT),))
    assert dict(tally.prevotes) == {value_of(RIGHT): 2, NIL: 1}


def test_messages_bring_a_peer_to_the_same_state() -> None:
    """A fresh member that takes what this one hands out locks and enters the same round."""
    member = Member()
    member.feed(RESULT, WORLD.proposal(0, RIGHT), *prevotes(RIGHT, 0, 1, 2))
    member.feed(*precommits(None, *range(4)), TimerFired(Step.PRECOMMIT, 0), *prevotes(None, 3, round_=1))
    peer = Member(own=OTHERS[1])
    peer.feed(RESULT)
    for message in member.instance.messages():
        assert not isinstance(message, DivergenceReport)
        peer.feed(message)
    peer.feed(TimerFired(Step.PRECOMMIT, 0))
    mine, theirs = member.instance.status(), peer.instance.status()
    assert (theirs.round, theirs.locked_value) == (mine.round, mine.locked_value) == (1, value_of(RIGHT))
    assert theirs.rounds == mine.rounds


def test_a_replay_gives_the_same_effects() -> None:
    events: list[Input] = [
        received(WORLD.proposal(0, RIGHT)),
        RESULT,
        *map(received, prevotes(RIGHT, *range(4))),
        RebroadcastDue(),
        *map(received, precommits(None, *range(4))),
        TimerFired(Step.PRECOMMIT, 0),
        received(WORLD.commit(1, RIGHT, [0, 1, 2])),
    ]
    first, second = Member().instance, Member().instance
    assert [first.apply(event) for event in events] == [second.apply(event) for event in events]
    assert first.status() == second.status()


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (5, 1, 1)])
def test_small_and_uneven_committees(weights: tuple[int, ...]) -> None:
    world = World(weights)
    proposer = world.committee.proposer(0)
    member = Member(proposer, world)
    everyone = range(len(weights))
    member.feed(RESULT, world.proposal(0, RIGHT), *(world.prevote(0, RIGHT, i) for i in everyone))
    member.feed(*(world.precommit(0, RIGHT, i) for i in everyone))
    assert member.instance.decided is not None


class TestCollectors:
    """Where votes go to some members first, and others hear what these make of them."""

    collects = RebroadcastPolicy(polka_on_lock=False, polka_on_quorum=True, commit_on_decision=True)

    def test_a_collector_says_which_polka_it_has_whatever_its_own_step(self) -> None:
        slow = Member(policy=self.collects)  # it has no result of its own yet
        assert published(slow.feed(*prevotes(RIGHT, 0, 1))) == []
        votes = prevotes(RIGHT, 0, 1, 2)
        (polka,) = published(slow.feed(votes[2]))
        assert polka == WORLD.certificate(votes)
        assert published(slow.feed(*prevotes(RIGHT, 3))) == []

    def test_others_say_nothing_of_it(self) -> None:
        assert published(Member().feed(*prevotes(RIGHT, 0, 1, 2, 3))) == []

    def test_a_collector_says_what_it_decides_and_not_what_it_was_told(self) -> None:
        member = Member(policy=self.collects)
        said = published(member.feed(WORLD.proposal(0, RIGHT), *precommits(RIGHT, 0, 1, 2)))
        assert said == [WORLD.commit(0, RIGHT, (0, 1, 2))]
        told = Member(policy=self.collects)
        assert published(told.feed(WORLD.commit(0, RIGHT, (0, 1, 2)))) == []

    def test_what_a_vote_is_for(self) -> None:
        member = Member()
        prevote, precommit = prevotes(RIGHT, OWN)[0], precommits(RIGHT, OWN)[0]
        member.feed(RESULT, WORLD.proposal(0, RIGHT))
        assert member.instance.awaits(prevote)
        member.feed(WORLD.certificate(prevotes(RIGHT, 0, 1, 2)))
        assert not member.instance.awaits(prevote)
        assert member.instance.awaits(precommit)
        member.feed(WORLD.commit(0, RIGHT, (0, 1, 2)))
        assert not member.instance.awaits(precommit)

    def test_with_more_than_a_third_for_nil_there_is_nothing_to_wait_for(self) -> None:
        member = Member()
        member.feed(*prevotes(None, 0))
        assert not member.instance.divided
        member.feed(*prevotes(None, 1))
        assert member.instance.divided

    @pytest.mark.parametrize("whole_first", [True, False])
    def test_a_vote_against_a_certificate_is_shown_to_who_has_the_other_one(self, whole_first: bool) -> None:
        guilty = OTHERS[-1]
        one, other = prevotes(RIGHT, guilty)[0], prevotes(WRONG, guilty)[0]
        polka = WORLD.certificate([*prevotes(RIGHT, *[m for m in range(4) if m != guilty][:2]), one])
        member = Member()
        heard = [polka, other] if whole_first else [other, polka]
        assert published(member.feed(*heard)) == [other]
        assert published(member.feed(*heard)) == []  # once
        witness = Member(own=PROPOSER)
        witness.feed(one)
        assert Equivocation(one, other) in witness.feed(other)

    def test_a_precommit_against_the_commit_is_shown_too(self) -> None:
        guilty = OTHERS[-1]
        signers = tuple(sorted([*[m for m in range(4) if m != guilty][:2], guilty]))
        (other,) = precommits(WRONG, guilty)
        member = Member()
        member.feed(other)
        assert published(member.feed(WORLD.commit(0, RIGHT, signers))) == [other]
        late = Member()
        late.feed(WORLD.commit(0, RIGHT, signers))
        assert published(late.feed(other)) == [other]

    def test_who_voted_as_certified_is_not_shown(self) -> None:
        member = Member()
        votes = prevotes(RIGHT, 0, 1, 2)
        assert published(member.feed(*votes, WORLD.certificate(votes), *precommits(RIGHT, 0, 1))) == []
        assert published(member.feed(WORLD.commit(0, RIGHT, (0, 1, 2)))) == []
