"""Every line of arXiv 1807.04938, algorithm 1, one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.round_state import (
    CastVote,
    Decide,
    Info,
    NewRound,
    OwnValueReady,
    PolkaAny,
    PolkaNil,
    PrecommitAny,
    ProposalAndPolka,
    ProposalAndPrecommits,
    ProposalAndPreviousPolka,
    ProposalReceived,
    Propose,
    RoundInput,
    RoundSkip,
    RoundState,
    ScheduleTimeout,
    StartRound,
    Timeout,
    apply,
)
from consensus.types import MAX_ROUND, NIL, Kind, Step, ValueId

V, W = ValueId(b"v" * 32), ValueId(b"w" * 32)
PROPOSE = RoundState(round=3, step=Step.PROPOSE)
PREVOTE = replace(PROPOSE, step=Step.PREVOTE)
PRECOMMIT = replace(PROPOSE, step=Step.PRECOMMIT)
HERE = Info(3)


def locked(state: RoundState, value: ValueId, round_: int) -> RoundState:
    return replace(state, locked_value=value, locked_round=round_, valid_value=value, valid_round=round_)


def prevote(value: ValueId) -> tuple[CastVote]:
    return (CastVote(Kind.PREVOTE, 3, value),)


def precommit(value: ValueId) -> tuple[CastVote]:
    return (CastVote(Kind.PRECOMMIT, 3, value),)


class TestLines11To21:
    def test_who_does_not_propose_waits_for_a_proposal(self) -> None:
        state, outputs = apply(RoundState(), Info(0), NewRound())
        assert state == RoundState(round=0, step=Step.PROPOSE)
        assert outputs == (ScheduleTimeout(Step.PROPOSE, 0),)

    def test_a_proposer_offers_its_own_value(self) -> None:
        _, outputs = apply(RoundState(), Info(0, proposer=True, own_value=V), NewRound())
        assert outputs == (Propose(0, V, -1), ScheduleTimeout(Step.PROPOSE, 0))

    def test_a_proposer_prefers_its_valid_value(self) -> None:
        before = RoundState(round=2, step=Step.UNSTARTED, valid_value=W, valid_round=1)
        _, outputs = apply(before, Info(3, proposer=True, own_value=V), NewRound())
        assert outputs == (Propose(3, W, 1), ScheduleTimeout(Step.PROPOSE, 3))

    def test_a_proposer_without_a_value_only_waits(self) -> None:
        _, outputs = apply(RoundState(), Info(0, proposer=True), NewRound())
        assert outputs == (ScheduleTimeout(Step.PROPOSE, 0),)

    def test_a_late_own_value_is_proposed(self) -> None:
        state, outputs = apply(PROPOSE, Info(3, proposer=True, own_value=V), OwnValueReady())
        assert (state, outputs) == (PROPOSE, (Propose(3, V, -1),))

    @pytest.mark.parametrize(
        ("state", "info"),
        [
            (PROPOSE, Info(3, proposer=False, own_value=V)),
            (PREVOTE, Info(3, proposer=True, own_value=V)),
            (PROPOSE, Info(2, proposer=True, own_value=V)),
            (replace(PROPOSE, valid_value=W, valid_round=1), Info(3, proposer=True, own_value=V)),
        ],
    )
    def test_a_late_own_value_is_not_proposed(self, state: RoundState, info: Info) -> None:
        assert apply(state, info, OwnValueReady()) == (state, ())

    @pytest.mark.parametrize("round_", [2, 3, MAX_ROUND + 1])
    def test_rounds_only_grow_and_end(self, round_: int) -> None:
        before = replace(PROPOSE, step=Step.UNSTARTED)
        assert apply(before, Info(round_), NewRound()) == (before, ())


class TestLine22:
    def test_a_valid_value_is_prevoted(self) -> None:
        assert apply(PROPOSE, HERE, ProposalReceived(V, valid=True)) == (PREVOTE, prevote(V))

    def test_an_invalid_value_is_not(self) -> None:
        assert apply(PROPOSE, HERE, ProposalReceived(V, valid=False)) == (PREVOTE, prevote(NIL))

    def test_the_locked_value_is_prevoted(self) -> None:
        before = locked(PROPOSE, V, 1)
        assert apply(before, HERE, ProposalReceived(V, valid=True))[1] == prevote(V)

    def test_another_than_the_locked_value_is_not(self) -> None:
        before = locked(PROPOSE, W, 1)
        assert apply(before, HERE, ProposalReceived(V, valid=True))[1] == prevote(NIL)

    @pytest.mark.parametrize("step", [Step.UNSTARTED, Step.PREVOTE, Step.PRECOMMIT, Step.COMMIT])
    def test_only_in_the_step_propose(self, step: Step) -> None:
        before = replace(PROPOSE, step=step)
        assert apply(before, HERE, ProposalReceived(V, valid=True)) == (before, ())

    def test_only_in_its_round(self) -> None:
        assert apply(PROPOSE, Info(4), ProposalReceived(V, valid=True)) == (PROPOSE, ())


class TestLine28:
    def test_a_polka_as_new_as_the_lock_unlocks(self) -> None:
        before = locked(PROPOSE, W, 1)
        assert apply(before, HERE, ProposalAndPreviousPolka(V, 1, valid=True))[1] == prevote(V)

    def test_an_older_polka_does_not(self) -> None:
        before = locked(PROPOSE, W, 2)
        assert apply(before, HERE, ProposalAndPreviousPolka(V, 1, valid=True))[1] == prevote(NIL)

    def test_the_locked_value_needs_no_newer_polka(self) -> None:
        before = locked(PROPOSE, V, 2)
        assert apply(before, HERE, ProposalAndPreviousPolka(V, 1, valid=True))[1] == prevote(V)

    def test_an_invalid_value_stays_invalid(self) -> None:
        assert apply(PROPOSE, HERE, ProposalAndPreviousPolka(V, 1, valid=False))[1] == prevote(NIL)

    @pytest.mark.parametrize("pol_round", [-1, 3, 4])
    def test_the_polka_is_of_an_earlier_round(self, pol_round: int) -> None:
        event = ProposalAndPreviousPolka(V, pol_round, valid=True)
        assert apply(PROPOSE, HERE, event) == (PROPOSE, ())


class TestLines34To46:
    def test_line_34_sets_the_prevote_timer(self) -> None:
        assert apply(PREVOTE, HERE, PolkaAny()) == (PREVOTE, (ScheduleTimeout(Step.PREVOTE, 3),))

    @pytest.mark.parametrize("state", [PROPOSE, PRECOMMIT])
    def test_line_34_fires_in_prevote_only(self, state: RoundState) -> None:
        assert apply(state, HERE, PolkaAny()) == (state, ())

    def test_line_36_locks_and_precommits(self) -> None:
        after = locked(PRECOMMIT, V, 3)
        assert apply(PREVOTE, HERE, ProposalAndPolka(V)) == (after, precommit(V))

    def test_line_36_replaces_an_older_lock(self) -> None:
        after = locked(PRECOMMIT, V, 3)
        assert apply(locked(PREVOTE, W, 1), HERE, ProposalAndPolka(V)) == (after, precommit(V))

    def test_line_42_only_remembers_after_precommitting(self) -> None:
        before = locked(PRECOMMIT, W, 1)
        after = replace(before, valid_value=V, valid_round=3)
        assert apply(before, HERE, ProposalAndPolka(V)) == (after, ())

    def test_line_36_does_not_fire_before_prevoting(self) -> None:
        assert apply(PROPOSE, HERE, ProposalAndPolka(V)) == (PROPOSE, ())

    def test_line_44_precommits_nil_and_keeps_the_lock(self) -> None:
        before = locked(PREVOTE, V, 1)
        assert apply(before, HERE, PolkaNil()) == (replace(before, step=Step.PRECOMMIT), precommit(NIL))

    @pytest.mark.parametrize("state", [PROPOSE, PRECOMMIT])
    def test_line_44_fires_in_prevote_only(self, state: RoundState) -> None:
        assert apply(state, HERE, PolkaNil()) == (state, ())


class TestLines47To67:
    @pytest.mark.parametrize("state", [PROPOSE, PREVOTE, PRECOMMIT])
    def test_line_47_sets_the_precommit_timer_in_every_step(self, state: RoundState) -> None:
        assert apply(state, HERE, PrecommitAny()) == (state, (ScheduleTimeout(Step.PRECOMMIT, 3),))

    @pytest.mark.parametrize("round_", [0, 3, 9])
    @pytest.mark.parametrize("state", [RoundState(), PROPOSE, PREVOTE, PRECOMMIT])
    def test_line_49_decides_in_every_round_and_step(self, state: RoundState, round_: int) -> None:
        after, outputs = apply(state, Info(round_), ProposalAndPrecommits(V))
        assert (after, outputs) == (replace(state, step=Step.COMMIT), (Decide(round_, V),))

    def test_line_55_starts_the_higher_round(self) -> None:
        after, outputs = apply(PREVOTE, Info(7), RoundSkip())
        assert (after, outputs) == (replace(PREVOTE, step=Step.UNSTARTED), (StartRound(7),))

    @pytest.mark.parametrize("round_", [2, 3])
    def test_line_55_never_goes_back(self, round_: int) -> None:
        assert apply(PREVOTE, Info(round_), RoundSkip()) == (PREVOTE, ())

    def test_line_57_prevotes_nil(self) -> None:
        assert apply(PROPOSE, HERE, Timeout(Step.PROPOSE)) == (PREVOTE, prevote(NIL))

    def test_line_61_precommits_nil(self) -> None:
        assert apply(PREVOTE, HERE, Timeout(Step.PREVOTE)) == (PRECOMMIT, precommit(NIL))

    @pytest.mark.parametrize("state", [PROPOSE, PREVOTE, PRECOMMIT])
    def test_line_65_starts_the_next_round_from_every_step(self, state: RoundState) -> None:
        after, outputs = apply(state, HERE, Timeout(Step.PRECOMMIT))
        assert (after.step, outputs) == (Step.UNSTARTED, (StartRound(4),))

    @pytest.mark.parametrize("step", [Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT])
    @pytest.mark.parametrize("state", [PROPOSE, PREVOTE, PRECOMMIT])
    def test_a_timer_of_another_round_changes_nothing(self, state: RoundState, step: Step) -> None:
        assert apply(state, Info(2), Timeout(step)) == (state, ())

    def test_line_65_stops_at_the_last_round(self) -> None:
        last = replace(PRECOMMIT, round=MAX_ROUND)
        assert apply(last, Info(MAX_ROUND), Timeout(Step.PRECOMMIT)) == (last, ())


VALUES = st.sampled_from([V, W])
ROUNDS = st.integers(0, 4)
INPUTS: st.SearchStrategy[RoundInput] = st.one_of(
    st.sampled_from([NewRound(), OwnValueReady(), PolkaAny(), PolkaNil(), PrecommitAny(), RoundSkip()]),
    st.builds(ProposalReceived, VALUES, st.booleans()),
    st.builds(ProposalAndPreviousPolka, VALUES, ROUNDS, st.booleans()),
    st.builds(ProposalAndPolka, VALUES),
    st.builds(ProposalAndPrecommits, VALUES),
    st.builds(Timeout, st.sampled_from([Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT])),
)
INFOS = st.builds(Info, ROUNDS, st.booleans(), st.sampled_from([NIL, V]))


@given(st.lists(st.tuples(INFOS, INPUTS), max_size=60))
def test_no_walk_votes_twice_or_loses_a_lock(walk: list[tuple[Info, RoundInput]]) -> None:
    state = RoundState()
    votes: dict[tuple[Kind, int], ValueId] = {}
    decisions = 0
    for info, event in walk:
        before, (state, outputs) = state, apply(state, info, event)
        assert state.round >= before.round
        assert state.locked_round >= before.locked_round
        assert state.valid_round >= state.locked_round
        assert (state.locked_round == -1) == (state.locked_value == NIL)
        for output in outputs:
            if isinstance(output, CastVote):
                assert votes.setdefault((output.kind, output.round), output.value) == output.value
                assert (output.kind, output.round) not in [key for key in votes if key[1] > output.round]
            decisions += isinstance(output, Decide)
    assert decisions <= 1
