"""How fast the simulator is and where its time goes: ``python -m tests.sim.bench``."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections import defaultdict
from pathlib import Path

from p2pavs.bench.part import run, say
from p2pavs.bench.result import Result
from p2pavs.sim.campaign import Plan
from p2pavs.sim.campaign import run as simulate
from p2pavs.sim.network import NetworkModel
from p2pavs.sim.population import Population, equal_stakes

CASES = (
    ("7 members, all honest", 7, 0, 0.0, 400),
    ("7 members, 25% equivocate", 7, 0, 0.25, 400),
    ("64 seats of 10,000 nodes, all honest", 10_000, 64, 0.0, 10),
    ("64 seats of 10,000 nodes, 25% equivocate", 10_000, 64, 0.25, 10),
)
PARTS = {
    "gossip_rules.py": "gossip rules",
    "vote_keeper.py": "vote keeper",
    "instance.py": "instance",
    "driver.py": "driver and rounds",
    "round_state.py": "driver and rounds",
    "hashing.py": "keccak (values, statements, work tags)",
    "keccak.py": "keccak (values, statements, work tags)",
    "signing.py": "keccak (values, statements, work tags)",
    "wire.py": "encoding",
    "wire_reader.py": "encoding",
    "encoding.py": "encoding",
    "committee.py": "weights and quorums",
    "verification.py": "signatures, certificates, evidence",
    "certificate.py": "signatures, certificates, evidence",
    "evidence.py": "signatures, certificates, evidence",
    "signatures.py": "signatures, certificates, evidence",
    "host.py": "the simulator's hosts",
    "engine.py": "queue and network",
    "network.py": "queue and network",
    "random.py": "queue and network",
}
"""Built-in functions count for nobody but themselves."""


def plan(nodes: int, seats: int, byzantine: float, tasks: int) -> Plan:
    population = Population.make(equal_stakes(nodes), byzantine, ["equivocate"], seed=1)
    return Plan(population, seats, range(tasks), seed=1, network=NetworkModel(latency="lognormal:60"))


def measure(options: argparse.Namespace) -> Result:
    """Every case, then a profile of the smallest and of the largest."""
    result, rows = Result(), []
    for name, nodes, seats, byzantine, many in CASES:
        say(name)
        tasks = max(3, many // 20) if options.quick else many
        began = time.process_time()
        reports = list(simulate(plan(nodes, seats, byzantine, tasks)))
        each = (time.process_time() - began) / tasks
        steps = sum(report.steps for report in reports) // tasks
        rows.append((name, tasks, 1000 * each, round(60 / each), steps))
    result.table(("case", "instances", "CPU ms each", "a minute", "steps each"), rows)
    for name, nodes, seats, byzantine, tasks in (CASES[0], CASES[3]):
        say(f"profile: {name}")
        profile = cProfile.Profile()
        profile.enable()
        for _ in simulate(plan(nodes, seats, byzantine, 3 if options.quick else max(3, tasks // 4))):
            pass
        profile.disable()
        parts = [(part, round(share)) for part, share in _shares(profile)]
        result.table(("part", "%"), parts, f"where the time goes: {name}")
    return result


def _shares(profile: cProfile.Profile) -> list[tuple[str, float]]:
    spent: dict[str, float] = defaultdict(float)
    # path, line, name -> calls, primitive calls, own time, cumulative time, callers
    for (path, _, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[PARTS.get(Path(path).name, "built-in functions" if path == "~" else "everything else")] += own
    total = sum(spent.values())
    return [(part, 100 * own / total) for part, own in sorted(spent.items(), key=lambda item: -item[1])]


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, description=__doc__))
