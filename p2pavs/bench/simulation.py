"""What happens with more nodes than one has: ``python -m p2pavs.bench.simulation``.

The simulator behind ``p2pavs sim`` in this process: whole sets up to 64, then 64 seats drawn of ever more
nodes. Beside it the chance that a committee drawn by lot is unsafe, which is exact arithmetic, and what real
networks took, where the benchmark 'overhead' has measured them in the same document.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from pathlib import Path

from p2pavs.bench.part import run, say
from p2pavs.bench.report import read_report
from p2pavs.bench.result import Cell, Chart, Result
from p2pavs.sim.campaign import Plan, TaskReport
from p2pavs.sim.campaign import run as simulate
from p2pavs.sim.network import NetworkModel
from p2pavs.sim.population import Population, equal_stakes
from p2pavs.sim.report import percentile

WHOLE = (4, 8, 16, 32)
DRAWN = (100, 1_000, 10_000)
SEATS = 64
LOCAL = "constant:1"
"""One host: a message takes about 1 ms."""
WIDE = "lognormal:60"
SAFETY_SEATS = (7, 16, 31, 64, 100, 128, 256)
STAKES = (10, 20, 25, 33)
REPORT = Path("docs/benchmarks/report.json")


def reports(nodes: int, seats: int, tasks: int, latency: str, byzantine: float = 0.0) -> list[TaskReport]:
    """So many tasks, answers ready at once on a local network, within a second on a wide one."""
    population = Population.make(equal_stakes(nodes), byzantine, ["equivocate"], seed=1)
    ready = 1 if latency == LOCAL else 1000
    network = NetworkModel(latency=latency)
    return list(simulate(Plan(population, seats, range(tasks), seed=1, network=network, ready_ms=ready)))


def row(name: str, found: list[TaskReport], seconds: float) -> tuple[Cell, ...]:
    """One line of the table of sizes."""
    decided = [one for one in found if one.decided]
    last = [float(one.last_ms) for one in decided if one.last_ms is not None]
    rounds = [float(one.rounds) for one in decided]
    return (
        name,
        f"{len(decided)} of {len(found)}",
        int(percentile(rounds, 0.5)),
        int(percentile(rounds, 0.99)),
        percentile(last, 0.5) / 1000,
        percentile(last, 0.99) / 1000,
        percentile([float(n) for one in found for n in one.sent], 0.5),
        percentile([float(n) for one in found for n in one.received_bytes], 0.5) / 1000,
        sum(one.violation is not None for one in found),
        1000 * seconds / len(found),
    )


def unsafe(seats: int, percent: int, most: int) -> float:
    """The chance that Byzantine stake gets more than ``most`` of the seats: exact, then rounded."""
    bad = Fraction(percent, 100)
    total = sum(
        comb(seats, count) * bad**count * (1 - bad) ** (seats - count) for count in range(most + 1, seats + 1)
    )
    return float(total)


def measure(options: argparse.Namespace) -> Result:
    """Sizes, safety, and predicted beside measured."""
    result = Result()
    few = 3 if options.quick else options.tasks
    rows: list[tuple[Cell, ...]] = []
    points: dict[str, list[tuple[float, float]]] = {"p50": [], "p99": []}
    for nodes in DRAWN[:2] if options.quick else DRAWN:
        for byzantine in (0.0, 0.25):
            what = "honest" if byzantine == 0 else "25% of the stake equivocates"
            say(f"{nodes:,} nodes, {SEATS} seats, {what}")
            began = time.process_time()
            found = reports(nodes, SEATS, few, WIDE, byzantine)
            rows.append(row(f"{SEATS} seats of {nodes:,}, {what}", found, time.process_time() - began))
            result.measured(
                "simulation",
                {
                    "latency_p50_s": float(rows[-1][4] or 0),
                    "latency_p99_s": float(rows[-1][5] or 0),
                    "rounds_p50": float(rows[-1][2] or 0),
                    "violations": float(rows[-1][8] or 0),
                },
                nodes=nodes,
                seats=SEATS,
                byzantine_share=byzantine,
            )
            if byzantine == 0:
                points["p50"].append((nodes, float(rows[-1][4] or 0)))
                points["p99"].append((nodes, float(rows[-1][5] or 0)))
    result.table(
        (
            "committee", "decided", "rounds p50", "p99", "virtual s p50", "p99", "messages sent",
            "kB received", "violations", "CPU ms a task",
        ),
        rows,
        f"{few} tasks each, delays lognormal around 60 ms, answers within 1 s; messages for each member, "
        "without what gossip forwards",
    )  # fmt: skip
    predicted(result, few)
    safety(result)
    result.charts.append(
        Chart(
            f"Latency of {SEATS} seats",
            "nodes",
            "virtual s",
            {name: tuple(line) for name, line in points.items()},
            log_x=True,
        )
    )
    return result


def predicted(result: Result, tasks: int) -> None:
    """Whole sets on a local network, beside what real processes took."""
    measured = measured_latencies(REPORT)
    rows: list[tuple[Cell, ...]] = []
    lines: dict[str, list[tuple[float, float]]] = {"predicted": [], "measured": []}
    for nodes in WHOLE:
        say(f"{nodes} nodes, one host")
        found = reports(nodes, 0, tasks, LOCAL)
        last = [float(one.last_ms) / 1000 for one in found if one.last_ms is not None]
        sent = percentile([float(n) for one in found for n in one.sent], 0.5)
        real = measured.get(nodes)
        virtual = percentile(last, 0.5)
        if real is None:
            rows.append((nodes, virtual, None, None, sent, None))
            lines["predicted"].append((nodes, virtual))
            continue
        checked = virtual + real.checking
        rows.append((nodes, virtual, checked, real.p50, sent, real.sent))
        lines["predicted"].append((nodes, checked))
        lines["measured"].append((nodes, real.p50))
    result.table(
        (
            "nodes",
            "messages alone, p50 s",
            "with signatures",
            "measured",
            "messages sent, predicted",
            "measured",
        ),
        rows,
        "one host; sent: messages of a node. In the simulator messages take 1 ms and computing nothing; "
        "'with signatures' adds the time in which the machine's cores check a task's signatures for all "
        "nodes, as measured. What is above that is other work of the nodes, and waiting for a core",
    )
    if lines["measured"]:
        result.charts.append(
            Chart(
                "From the last needed output to the certificate",
                "nodes",
                "s",
                {name: tuple(line) for name, line in lines.items()},
            )
        )
    else:
        result.notes.append(
            "Nothing measured to compare with: run 'overhead' with --out docs/benchmarks.md first."
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What real nodes took for a task."""

    p50: float  # seconds
    sent: float  # messages of a node
    checking: float  # seconds in which the machine's cores check the signatures of all nodes


def measured_latencies(path: Path) -> dict[int, Measured]:
    """By number of nodes; empty where 'overhead' is not in the report."""
    overhead = read_report(path).get("overhead")
    if overhead is None:
        return {}
    found = {}
    for one in overhead.result.measurements:
        if one.workload == "committee_overhead":
            nodes, metrics = int(one.settings["nodes"]), one.metrics
            # Small networks on many cores check in parallel, and no faster than one node does.
            together = nodes / min(nodes, int(overhead.machine["cores"]))
            checking = metrics["signature_cpu_ms"] / 1000 * together
            found[nodes] = Measured(metrics["latency_p50_s"], metrics["messages_sent"], checking)
    return found


def safety(result: Result) -> None:
    """How likely it is that a drawn committee is unsafe, by its size."""
    rows: list[tuple[Cell, ...]] = []
    lines: dict[str, list[tuple[float, float]]] = {f"{percent}%": [] for percent in STAKES}
    for seats in SAFETY_SEATS:
        chances = {percent: unsafe(seats, percent, 2 * seats // 3) for percent in STAKES}
        rows.append((seats, *(f"{chance:.1e}" for chance in chances.values())))
        for percent, chance in chances.items():
            if chance > 1e-30:
                lines[f"{percent}%"].append((seats, chance))
    result.table(
        ("seats", *(f"{percent}% Byzantine" for percent in STAKES)),
        rows,
        "chance that Byzantine stake gets more than two thirds of the seats and can certify what it likes "
        "(independent draws)",
    )
    result.charts.append(
        Chart(
            "Chance of a committee that certifies what Byzantine stake likes",
            "seats",
            "chance",
            {name: tuple(line) for name, line in lines.items()},
            log_x=True,
            log_y=True,
        )
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this benchmark can be told."""
    parser.add_argument("--tasks", type=int, default=30, help="simulated for each row (30)")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, add_options=add_options, description=__doc__))
