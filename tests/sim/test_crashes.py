"""Members die after every single effect, the last write done or lost, the last message sent or lost.

Whatever the interleaving, no member signs two statements for one slot (``Simulation`` watches every message),
replaying its log gives the same effects, and all decide in the end.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from p2pavs.sim.engine import Simulation
from p2pavs.sim.network import NetworkModel
from p2pavs.sim.setting import Point, Setting
from tests.sim.chaos import RandomFaults

WORLDS = {
    "all honest": {},
    "two proposals": {1: "split_proposal"},
    "two votes": {2: "equivocate"},
    "a lazy one": {0: "lazy"},
}
SECOND_WITHIN = 8


@dataclass
class Planned:
    """Strikes one member at its n-th points; counts the points of all."""

    member: int = -1
    at: frozenset[int] = frozenset()
    points: Counter[int] = field(default_factory=Counter)
    struck: list[Point] = field(default_factory=list)

    def strikes(self, member: int, point: Point) -> bool:
        self.points[member] += 1
        if member != self.member or self.points[member] not in self.at:
            return False
        self.struck.append(point)
        return True


def one_round(world: str, faults: Planned, any_value: bool = False) -> Simulation:
    """Four members whose proposer is there: one round decides if nothing happens."""
    adversaries = WORLDS[world]
    setting = Setting(
        seed=9,
        adversaries=adversaries,
        network=NetworkModel("uniform:5:40"),
        outputs={index: b"answer %d" % index for index in range(4)} if any_value else {},
        any_value=any_value,
    )
    simulation = Simulation(setting, faults=faults).run()
    assert simulation.decided
    return simulation


@pytest.mark.parametrize("any_value", [False, True], ids=["own values", "any value"])
@pytest.mark.parametrize("world", WORLDS)
def test_every_effect_of_one_round_of_four_may_be_the_last(world: str, any_value: bool) -> None:
    """Exhaustive: each honest member dies at each point, and again at each of the next points."""
    calm = Planned()
    one_round(world, calm, any_value)
    assert len(calm.points) == 4 - len(WORLDS[world])
    kinds: set[Point] = set()
    lives = 0
    for member, points in sorted(calm.points.items()):
        for first in range(1, points + 1):
            for second in range(first, first + SECOND_WITHIN):
                faults = Planned(member, frozenset({first, second}))
                simulation = one_round(world, faults, any_value)
                died = sum(host.life for host in simulation.hosts)
                assert 1 <= died == len(faults.struck)  # the second point may lie behind the end
                kinds.update(faults.struck)
                lives += died
    assert lives > 500
    assert kinds >= {Point.LOG_LOST, Point.LOG_DONE, Point.GUARD_LOST, Point.GUARD_DONE, Point.SENT}


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_all_members_die_at_random_points(rate: float) -> None:
    deaths = 0
    for seed in range(80):
        draw = random.Random(seed)
        size = draw.choice([4, 7])
        setting = Setting(
            weights=(1,) * size,
            seed=seed,
            adversaries={
                draw.randrange(size): draw.choice(["equivocate", "split_proposal", "twins", "withhold"])
            },
            network=NetworkModel(loss=draw.choice([0, 0.3]), stable_ms=3000),
            outputs={index: b"answer %d" % index for index in range(size)} if seed % 2 else {},
            any_value=bool(seed % 2),
        )
        simulation = Simulation(setting, faults=RandomFaults(draw, rate, 40)).run()
        assert simulation.decided
        deaths += sum(host.life for host in simulation.hosts)
    assert deaths > 200


def test_a_log_that_lost_its_end_cannot_make_a_member_equivocate() -> None:
    """A disk that lied: the guard refuses what the shortened log leads to."""
    refused = 0
    for seed in range(150):
        draw = random.Random(seed)
        setting = Setting(
            (1,) * 7,
            seed,
            network=NetworkModel(loss=0.2),
            ready_ms=600,
            forget=1 + seed % 4,
            limit_ms=20_000,
        )
        simulation = Simulation(setting, faults=RandomFaults(draw, 0.05, 7)).run()
        refused += sum(host.refused for host in simulation.hosts)
        assert not simulation.invariants.evidence
    assert refused > 0  # the guard was needed
