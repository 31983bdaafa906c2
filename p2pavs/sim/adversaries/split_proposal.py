"""Tells each half of the committee another story."""

from __future__ import annotations

from collections import Counter

from consensus.effects import Effect, SignProposal, SignVote
from consensus.types import NO_ROUND, ValueId
from p2pavs.sim.adversaries.base import Byzantine
from p2pavs.sim.host import Host


class SplitProposer(Byzantine):
    """Proposes one answer to one half and another to the other, and votes with each for what it was told."""

    def carry_out(self, effect: Effect) -> None:
        """Say everything twice, differently."""
        match effect:
            case SignProposal(round_):
                # Sometimes it claims a proof of lock that nobody has seen.
                claimed = self.random.choice((NO_ROUND, round_ - 1))
                proposals = [self.proposal_of(round_, value, claimed) for value in self._stories(round_)]
                for half, proposal in zip(self.halves(), proposals, strict=True):
                    self.tell(proposal, half)
                self.take_own(self.simulation.parcel(self, proposals[0]))
            case SignVote(kind, round_):
                votes = [
                    self.vote_for(kind, round_, value) for value in self._wanted() or self.tempting(round_)
                ]
                for half, vote in zip(self.halves(), votes, strict=True):
                    self.tell(vote, half)
                self.take_own(self.simulation.parcel(self, votes[0]))
            case _:
                super().carry_out(effect)

    def _stories(self, round_: int) -> tuple[ValueId, ValueId]:
        wanted = self._wanted()
        if wanted is not None:
            return wanted
        first, second = self.tempting(round_)
        # The same one to both halves is how it supports what it told in an earlier round.
        return (first, first) if self.random.random() < 0.5 else (first, second)

    def _wanted(self) -> tuple[ValueId, ValueId] | None:
        """Return what each half wants to hear, where honest members disagree."""
        if self.simulation.setting.any_value:
            return None
        one, other = (self._favourite(half) for half in self.halves())
        return (one, other) if one is not None and other is not None and one != other else None

    def _favourite(self, half: list[Host]) -> ValueId | None:
        outputs = Counter(host.own_output for host in half if host.honest and host.own_output is not None)
        return self.simulation.learn(outputs.most_common(1)[0][0] or b"") if outputs else None
