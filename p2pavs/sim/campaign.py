"""Many tasks, one after the other: what users simulate."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from consensus.timeouts import TimeoutConfig
from consensus.types import MAX_OUTPUT_BYTES
from p2pavs.sim.engine import Simulation
from p2pavs.sim.invariants import Violation
from p2pavs.sim.network import NetworkModel
from p2pavs.sim.population import Population
from p2pavs.sim.setting import Setting
from p2pavs.sim.signatures import BlsKeyring, KeyedKeyring
from p2pavs.sim.trace import Trace

REBROADCAST_MS = 2000
SETTLE_MS = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate. Times are virtual milliseconds."""

    population: Population
    seats: int
    tasks: range
    seed: int
    network: NetworkModel
    crashed: int = 0
    """Honest members of each committee that are down all the time."""
    ready_ms: int = 1000
    output_bytes: int = 256
    limit_ms: int = 300_000
    hopeless_limit_ms: int = 30_000
    """How long a committee runs on which more than a third is faulty: it owes no decision."""
    real_signatures: bool = False


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What became of one task. Messages and bytes are of each honest member."""

    task: int
    members: int
    faulty_share: float
    within_bound: bool
    decided: bool
    rounds: int
    first_ms: int | None
    last_ms: int | None
    sent: tuple[int, ...]
    sent_bytes: tuple[int, ...]
    received: tuple[int, ...]
    received_bytes: tuple[int, ...]
    evidence: Counter[str]
    guilty: int
    """Members with evidence against them."""
    violation: str | None
    steps: int


def setting_of(plan: Plan, task: int) -> Setting:
    """Return the instance of one task of a plan."""
    drawn = plan.population.draw(plan.seed, task, plan.seats)
    chosen = {
        place: plan.population.adversaries[operator]
        for place, operator in enumerate(drawn.operators)
        if operator in plan.population.adversaries
    }
    draw = random.Random(f"task {task} of {plan.seed}")  # noqa: S311 - a simulation must be reproducible
    honest = [place for place in range(len(drawn.operators)) if place not in chosen]
    dead = frozenset(draw.sample(honest, min(plan.crashed, len(honest))))
    setting = Setting(
        weights=drawn.weights,
        seed=draw.randrange(1 << 48),
        task=task + 1,
        task_seed=drawn.task_seed,
        operators=drawn.operators,
        adversaries=chosen,
        dead=dead,
        network=plan.network,
        timeouts=TimeoutConfig(),
        rebroadcast_ms=REBROADCAST_MS,
        answer=(b"answer %d " % task).ljust(min(plan.output_bytes, MAX_OUTPUT_BYTES), b"."),
        ready_ms=plan.ready_ms,
        limit_ms=plan.limit_ms,
    )
    if setting.within_bound:
        return setting
    return replace(setting, limit_ms=plan.hopeless_limit_ms)


def run(plan: Plan, trace: Trace | None = None) -> Iterator[TaskReport]:
    """Simulate task by task; a violation ends its task and is in its report."""
    keyring = BlsKeyring() if plan.real_signatures else KeyedKeyring(b"%d" % plan.seed)
    for task in plan.tasks:
        setting = setting_of(plan, task)
        if trace is not None:
            trace.begin(seed=plan.seed, task=task, weights=list(setting.weights))
        simulation = Simulation(setting, keyring, trace=trace)
        problem = None
        try:
            simulation.run(SETTLE_MS)
        except Violation as violation:
            problem = str(violation)
        if trace is not None:
            trace.end(problem or ("decided" if simulation.decided else "undecided"))
        yield report(simulation, task, problem)


def report(simulation: Simulation, task: int, problem: str | None) -> TaskReport:
    """Sum up one instance."""
    setting, watch = simulation.setting, simulation.invariants
    traffic = [host.traffic for host in simulation.honest_hosts()]
    times = sorted(watch.decided_ms.values())
    decided = simulation.decided and bool(times)
    return TaskReport(
        task=task,
        members=len(setting.weights),
        faulty_share=setting.faulty_weight / sum(setting.weights),
        within_bound=setting.within_bound,
        decided=decided,
        rounds=simulation.rounds,
        first_ms=times[0] if times else None,
        last_ms=times[-1] if decided else None,
        sent=tuple(one.sent for one in traffic),
        sent_bytes=tuple(one.sent_bytes for one in traffic),
        received=tuple(one.received for one in traffic),
        received_bytes=tuple(one.received_bytes for one in traffic),
        evidence=Counter(offence.name for offence, _ in watch.evidence),
        guilty=len({accused for _, accused in watch.evidence}),
        violation=problem,
        steps=simulation.steps,
    )
