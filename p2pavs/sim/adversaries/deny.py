"""Says no to everything."""

from __future__ import annotations

from consensus.effects import Effect, SignProposal, SignVote
from consensus.messages import Message
from consensus.types import NIL
from p2pavs.sim.adversaries.base import Byzantine


class Denier(Byzantine):
    """Follows the rounds, proposes nothing, always votes nil, and denies to know anything."""

    def carry_out(self, effect: Effect) -> None:
        """Vote nil instead."""
        match effect:
            case SignProposal():
                pass
            case SignVote(kind, round_):
                self.say(self.vote_for(kind, round_, NIL))
            case _:
                super().carry_out(effect)

    def answer(self) -> tuple[Message, ...]:
        """Deny."""
        return ()
