"""Tendermint's rounds as one pure function: arXiv 1807.04938, algorithm 1, for one height.

``apply(state, info, input)`` returns the next state and what to do. It knows values by their ids and
counts nothing: the driver decides which input holds. An input whose line does not fire in this state
changes nothing and returns no outputs, so inputs may be repeated. Each arm of the ``match`` stands under
the paper's line number.

Differences from the paper, none of which touches safety: a proposer sets the propose timer too (its
proposal may fail to be signed, or its value may come late); the step ``COMMIT`` says that line 49 fired;
leaving a round passes through ``UNSTARTED`` until the driver starts the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from consensus.types import MAX_ROUND, NIL, NO_ROUND, Kind, Step, ValueId


@dataclass(frozen=True, slots=True)
class RoundState:
    """The paper's variables of one process. ``NIL`` and ``NO_ROUND`` stand for its nil and -1."""

    round: int = NO_ROUND
    step: Step = Step.UNSTARTED
    locked_value: ValueId = NIL
    locked_round: int = NO_ROUND
    valid_value: ValueId = NIL
    valid_round: int = NO_ROUND


@dataclass(frozen=True, slots=True)
class Info:
    """What a transition may ask of its surroundings.

    ``round`` is the round the input is about; ``proposer`` says whether this process proposes in it;
    ``own_value`` answers the paper's ``getValue()``, ``NIL`` while there is no answer yet.
    """

    round: int
    proposer: bool = False
    own_value: ValueId = NIL


# --- inputs: what the driver has established about round ``info.round`` ---------------------------------


@dataclass(frozen=True, slots=True)
class NewRound:
    """Line 11: start this round."""


@dataclass(frozen=True, slots=True)
class OwnValueReady:
    """Line 18, late: ``getValue()`` has returned after the round began."""


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """Line 22: the proposal carries no proof-of-lock round."""

    value: ValueId
    valid: bool


@dataclass(frozen=True, slots=True)
class ProposalAndPreviousPolka:
    """Line 28: the proposal, and a polka for its value in the proof-of-lock round."""

    value: ValueId
    pol_round: int
    valid: bool


@dataclass(frozen=True, slots=True)
class PolkaAny:
    """Line 34: a quorum of prevotes, whatever for."""


@dataclass(frozen=True, slots=True)
class ProposalAndPolka:
    """Line 36: the value is known and has a quorum of prevotes."""

    value: ValueId


@dataclass(frozen=True, slots=True)
class PolkaNil:
    """Line 44: a quorum of prevotes for nil."""


@dataclass(frozen=True, slots=True)
class PrecommitAny:
    """Line 47: a quorum of precommits, whatever for."""


@dataclass(frozen=True, slots=True)
class ProposalAndPrecommits:
    """Line 49: the value is known and has a quorum of precommits, in any round."""

    value: ValueId


@dataclass(frozen=True, slots=True)
class RoundSkip:
    """Line 55: a weak quorum speaks in this higher round."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """Lines 57, 61 and 65: the timer of this step ran out."""

    step: Step


RoundInput: TypeAlias = (
    NewRound
    | OwnValueReady
    | ProposalReceived
    | ProposalAndPreviousPolka
    | PolkaAny
    | ProposalAndPolka
    | PolkaNil
    | PrecommitAny
    | ProposalAndPrecommits
    | RoundSkip
    | Timeout
)


# --- outputs --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Propose:
    """Broadcast PROPOSAL(round, value, pol_round)."""

    round: int
    value: ValueId
    pol_round: int


@dataclass(frozen=True, slots=True)
class CastVote:
    """Broadcast PREVOTE or PRECOMMIT (round, value); ``NIL`` is a vote for nil."""

    kind: Kind
    round: int
    value: ValueId


@dataclass(frozen=True, slots=True)
class ScheduleTimeout:
    """Feed ``Timeout(step)`` for this round after its duration."""

    step: Step
    round: int


@dataclass(frozen=True, slots=True)
class StartRound:
    """Call StartRound(round): the driver answers with ``NewRound``."""

    round: int


@dataclass(frozen=True, slots=True)
class Decide:
    """The decision and the round of its precommits."""

    round: int
    value: ValueId


RoundOutput: TypeAlias = Propose | CastVote | ScheduleTimeout | StartRound | Decide
Transition: TypeAlias = tuple[RoundState, tuple[RoundOutput, ...]]


def apply(state: RoundState, info: Info, event: RoundInput) -> Transition:
    """Return the next state and the outputs; the same state and no outputs where no line fires."""
    if state.step is Step.COMMIT:
        return state, ()  # line 49 fired: the height is over
    current = info.round == state.round and state.round != NO_ROUND
    match event:
        # line 11
        case NewRound() if state.step is Step.UNSTARTED and state.round < info.round <= MAX_ROUND:
            return _start_round(state, info)
        # line 18, answered late
        case OwnValueReady() if current and state.step is Step.PROPOSE and info.proposer:
            return _propose_own(state, info)
        # line 22
        case ProposalReceived(value, valid) if current and state.step is Step.PROPOSE:
            unlocked = state.locked_round == NO_ROUND or state.locked_value == value  # line 23
            return _prevote(state, value if valid and unlocked else NIL)  # lines 24, 26
        # line 28
        case ProposalAndPreviousPolka(value, pol_round, valid) if (
            current and state.step is Step.PROPOSE and 0 <= pol_round < state.round
        ):
            unlocked = state.locked_round <= pol_round or state.locked_value == value  # line 29
            return _prevote(state, value if valid and unlocked else NIL)  # lines 30, 32
        # line 34
        case PolkaAny() if current and state.step is Step.PREVOTE:
            return state, (ScheduleTimeout(Step.PREVOTE, state.round),)
        # line 36
        case ProposalAndPolka(value) if current and state.step is Step.PREVOTE:
            locked = replace(
                state,
                locked_value=value,  # line 38
                locked_round=state.round,  # line 39
                valid_value=value,  # line 42
                valid_round=state.round,  # line 43
            )
            return _precommit(locked, value)  # lines 40, 41
        # lines 36 and 42, after precommitting without this polka
        case ProposalAndPolka(value) if current and state.step is Step.PRECOMMIT:
            return replace(state, valid_value=value, valid_round=state.round), ()
        # line 44
        case PolkaNil() if current and state.step is Step.PREVOTE:
            return _precommit(state, NIL)
        # line 47
        case PrecommitAny() if current:
            return state, (ScheduleTimeout(Step.PRECOMMIT, state.round),)
        # line 49
        case ProposalAndPrecommits(value):
            return replace(state, step=Step.COMMIT), (Decide(info.round, value),)
        # line 55
        case RoundSkip() if info.round > state.round:
            return replace(state, step=Step.UNSTARTED), (StartRound(info.round),)
        # line 57
        case Timeout(Step.PROPOSE) if current and state.step is Step.PROPOSE:
            return _prevote(state, NIL)
        # line 61
        case Timeout(Step.PREVOTE) if current and state.step is Step.PREVOTE:
            return _precommit(state, NIL)
        # line 65
        case Timeout(Step.PRECOMMIT) if current and state.round < MAX_ROUND:
            return replace(state, step=Step.UNSTARTED), (StartRound(state.round + 1),)
        # No line fires.
        case (
            NewRound()
            | OwnValueReady()
            | ProposalReceived()
            | ProposalAndPreviousPolka()
            | PolkaAny()
            | ProposalAndPolka()
            | PolkaNil()
            | PrecommitAny()
            | RoundSkip()
            | Timeout()
        ):
            return state, ()
        case _:
            assert_never(event)


def _start_round(state: RoundState, info: Info) -> Transition:
    """Lines 11 to 21."""
    started = replace(state, round=info.round, step=Step.PROPOSE)
    timer = ScheduleTimeout(Step.PROPOSE, info.round)  # line 21
    if not info.proposer:
        return started, (timer,)
    if state.valid_value != NIL:
        return started, (Propose(info.round, state.valid_value, state.valid_round), timer)  # lines 16, 19
    _, proposal = _propose_own(started, info)
    return started, (*proposal, timer)


def _propose_own(state: RoundState, info: Info) -> Transition:
    """Lines 18 and 19; a valid value was proposed when the round began."""
    if info.own_value == NIL or state.valid_value != NIL:
        return state, ()
    return state, (Propose(info.round, info.own_value, NO_ROUND),)


def _prevote(state: RoundState, value: ValueId) -> Transition:
    return replace(state, step=Step.PREVOTE), (CastVote(Kind.PREVOTE, state.round, value),)


def _precommit(state: RoundState, value: ValueId) -> Transition:
    return replace(state, step=Step.PRECOMMIT), (CastVote(Kind.PRECOMMIT, state.round, value),)
