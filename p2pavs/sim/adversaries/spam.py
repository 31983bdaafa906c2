"""Floods the others with what is well-formed and useless, or not even that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consensus.effects import Input
from consensus.messages import Message, RoundCertificate, VoteGroup
from consensus.types import MAX_ROUND, NIL, Kind, ValueId
from p2pavs.sim.adversaries.base import Byzantine
from p2pavs.sim.parcel import Parcel


class Spammer(Byzantine):
    """Follows the protocol, and adds votes of far rounds, forgeries, and bytes without meaning."""

    def feed(self, event: Input) -> None:
        """Add some noise to every step."""
        super().feed(event)
        for _ in range(self.random.choice((0, 1, 1, 2))):
            kind = self.random.choice((self._future_vote, self._forged_vote, self._thin_certificate))
            self._send(kind)
        if self.random.random() < 0.2:
            garbage = self.random.randbytes(self.random.randint(0, 200))
            self.simulation.spread(self, Parcel(None, garbage), [self.random.choice(self.others)])

    def _send(self, make: Callable[[], Message]) -> None:
        self.tell(make(), self.random.sample(self.others, min(3, len(self.others))))

    def _future_vote(self) -> Message:
        """A true vote of its own, of a round that has not come or never will."""
        far = self.random.choice((1, 2, 5, 63, 64, 65, 1000, MAX_ROUND))
        kind = self.random.choice((Kind.PREVOTE, Kind.PRECOMMIT))
        value = self.random.choice((NIL, self.tempting(max(self.instance.round, 0))[0]))
        return self.vote_for(kind, min(max(self.instance.round, 0) + far, MAX_ROUND), value)

    def _forged_vote(self) -> Message:
        """A vote in somebody else's name."""
        victim = self.random.choice(self.others).member
        round_ = max(self.instance.round, 0)
        return replace(self.vote_for(Kind.PRECOMMIT, round_, NIL), sender=victim)

    def _thin_certificate(self) -> Message:
        """A certificate of its own vote alone, or with signers that never signed."""
        round_ = max(self.instance.round, 0) + self.random.randint(0, 3)
        vote = self.vote_for(Kind.PRECOMMIT, round_, NIL)
        signers = (self.member,) if self.random.random() < 0.5 else self.simulation.members
        group = VoteGroup(ValueId(NIL), signers, vote.signature)
        return RoundCertificate(vote.instance, Kind.PRECOMMIT, round_, (group,))
