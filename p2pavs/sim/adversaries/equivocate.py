"""Votes twice in every step."""

from __future__ import annotations

from consensus.effects import Effect, SignProposal, SignVote
from consensus.types import NIL
from p2pavs.sim.adversaries.base import Byzantine


class Equivocator(Byzantine):
    """Gives everybody two votes for each slot, each half another one first; one is nil now and then."""

    def carry_out(self, effect: Effect) -> None:
        """Answer each request for a vote with two, and propose without regard to what was locked."""
        if isinstance(effect, SignProposal):
            self.say(self.proposal_of(effect.round, self.random.choice(self.simulation.known_values)))
            return
        if not isinstance(effect, SignVote):
            super().carry_out(effect)
            return
        kind, round_ = effect.kind, effect.round
        values = list(self.tempting(round_))
        if self.random.random() < 0.3:
            values[self.random.randrange(2)] = NIL
        first, second = (self.vote_for(kind, round_, value) for value in values)
        one, other = self.halves()
        self.tell(first, one)
        self.tell(second, other)
        if self.random.random() < 0.7:
            self.tell(second, one)
            self.tell(first, other)
        self.take_own(self.simulation.parcel(self, first))
