"""Takes part, and keeps most of it to itself."""

from __future__ import annotations

from consensus.effects import Effect, Publish
from consensus.messages import DivergenceReport, Message, Proposal, Vote
from p2pavs.sim.adversaries.base import Byzantine


class Withholder(Byzantine):
    """Gives each of its messages to a few only, so that quorums form in some places and not in others."""

    def say(self, message: Proposal | Vote | DivergenceReport) -> None:
        """Tell some, and itself."""
        parcel = self.simulation.parcel(self, message)
        others = self.others
        lucky = self.random.sample(others, self.random.randint(0, len(others) // 2))
        self.simulation.spread(self, parcel, lucky)
        self.take_own(parcel)

    def carry_out(self, effect: Effect) -> None:
        """Repeat nothing: neither certificates nor commits."""
        if not isinstance(effect, Publish):
            super().carry_out(effect)

    def answer(self) -> tuple[Message, ...]:
        """Keep what it knows."""
        return ()
