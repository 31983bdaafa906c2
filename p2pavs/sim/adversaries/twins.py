"""Two processes with one key, as after a restored backup. Neither knows of the other."""

from __future__ import annotations

from typing import ClassVar

from p2pavs.sim.adversaries.base import Byzantine
from p2pavs.sim.parcel import Parcel


class Twins(Byzantine):
    """Each follows the protocol, with its own disk, and hears two thirds of what is said."""

    processes: ClassVar[int] = 2

    def deliver(self, parcel: Parcel) -> None:
        """Miss some, so that the two go different ways."""
        if self.random.random() < 0.67:
            super().deliver(parcel)
