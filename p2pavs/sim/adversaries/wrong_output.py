"""Computes something else: another model, a broken machine, or a lie that all of its kind share."""

from __future__ import annotations

from p2pavs.sim.adversaries.base import Byzantine
from p2pavs.sim.answers import WRONG


class WrongOutput(Byzantine):
    """Follows the protocol with a wrong result, the same one for all of its kind."""

    @property
    def own_output(self) -> bytes | None:
        """Return the lie."""
        return WRONG
