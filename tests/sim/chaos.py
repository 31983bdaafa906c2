"""A random hostile world for every seed and adversary: what one committee may meet in years, in seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass

from consensus.collecting import MANY
from p2pavs.sim.answers import RIGHT, WRONG
from p2pavs.sim.network import NetworkModel, Partition
from p2pavs.sim.setting import Outage, Point, Setting


@dataclass
class RandomFaults:
    """Strikes members dead at random points, a limited number of times."""

    random: random.Random
    rate: float
    left: int

    def strikes(self, member: int, point: Point) -> bool:
        if self.left <= 0 or self.random.random() >= self.rate:
            return False
        self.left -= 1
        return True


@dataclass(frozen=True)
class Case:
    """One world. ``may_fork``: too many misbehave while honest results differ."""

    setting: Setting
    faults: RandomFaults | None = None
    may_fork: bool = False


def chaos(seed: int, adversary: str) -> Case:
    """The world of a seed. Most have less than a third of misbehaviour, some almost two thirds."""
    draw = random.Random(f"{adversary} {seed}")
    if draw.random() < 0.3:
        return _siege(seed, adversary, draw)
    size = draw.choice([4, 4, 5, 7, 7, 10])
    weights = tuple(draw.choice([1, 1, 2, 5]) for _ in range(size)) if draw.random() < 0.3 else (1,) * size
    mode = draw.choices(["own", "any", "beyond", "fork"], [5, 4, 1, 1])[0]
    adversaries: dict[int, str] = {}
    dead: set[int] = set()
    outputs: dict[int, bytes | None] = {}
    faulty, total = 0, sum(weights)
    numerator = 1 if mode in ("own", "any") else 2  # of thirds
    for index in draw.sample(range(size), size):
        if 3 * (faulty + weights[index]) < numerator * total:
            faulty += weights[index]
            kind = draw.random()
            if kind < 0.75 or mode in ("beyond", "fork"):
                adversaries[index] = adversary
            elif kind < 0.85:
                dead.add(index)
            elif kind < 0.95 and mode == "own":
                outputs[index] = WRONG
            else:
                outputs[index] = None
    honest = [index for index in range(size) if index not in dead and index not in adversaries]
    if mode == "any":
        outputs |= {index: b"answer %d" % (index % 3) for index in honest if index not in outputs}
    if mode == "fork":
        outputs |= {index: WRONG if index % 2 else RIGHT for index in honest}
    stable = draw.choice([0, 800, 2500, 6000])
    setting = Setting(
        weights=weights,
        seed=seed,
        adversaries=adversaries,
        dead=frozenset(dead),
        outages=tuple(
            Outage(index, start, start + draw.choice([50, 500, 5000]))
            for index in honest
            if draw.random() < 0.15
            for start in [draw.randint(0, 1500)]
        ),
        network=NetworkModel(
            latency=draw.choice(
                ["uniform:5:60", "uniform:5:60", "uniform:5:400", "constant:5", "lognormal:40"]
            ),
            loss=draw.choice([0, 0, 0.05, 0.2, 0.5, 0.9]),
            duplicate=draw.choice([0, 0, 0.2]),
            late=draw.choice([0, 0.1, 0.4]),
            late_ms=draw.choice([100, 1000]),
            partitions=_partitions(draw, size) if draw.random() < 0.35 else (),
            hush=draw.random() < (0.8 if mode == "fork" else 0.3),
            stable_ms=stable,
        ),
        rebroadcast_ms=draw.choice([400, 400, 1000]),
        many=MANY if seed % 2 else 3,  # half of the worlds have collectors
        outputs=outputs,
        slow={index: draw.randint(200, 4000) for index in honest if draw.random() < 0.15},
        execution_ms=draw.choice([500, 1500, 5000]),
        skew={index: draw.uniform(0.8, 1.25) for index in honest} if draw.random() < 0.3 else {},
        forget=draw.choice([0, 0, 0, 0, 2]),
        catch_up=draw.random() < 0.5,
        any_value=mode == "any",
        limit_ms=200_000 if mode in ("own", "any") else 4000,
    )
    faults = None
    if draw.random() < 0.4:
        rate = draw.choice([0.003, 0.02, 0.1])
        faults = RandomFaults(random.Random(draw.random()), rate, draw.randint(1, 8))
    return Case(setting, faults, may_fork=mode == "fork")


def _siege(seed: int, adversary: str, draw: random.Random) -> Case:
    """What is worst for locks: any value is valid, each has another one, who has decided is not heard."""
    size = draw.choice([4, 4, 4, 7])
    guilty = draw.sample(range(size), (size - 1) // 3)
    alone = draw.choice([index for index in range(size) if index not in guilty])
    start = draw.randint(0, 300)
    setting = Setting(
        weights=(1,) * size,
        seed=seed,
        adversaries=dict.fromkeys(guilty, adversary),
        network=NetworkModel(
            latency=draw.choice(["uniform:5:60", "uniform:5:120", "constant:20"]),
            loss=draw.choice([0.1, 0.3, 0.5]),
            late=draw.choice([0, 0.2]),
            late_ms=400,
            partitions=(Partition(start, start + draw.choice([100, 300, 600]), frozenset({alone})),),
            hush=True,
            stable_ms=draw.choice([3000, 6000]),
        ),
        outputs={index: b"answer %d" % index for index in range(size) if index not in guilty},
        ready_ms=draw.choice([50, 400]),
        many=MANY if seed % 2 else 3,
        catch_up=draw.random() < 0.3,
        any_value=True,
    )
    return Case(setting)


def _partitions(draw: random.Random, size: int) -> tuple[Partition, ...]:
    if draw.random() < 0.4:
        side = frozenset(range(0, size, 2))
    else:
        side = frozenset(draw.sample(range(size), draw.randint(1, size - 1)))
    start = draw.randint(0, 800)
    return (Partition(start, start + draw.choice([300, 1500, 4000]), side),)
