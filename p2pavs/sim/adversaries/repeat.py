"""Says again what others said, late and often."""

from __future__ import annotations

from collections import deque

from consensus.messages import Message
from p2pavs.sim.adversaries.base import Byzantine
from p2pavs.sim.parcel import Parcel

MEMORY = 64


class Repeater(Byzantine):
    """Follows the protocol, and for every few messages it gets it replays old ones to somebody."""

    _past: deque[Parcel] | None = None

    def deliver(self, parcel: Parcel) -> None:
        """Listen, then replay."""
        if self._past is None:
            self._past = deque(maxlen=MEMORY)
        super().deliver(parcel)
        self._past.append(parcel)
        if self.random.random() < 0.3:
            old = self._past[self.random.randrange(len(self._past))]
            self.simulation.spread(self, old, self.random.sample(self.others, min(2, len(self.others))))

    def answer(self) -> tuple[Message, ...]:
        """Give old messages, in any order."""
        known = [parcel.message for parcel in self._past or () if parcel.message is not None]
        self.random.shuffle(known)
        return tuple(known)
