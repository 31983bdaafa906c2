"""Manifests out of a seed: what happens is random, but never to more nodes than the protocol tolerates."""

from __future__ import annotations

import random

from tests.faults.manifest import PHASES, Manifest, Perturbation, What

_OF_ONE = (What.KILL, What.RESTART, What.PAUSE, What.SLOW, What.DISCONNECT, What.DISK_FULL, What.CLOCK_SKEW)


def generate(seed: int, *, nodes: int = 4, tasks: int = 8) -> Manifest:
    """The manifest of a seed.

    A third of the nodes, at most, are victims, the same ones throughout; the chain suffers now and then.
    """
    rng = random.Random(seed)
    victims = rng.sample(range(nodes), (nodes - 1) // 3)
    found = []
    for task in range(tasks):
        phase = rng.choice(PHASES)
        if rng.random() < 0.2:
            if rng.random() < 0.5:
                found.append(Perturbation(What.RPC_DOWN, task, phase, seconds=float(rng.randint(2, 6))))
            else:
                found.append(Perturbation(What.REORG, task, phase, amount=rng.randint(1, 4)))
            continue
        what = rng.choice(_OF_ONE)
        found.append(
            Perturbation(
                what,
                task,
                phase,
                (rng.choice(victims),),
                0.0 if what is What.RESTART else float(rng.randint(2, 10)),
                rng.choice((5, 60, 600)) if what is What.CLOCK_SKEW else 0,
            )
        )
    return Manifest(f"seed-{seed}", nodes, tasks, float(rng.choice((1, 2, 4))), 180, tuple(found))
