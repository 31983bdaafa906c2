"""The proposals of an instance and the results behind values, within bounds.

A proposer that offers two things in one round has equivocated: both are kept, as evidence and because
either may have won a polka. Further ones are kept only where the votes show that their value matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from consensus.driver import Offer
from consensus.messages import Proposal
from consensus.types import Result, ValueId
from consensus.vote_keeper import FUTURE_ROUNDS, PAST_ROUNDS

PROPOSALS_PER_ROUND = 2


@dataclass(frozen=True, slots=True)
class Held:
    """A proposal and the id of its value."""

    proposal: Proposal
    value: ValueId

    @property
    def offer(self) -> Offer:
        """What the proposer's signature covers."""
        return Offer(self.value, self.proposal.pol_round)


class ProposalKeeper:
    """Keeps verified proposals by round. ``matters(round, value)`` says whether a quorum voted for it."""

    def __init__(self, matters: Callable[[int, ValueId], bool]) -> None:
        self._matters = matters
        self._rounds: dict[int, list[Held]] = {}
        self._learned: dict[ValueId, tuple[Result, bytes]] = {}

    def add(self, proposal: Proposal, value: ValueId, current_round: int) -> tuple[Proposal, Proposal] | None:
        """Keep a proposal; return the first and this one if it shows, for the first time, an equivocation."""
        held = Held(proposal, value)
        others = self.in_round(proposal.round)
        if any(other.offer == held.offer for other in others):
            return None
        matters = self._matters(proposal.round, value)
        if len(others) >= PROPOSALS_PER_ROUND and not matters:
            return None
        if not self._admit(proposal, current_round, matters):
            return None
        self._rounds.setdefault(proposal.round, []).append(held)
        return (others[0].proposal, proposal) if len(others) == 1 else None

    def learn(self, value: ValueId, result: Result, output: bytes) -> None:
        """Keep a result that came without a proposal: the own one, or a certified one."""
        self._learned.setdefault(value, (result, output))

    def first(self, round_: int) -> Held | None:
        """Return the proposal of a round that this member answers to."""
        held = self._rounds.get(round_)
        return held[0] if held else None

    def find(self, round_: int, value: ValueId) -> Proposal | None:
        """Return a proposal for this value in this round."""
        return next((held.proposal for held in self._rounds.get(round_, ()) if held.value == value), None)

    def result(self, value: ValueId) -> tuple[Result, bytes] | None:
        """Return the result and output behind a value."""
        learned = self._learned.get(value)
        if learned is not None:
            return learned
        for held in self.all():
            if held.value == value:
                return held.proposal.result, held.proposal.output
        return None

    def all(self) -> Iterator[Held]:
        """Yield every proposal held, by round and in order of arrival."""
        for round_ in sorted(self._rounds):
            yield from self._rounds[round_]

    def in_round(self, round_: int) -> tuple[Held, ...]:
        """Return the proposals of one round in order of arrival."""
        return tuple(self._rounds.get(round_, ()))

    def _admit(self, proposal: Proposal, current_round: int, matters: bool) -> bool:
        """Apply the memory bounds; makes room by forgetting the proposer's lowest future round."""
        if proposal.round <= current_round:
            return matters or proposal.round >= current_round - PAST_ROUNDS
        future = [
            round_
            for round_, held in self._rounds.items()
            if round_ > current_round and held[0].proposal.sender == proposal.sender
        ]
        if proposal.round in future or len(future) < FUTURE_ROUNDS:
            return True
        lowest = min(future)
        if proposal.round < lowest:
            return False
        del self._rounds[lowest]
        return True
