"""Runs no model."""

from __future__ import annotations

from consensus.effects import Input, Received
from consensus.messages import Proposal
from consensus.signing import value_id
from consensus.types import Kind
from p2pavs.sim.adversaries.base import Byzantine

NEVER_COMPUTED = b"never computed".ljust(32)


class Lazy(Byzantine):
    """Votes for whatever is proposed, under a work tag made of nothing."""

    @property
    def own_output(self) -> bytes | None:
        """None: computing costs."""
        return None

    def feed(self, event: Input) -> None:
        """Agree."""
        super().feed(event)
        if isinstance(event, Received) and isinstance(event.message.message, Proposal):
            proposal = event.message.message
            value = value_id(proposal.result)
            self.say(self.vote_for(Kind.PREVOTE, proposal.round, value, NEVER_COMPUTED))
            self.say(self.vote_for(Kind.PRECOMMIT, proposal.round, value))
