"""Members that misbehave, each kind in one way. They sign with their own keys only."""

from __future__ import annotations

from typing import Final

from p2pavs.sim.adversaries.absent import Absent
from p2pavs.sim.adversaries.base import Byzantine
from p2pavs.sim.adversaries.deny import Denier
from p2pavs.sim.adversaries.equivocate import Equivocator
from p2pavs.sim.adversaries.hoard import Hoarder
from p2pavs.sim.adversaries.lazy import Lazy
from p2pavs.sim.adversaries.repeat import Repeater
from p2pavs.sim.adversaries.spam import Spammer
from p2pavs.sim.adversaries.split_proposal import SplitProposer
from p2pavs.sim.adversaries.twins import Twins
from p2pavs.sim.adversaries.withhold import Withholder
from p2pavs.sim.adversaries.wrong_output import WrongOutput

KINDS: Final[dict[str, type[Byzantine]]] = {
    "absent": Absent,
    "equivocate": Equivocator,
    "withhold": Withholder,
    "hoard": Hoarder,
    "deny": Denier,
    "repeat": Repeater,
    "spam": Spammer,
    "split_proposal": SplitProposer,
    "lazy": Lazy,
    "wrong_output": WrongOutput,
    "twins": Twins,
}
