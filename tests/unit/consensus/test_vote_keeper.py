from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from consensus.messages import RoundCertificate, Vote, VoteGroup
from consensus.types import MAX_ROUND, NIL, InstanceId, Kind, ValueId
from consensus.vote_keeper import FUTURE_ROUNDS, PAST_ROUNDS, Threshold, ThresholdKind, VoteKeeper

V, W = ValueId(b"v" * 32), ValueId(b"w" * 32)
INSTANCE = InstanceId(1, 0)


class Electorate:
    def __init__(self, *weights: int) -> None:
        self.weights = weights

    def weight_of(self, index: int) -> int:
        return self.weights[index] if 0 <= index < len(self.weights) else 0

    def quorum(self, weight: int) -> bool:
        return 3 * weight > 2 * sum(self.weights)

    def weak_quorum(self, weight: int) -> bool:
        return 3 * weight > sum(self.weights)


def vote(sender: int, value: ValueId = V, kind: Kind = Kind.PREVOTE, round_: int = 0) -> Vote:
    return Vote(INSTANCE, kind, round_, value, sender, b"")


def certificate(
    *groups: tuple[ValueId, tuple[int, ...]], kind: Kind = Kind.PREVOTE, round_: int = 0
) -> RoundCertificate:
    made = tuple(VoteGroup(value, signers, b"") for value, signers in groups)
    return RoundCertificate(INSTANCE, kind, round_, made)


def keeper(*weights: int) -> VoteKeeper:
    return VoteKeeper(Electorate(*(weights or (1, 1, 1, 1))))


def feed(of: VoteKeeper, *votes: Vote, current: int = 0) -> list[Threshold]:
    return [threshold for one in votes for threshold in of.add(one, current).thresholds]


class TestThresholds:
    def test_exactly_two_thirds_are_not_enough(self) -> None:
        of = keeper(1, 1, 1)
        assert feed(of, vote(0), vote(1)) == []
        assert feed(of, vote(2)) == [Threshold(ThresholdKind.POLKA_VALUE, 0, V)]

    def test_each_is_reported_once(self) -> None:
        of = keeper()
        assert feed(of, *map(vote, range(4))) == [Threshold(ThresholdKind.POLKA_VALUE, 0, V)]

    def test_weight_counts_not_heads(self) -> None:
        of = keeper(7, 1, 1, 1)
        assert feed(of, vote(0)) == [Threshold(ThresholdKind.POLKA_VALUE, 0, V)]
        assert feed(keeper(7, 1, 1, 1), vote(1), vote(2), vote(3)) == []

    def test_a_polka_for_nil(self) -> None:
        assert feed(keeper(), *(vote(i, NIL) for i in range(3))) == [Threshold(ThresholdKind.POLKA_NIL, 0)]

    def test_a_polka_of_whatever(self) -> None:
        got = feed(keeper(), vote(0, V), vote(1, W), vote(2, NIL))
        assert got == [Threshold(ThresholdKind.POLKA_ANY, 0)]

    def test_any_first_and_then_a_value(self) -> None:
        got = feed(keeper(), vote(0, W), vote(1), vote(2), vote(3))
        assert got == [Threshold(ThresholdKind.POLKA_ANY, 0), Threshold(ThresholdKind.POLKA_VALUE, 0, V)]

    def test_precommits_for_nil_are_only_any(self) -> None:
        votes = [vote(i, NIL, Kind.PRECOMMIT) for i in range(3)]
        assert feed(keeper(), *votes) == [Threshold(ThresholdKind.PRECOMMIT_ANY, 0)]

    def test_precommits_for_a_value_decide(self) -> None:
        of = keeper()
        votes = [vote(i, V, Kind.PRECOMMIT) for i in range(3)]
        assert feed(of, *votes) == [Threshold(ThresholdKind.PRECOMMIT_VALUE, 0, V)]
        assert of.decidable() == ((0, V),)

    def test_prevotes_and_precommits_do_not_mix(self) -> None:
        of = keeper()
        assert feed(of, vote(0), vote(1), vote(2, V, Kind.PRECOMMIT)) == []
        assert not of.has_any(0, Kind.PREVOTE)

    def test_a_weak_quorum_of_either_kind_skips(self) -> None:
        of = keeper()
        votes = (vote(0, round_=5), vote(1, V, Kind.PRECOMMIT, 5))
        assert feed(of, *votes) == [Threshold(ThresholdKind.SKIP, 5)]
        assert (of.skip_to(0), of.skip_to(4), of.skip_to(5)) == (5, 5, None)

    def test_one_member_twice_does_not_skip(self) -> None:
        of = keeper()
        assert feed(of, vote(0, round_=5), vote(0, V, Kind.PRECOMMIT, 5)) == []
        assert of.skip_to(0) is None

    def test_the_highest_round_is_skipped_to(self) -> None:
        of = keeper()
        feed(of, *(vote(i, round_=r) for i in range(2) for r in (2, 7, 4)))
        assert of.skip_to(0) == 7


class TestEvidence:
    def test_the_first_vote_counts_and_the_second_is_evidence(self) -> None:
        of = keeper()
        first, second = vote(0, V), vote(0, W)
        assert of.add(first, 0).conflict is None
        assert of.add(second, 0).conflict == (first, second)
        assert of.weights(Kind.PREVOTE, 0) == ((V, 1),)
        assert list(of.all_votes()) == [first, second]

    def test_it_is_reported_once(self) -> None:
        of = keeper()
        third = vote(0, ValueId(b"x" * 32))
        got = [of.add(one, 0).conflict for one in (vote(0), vote(0, W), vote(0, W), third)]
        assert [one is not None for one in got] == [False, True, False, False]

    def test_a_repeated_vote_is_none(self) -> None:
        of = keeper()
        of.add(vote(0), 0)
        assert of.add(vote(0), 0).conflict is None
        assert of.weights(Kind.PREVOTE, 0) == ((V, 1),)

    def test_other_rounds_and_kinds_are_other_slots(self) -> None:
        of = keeper()
        for one in (vote(0, V), vote(0, W, round_=1), vote(0, W, Kind.PRECOMMIT)):
            assert of.add(one, 1).conflict is None


class TestCertificates:
    def test_a_polka_counts_whole_with_second_votes(self) -> None:
        of = keeper()
        feed(of, vote(0, W), vote(1, W))
        added = of.add_certificate(certificate((V, (0, 1, 2))), 0)
        assert Threshold(ThresholdKind.POLKA_VALUE, 0, V) in added.thresholds
        assert of.has_polka(0, V)
        assert of.has_any(0, Kind.PREVOTE)
        assert of.polkas(0) == (V,)

    def test_less_than_a_weak_quorum_is_ignored(self) -> None:
        of = keeper()
        assert of.add_certificate(certificate((V, (0,)), round_=9), 0).thresholds == ()
        assert of.rounds == ()

    def test_a_mixed_quorum_is_any(self) -> None:
        of = keeper()
        made = certificate((NIL, (0, 1)), (V, (2,)), kind=Kind.PRECOMMIT)
        assert of.add_certificate(made, 0).thresholds == (Threshold(ThresholdKind.PRECOMMIT_ANY, 0),)
        assert of.decidable() == ()

    def test_a_weak_quorum_skips(self) -> None:
        of = keeper()
        of.add_certificate(certificate((NIL, (0, 1)), round_=9), 0)
        assert of.skip_to(0) == 9

    def test_its_members_and_single_votes_add_up(self) -> None:
        of = keeper()
        of.add_certificate(certificate((NIL, (0, 1)), kind=Kind.PRECOMMIT), 0)
        assert feed(of, vote(1, NIL, Kind.PRECOMMIT)) == []
        assert feed(of, vote(2, V, Kind.PRECOMMIT)) == [Threshold(ThresholdKind.PRECOMMIT_ANY, 0)]

    def test_precommits_for_a_value_decide(self) -> None:
        of = keeper()
        of.add_certificate(certificate((V, (0, 1, 3)), kind=Kind.PRECOMMIT, round_=2), 0)
        assert of.decidable() == ((2, V),)
        group = of.certified(Kind.PRECOMMIT, 2, V)
        assert group is not None
        assert group.signers == (0, 1, 3)


class TestExclusion:
    def test_votes_before_and_after_count_for_no_value(self) -> None:
        of = keeper()
        feed(of, *map(vote, range(3)))
        assert of.has_polka(0, V)
        of.exclude(2)
        assert not of.has_polka(0, V)
        feed(of, vote(2, V, Kind.PRECOMMIT), vote(0, V, Kind.PRECOMMIT), vote(1, V, Kind.PRECOMMIT))
        assert of.decidable() == ()
        assert of.weights(Kind.PREVOTE, 0) == ((V, 2),)
        assert [one.sender for one in of.votes_for(Kind.PREVOTE, 0, V)] == [0, 1]
        assert of.excluded == (2,)

    def test_they_still_say_that_it_spoke(self) -> None:
        of = keeper()
        feed(of, *map(vote, range(3)))
        of.exclude(2)
        assert of.has_any(0, Kind.PREVOTE)

    def test_certificates_stay_whole(self) -> None:
        of = keeper()
        of.exclude(2)
        of.add_certificate(certificate((V, (0, 1, 2))), 0)
        assert of.has_polka(0, V)

    def test_a_decision_that_stood_on_it_falls(self) -> None:
        of = keeper()
        feed(of, *(vote(i, V, Kind.PRECOMMIT) for i in range(3)))
        of.exclude(0)
        assert of.decidable() == ()
        feed(of, vote(3, V, Kind.PRECOMMIT))
        assert of.decidable() == ((0, V),)


class TestBounds:
    @pytest.mark.parametrize("round_", [-1, MAX_ROUND + 1])
    def test_no_such_round(self, round_: int) -> None:
        of = keeper()
        assert of.add(vote(0, round_=round_), 0).thresholds == ()
        assert of.rounds == ()

    def test_strangers_do_not_count(self) -> None:
        of = keeper()
        feed(of, vote(4), vote(-1))
        assert of.rounds == ()

    def test_a_sender_fills_few_future_rounds_and_the_highest_stay(self) -> None:
        of = keeper()
        feed(of, *(vote(0, round_=r) for r in range(1, 1000)))
        assert of.rounds == tuple(range(1000 - FUTURE_ROUNDS, 1000))
        feed(of, vote(0, round_=1))
        assert len(of.rounds) == FUTURE_ROUNDS

    def test_a_flood_of_one_does_not_take_the_room_of_others(self) -> None:
        of = keeper()
        feed(of, vote(1, round_=3), *(vote(0, round_=r) for r in range(1, 1000)))
        assert of.vote_of(Kind.PREVOTE, 3, 1) is not None
        assert of.vote_of(Kind.PREVOTE, 3, 0) is None

    def test_a_flood_takes_nothing_from_a_certificate(self) -> None:
        of = keeper()
        of.add_certificate(certificate((NIL, (0, 1)), round_=9), 0)
        feed(of, *(vote(0, NIL, round_=r) for r in range(9, 100)))
        assert of.skip_to(0) == 9

    def test_both_kinds_of_a_round_take_one_place(self) -> None:
        of = keeper()
        for round_ in range(1, FUTURE_ROUNDS + 1):
            feed(of, vote(0, round_=round_), vote(0, V, Kind.PRECOMMIT, round_))
        assert len(of.rounds) == FUTURE_ROUNDS

    def test_votes_of_long_ago_are_ignored(self) -> None:
        of = keeper()
        feed(of, vote(0, round_=0), current=PAST_ROUNDS + 1)
        assert of.rounds == ()
        feed(of, vote(0, round_=1), current=PAST_ROUNDS + 1)
        assert of.rounds == (1,)


WEIGHTS = (1, 2, 3, 4, 5)


class KeeperMachine(RuleBasedStateMachine):
    """The keeper against the plainest bookkeeping there is, in rounds near enough to be kept."""

    @initialize()
    def start(self) -> None:
        self.of = keeper(*WEIGHTS)
        self.electorate = Electorate(*WEIGHTS)
        self.first: dict[tuple[Kind, int, int], ValueId] = {}
        self.whole: dict[tuple[Kind, int, ValueId], tuple[int, ...]] = {}
        self.spoke: dict[tuple[Kind, int], set[int]] = defaultdict(set)
        self.out: set[int] = set()
        self.seen: set[Threshold] = set()

    @rule(
        sender=st.integers(0, 4),
        value=st.sampled_from([NIL, V, W]),
        kind=st.sampled_from([Kind.PREVOTE, Kind.PRECOMMIT]),
        round_=st.integers(0, FUTURE_ROUNDS),
    )
    def vote(self, sender: int, value: ValueId, kind: Kind, round_: int) -> None:
        known = self.first.get((kind, round_, sender))
        added = self.of.add(vote(sender, value, kind, round_), 0)
        self.first.setdefault((kind, round_, sender), value)
        self.spoke[kind, round_].add(sender)
        if added.conflict is not None:
            assert known not in (None, value)
        self.once(added.thresholds)

    @rule(
        signers=st.sets(st.integers(0, 4), min_size=1),
        value=st.sampled_from([NIL, V, W]),
        kind=st.sampled_from([Kind.PREVOTE, Kind.PRECOMMIT]),
        round_=st.integers(0, FUTURE_ROUNDS),
    )
    def certificate(self, signers: set[int], value: ValueId, kind: Kind, round_: int) -> None:
        made = certificate((value, tuple(sorted(signers))), kind=kind, round_=round_)
        self.once(self.of.add_certificate(made, 0).thresholds)
        weight = sum(WEIGHTS[i] for i in signers)
        if self.electorate.weak_quorum(weight):
            self.spoke[kind, round_] |= signers
        if self.electorate.quorum(weight):
            self.whole.setdefault((kind, round_, value), tuple(sorted(signers)))

    @rule(sender=st.integers(0, 4))
    def exclude(self, sender: int) -> None:
        self.of.exclude(sender)
        self.out.add(sender)

    def once(self, thresholds: tuple[Threshold, ...]) -> None:
        for threshold in thresholds:
            assert threshold not in self.seen
            self.seen.add(threshold)

    @invariant()
    def agrees(self) -> None:
        for round_ in range(FUTURE_ROUNDS + 1):
            for kind in (Kind.PREVOTE, Kind.PRECOMMIT):
                self.agrees_on(kind, round_)
            voters = self.spoke[Kind.PREVOTE, round_] | self.spoke[Kind.PRECOMMIT, round_]
            if round_ > 0 and self.electorate.weak_quorum(sum(WEIGHTS[i] for i in voters)):
                assert (self.of.skip_to(round_ - 1) or 0) >= round_

    def agrees_on(self, kind: Kind, round_: int) -> None:
        quorum = self.electorate.quorum
        assert self.of.has_any(round_, kind) == quorum(sum(WEIGHTS[i] for i in self.spoke[kind, round_]))
        for value in (NIL, V, W):
            counted = sum(
                WEIGHTS[i]
                for i in range(5)
                if self.first.get((kind, round_, i)) == value and i not in self.out
            )
            expected = quorum(counted) or (kind, round_, value) in self.whole
            if kind is Kind.PREVOTE:
                assert self.of.has_polka(round_, value) == expected
            elif value != NIL:
                assert ((round_, value) in self.of.decidable()) == expected


TestKeeperMachine = KeeperMachine.TestCase
TestKeeperMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
