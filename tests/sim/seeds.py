"""Run many random worlds: ``python -m tests.sim.seeds --seeds 10000``.

Prints what failed and the command that replays it; exits 1 if anything did.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from p2pavs.sim.adversaries import KINDS
from p2pavs.sim.engine import Simulation
from p2pavs.sim.invariants import Violation
from p2pavs.sim.trace import Trace
from tests.sim.chaos import chaos

CHUNK = 100


@dataclass
class Outcome:
    """What some seeds showed."""

    runs: int = 0
    decided: int = 0
    rounds: int = 0
    steps: int = 0
    forks: int = 0
    crashes: int = 0
    evidence: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, int, str]] = field(default_factory=list)  # adversary, seed, what

    def add(self, other: Outcome) -> None:
        self.runs += other.runs
        self.decided += other.decided
        self.rounds = max(self.rounds, other.rounds)
        self.steps += other.steps
        self.forks += other.forks
        self.crashes += other.crashes
        self.evidence += other.evidence
        self.failures += other.failures

    def line(self, name: str) -> str:
        found = ", ".join(f"{count} {offence.lower()}" for offence, count in sorted(self.evidence.items()))
        return (
            f"{name:15} {self.runs:6} runs, {self.decided} decided, at most {self.rounds} rounds, "
            f"{self.crashes} crashes, {self.forks} forks accounted for, {len(self.failures)} violations; "
            f"evidence: {found or 'none'}"
        )


def replay_command(adversary: str, seed: int) -> str:
    return f"python -m tests.sim.seeds --adversary {adversary} --seeds {seed}:{seed + 1} --trace trace.jsonl"


def run(adversary: str, seeds: range, stop_at_first: bool = False, trace: Path | None = None) -> Outcome:
    """Run the worlds of these seeds."""
    outcome = Outcome()
    for seed in seeds:
        case = chaos(seed, adversary)
        outcome.runs += 1
        if trace is None:
            simulation = Simulation(case.setting, faults=case.faults)
            problem = _problem(simulation, case.may_fork, outcome)
        else:
            with trace.open("a") as file:
                writer = Trace(file)
                writer.begin(adversary=adversary, seed=seed, setting=str(case.setting))
                simulation = Simulation(case.setting, faults=case.faults, trace=writer)
                problem = _problem(simulation, case.may_fork, outcome)
                writer.end(problem or "no violation")
        outcome.decided += simulation.decided
        outcome.rounds = max(outcome.rounds, simulation.rounds)
        outcome.steps += simulation.steps
        outcome.crashes += sum(host.life for host in simulation.hosts)
        outcome.evidence.update(offence.name for offence, _ in simulation.invariants.evidence)
        if problem is not None:
            outcome.failures.append((adversary, seed, problem))
            if stop_at_first:
                break
    return outcome


def _problem(simulation: Simulation, may_fork: bool, outcome: Outcome) -> str | None:
    try:
        simulation.run()
    except Violation as violation:
        if may_fork and violation.kind == "agreement":
            outcome.forks += 1
            return None
        return str(violation)
    return None


def _chunk(job: tuple[str, int, int, bool]) -> tuple[str, Outcome]:
    adversary, start, stop, first = job
    return adversary, run(adversary, range(start, stop), first)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1000", help="how many, or A:B")
    parser.add_argument("--adversary", choices=list(KINDS), help="only this one")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--stop", action="store_true", help="stop at the first violation")
    parser.add_argument("--trace", type=Path, help="write every input and effect to this file")
    given = parser.parse_args(arguments)
    low, _, high = given.seeds.rpartition(":")
    seeds = range(int(low or 0), int(high))
    kinds = [given.adversary] if given.adversary else list(KINDS)
    began = time.monotonic()
    outcomes = {kind: Outcome() for kind in kinds}
    if given.trace is not None:
        given.trace.write_text("")
        for kind in kinds:
            outcomes[kind] = run(kind, seeds, given.stop, given.trace)
    else:
        chunks = range(seeds.start, seeds.stop, CHUNK)
        jobs = [(kind, at, min(at + CHUNK, seeds.stop), given.stop) for kind in kinds for at in chunks]
        # Not multiprocessing.Pool: terminating one may kill a worker that holds the queue's lock, for ever.
        with ProcessPoolExecutor(given.processes) as pool:
            running = [pool.submit(_chunk, job) for job in jobs]
            for done, finished in enumerate(as_completed(running) if given.stop else running, start=1):
                kind, outcome = finished.result()
                outcomes[kind].add(outcome)
                if given.stop and outcome.failures:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for worker in multiprocessing.active_children():
                        worker.kill()  # a planted bug may keep it busy for long
                    break
                if not given.stop and done % len(chunks) == 0:
                    print(outcomes[kind].line(kind), flush=True)
    if given.trace is not None or given.stop:
        for kind, outcome in outcomes.items():
            print(outcome.line(kind))
    failures = [failure for outcome in outcomes.values() for failure in outcome.failures]
    for adversary, seed, problem in failures[:10]:
        print(f"\nFAILED {adversary}, seed {seed}: {problem[:2000]}\n  {replay_command(adversary, seed)}")
    total = sum(outcome.runs for outcome in outcomes.values())
    print(f"{total} runs, {len(failures)} violations, {time.monotonic() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
