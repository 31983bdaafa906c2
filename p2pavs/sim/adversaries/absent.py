"""Never there."""

from __future__ import annotations

from consensus.messages import Message
from p2pavs.sim.adversaries.base import Byzantine
from p2pavs.sim.parcel import Parcel


class Absent(Byzantine):
    """Says nothing and hears nothing."""

    def begin(self) -> None:
        """Do not."""

    def deliver(self, parcel: Parcel) -> None:
        """Do not listen."""

    def answer(self) -> tuple[Message, ...]:
        """Know nothing."""
        return ()
