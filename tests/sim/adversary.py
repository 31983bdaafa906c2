"""Members that misbehave, each in one way. They sign with their own keys only."""

from __future__ import annotations

from consensus.effects import Effect, Input, Received, SignProposal, SignVote
from consensus.messages import Proposal
from consensus.signing import value_id
from consensus.types import NIL, Kind
from tests.sim.cluster import RIGHT, WRONG, Node


class Lazy(Node):
    """Runs no model: votes for whatever is proposed, under a work tag made of nothing."""

    honest = False

    def own_output(self) -> bytes | None:
        return None

    def feed(self, event: Input) -> None:
        if isinstance(event, Received) and isinstance(event.message.message, Proposal):
            proposal = event.message.message
            value = value_id(proposal.result)
            self.say(
                self.world.vote(Kind.PREVOTE, proposal.round, value, self.index, b"never computed".ljust(32))
            )
            self.say(self.world.vote(Kind.PRECOMMIT, proposal.round, value, self.index))


class SplitProposer(Node):
    """Tells each half of the committee another proposal, and votes for both values in every step."""

    honest = False

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case SignProposal(round_):
                for position, receiver in enumerate(self.cluster.nodes):
                    output = (RIGHT, WRONG)[position % 2]
                    self.cluster.send(self.index, receiver, self.world.proposal(round_, output))
            case SignVote(kind, round_):
                for output in (RIGHT, WRONG):
                    vote = self.world.prevote if kind is Kind.PREVOTE else self.world.precommit
                    self.say(vote(round_, output, self.index))
            case _:
                super().carry_out(effect)


class NilVoter(Node):
    """Follows the protocol but always votes nil: as much as a silent member can slow the others."""

    honest = False

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case SignProposal():
                pass
            case SignVote(kind, round_):
                self.say(self.world.vote(kind, round_, NIL, self.index))
            case _:
                super().carry_out(effect)
