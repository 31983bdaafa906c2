"""Joins proposals and tallies into the inputs of ``round_state``, until no line of the algorithm fires.

The rules are asked by level, not by edge: after every change each is tried against what is held, so the
order in which messages arrive does not matter and nothing can be missed. Lines that fire "for the first
time" are remembered per round.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Protocol, TypeAlias

from consensus import round_state
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
)
from consensus.types import NIL, NO_ROUND, Kind, Step, ValueId
from consensus.vote_keeper import VoteKeeper


@unique
class Validity(IntEnum):
    """What ``valid(v)`` of lines 22 and 28 has to say."""

    INVALID = 0
    VALID = 1
    UNKNOWN = 2
    """Not known yet: the proposal waits until it is, at most until the propose timeout."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a round's proposer offers: the part of a proposal that the algorithm looks at."""

    value: ValueId
    pol_round: int


class Surroundings(Protocol):
    """What the driver asks about besides votes. Answers may grow, but none is ever taken back."""

    def is_proposer(self, round_: int) -> bool:
        """Whether this process proposes in a round."""
        ...

    def own_value(self) -> ValueId:
        """Answer the paper's ``getValue()``; ``NIL`` while there is no answer."""
        ...

    def validity(self, value: ValueId) -> Validity:
        """Whether this process may prevote a value."""
        ...

    def offer(self, round_: int) -> Offer | None:
        """Return the proposal of a round that this process answers to: the first it saw."""
        ...

    def knows(self, value: ValueId) -> bool:
        """Whether the result behind a value is held, so that it can be locked, proposed and decided."""
        ...


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """The process entered this round."""

    round: int


DriverOutput: TypeAlias = RoundStarted | Propose | CastVote | ScheduleTimeout | Decide


class Driver:
    """One process of the algorithm. Change what it looks at, then ``run`` it. Deterministic."""

    def __init__(self, votes: VoteKeeper, surroundings: Surroundings) -> None:
        self.state = RoundState()
        self._votes = votes
        self._surroundings = surroundings
        self._fired: set[tuple[int, int]] = set()  # (line, round) of lines that fire once a round

    @property
    def started(self) -> bool:
        """Whether a round was entered."""
        return self.state.round != NO_ROUND

    @property
    def decided(self) -> bool:
        """Whether line 49 fired."""
        return self.state.step is Step.COMMIT

    def start(self) -> tuple[DriverOutput, ...]:
        """Enter round 0 and take up everything that is held. Once started it only runs."""
        if self.started or self.decided:
            return self.run()
        return self._feed(0, NewRound())

    def timeout(self, step: Step, round_: int) -> tuple[DriverOutput, ...]:
        """Take a timer that ran out; timers of other rounds and steps change nothing."""
        return self._feed(round_, Timeout(step))

    def decide(self, round_: int, value: ValueId) -> tuple[DriverOutput, ...]:
        """Take a decision that a certificate proves."""
        return self._feed(round_, ProposalAndPrecommits(value))

    def run(self) -> tuple[DriverOutput, ...]:
        """Fire every line that holds, until none does."""
        outputs: list[DriverOutput] = []
        while (due := self._next()) is not None:
            outputs += self._transition(*due)
        return tuple(outputs)

    # --- inside -----------------------------------------------------------------------------------------

    def _feed(self, round_: int, event: RoundInput) -> tuple[DriverOutput, ...]:
        first = self._transition(round_, event)
        return (*first, *self.run())

    def _transition(self, round_: int, event: RoundInput) -> list[DriverOutput]:
        around = self._surroundings
        info = Info(round_, around.is_proposer(round_), around.own_value())
        if info.own_value != NIL and isinstance(event, NewRound | OwnValueReady):
            self._fired.add((18, round_))
        self.state, done = round_state.apply(self.state, info, event)
        outputs: list[DriverOutput] = []
        if isinstance(event, NewRound) and self.state.round == round_:
            outputs.append(RoundStarted(round_))
        for output in done:
            if isinstance(output, StartRound):
                outputs += self._transition(output.round, NewRound())
            else:
                outputs.append(output)
        return outputs

    def _first_time(self, line: int) -> bool:
        slot = (line, self.state.round)
        if slot in self._fired:
            return False
        self._fired.add(slot)
        return True

    def _next(self) -> tuple[int, RoundInput] | None:
        """Return a line that holds now, and the round it is about."""
        if self.decided:
            return None
        for round_, value in self._votes.decidable():  # line 49
            if self._surroundings.knows(value):
                return round_, ProposalAndPrecommits(value)
        if not self.started:
            return None
        higher = self._votes.skip_to(self.state.round)  # line 55
        if higher is not None:
            return higher, RoundSkip()
        event = self._about_this_round()
        return None if event is None else (self.state.round, event)

    def _about_this_round(self) -> RoundInput | None:
        state, votes = self.state, self._votes
        if state.step is Step.PROPOSE:
            if self._surroundings.own_value() != NIL and (18, state.round) not in self._fired:
                return OwnValueReady()
            offered = self._offered()  # lines 22, 28
            if offered is not None:
                return offered
        if state.step in (Step.PREVOTE, Step.PRECOMMIT):
            for value in votes.polkas(state.round):  # line 36
                if self._surroundings.knows(value) and self._first_time(36):
                    return ProposalAndPolka(value)
        if state.step is Step.PREVOTE:
            if votes.has_polka(state.round, NIL):  # line 44
                return PolkaNil()
            if votes.has_any(state.round, Kind.PREVOTE) and self._first_time(34):
                return PolkaAny()
        if votes.has_any(state.round, Kind.PRECOMMIT) and self._first_time(47):
            return PrecommitAny()
        return None

    def _offered(self) -> RoundInput | None:
        """Lines 22 and 28. Each leaves the step ``PROPOSE``, so neither fires twice."""
        round_ = self.state.round
        offer = self._surroundings.offer(round_)
        if offer is None:
            return None
        validity = self._surroundings.validity(offer.value)
        if validity is Validity.UNKNOWN:
            return None
        valid = validity is Validity.VALID
        if offer.pol_round == NO_ROUND:
            return ProposalReceived(offer.value, valid)
        if self._votes.has_polka(offer.pol_round, offer.value):
            return ProposalAndPreviousPolka(offer.value, offer.pol_round, valid)
        # An invalid value gets a nil prevote with or without its polka: there is nothing to wait for.
        return None if valid else ProposalReceived(offer.value, valid=False)
