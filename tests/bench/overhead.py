"""What agreement takes as committees grow: ``python -m tests.bench.overhead [--nodes 4 --nodes 8 ...]``.

Latencies as ``tests.bench.scale`` takes them, with signatures and the lag of the event loops beside them.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from p2pavs.bench.part import percentile, run, say
from p2pavs.bench.result import Chart, Result
from p2pavs.loop_lag import LAG_SECONDS
from tests.bench import scale
from tests.bench.metrics import Metrics
from tests.bench.processes import Cpu, node_pids
from tests.e2e.harness import Testnet
from tests.faults.load import Load
from tests.faults.measure import children, resident

EVERY = {4: 2.0, 8: 3.0, 16: 8.0, 32: 20.0}
"""Seconds between two tasks: so that one is over before the next begins on two cores."""
WARM_UP = 3
GOALS = {4: 0.5, 16: 1.0, 32: 2.0}  # seconds, p50


@dataclass(frozen=True, slots=True)
class Row:
    """One size; all but the latencies for each node, counters for each task as well."""

    nodes: int
    latencies: list[float]
    sent: float
    received: float
    kilobytes: float
    cpu_ms: float
    bls_ms: float
    worker_ms: float
    lag_ms: float
    memory: float
    worker_memory: float


def load(net: Testnet, tasks: int, every: float) -> list[int]:
    """The numbers of so many tasks, all certified."""
    requests = Load(net, tasks, every, 300)
    requests.start()
    try:
        net.wait_until(lambda: requests.done, "all requests are on the chain", 300)
        for task in requests.posted.values():
            net.wait_certified(task, 300)
        time.sleep(2)
    finally:
        requests.close()
    return sorted(requests.posted.values())


def one_size(nodes: int, tasks: int) -> Row:
    """A network of its own: some tasks to warm up, then those that count."""
    every = EVERY.get(nodes, nodes / 2)
    say(f"a test network of {nodes} nodes begins")
    with (
        tempfile.TemporaryDirectory(prefix="p2pavs-overhead-") as directory,
        Testnet.start(Path(directory) / "net", nodes) as net,
    ):
        load(net, WARM_UP, every)
        say(f"{nodes} nodes, {tasks} tasks, one every {every:g} s")
        before, cpu = Metrics.of(net), Cpu.of(net)
        posted = load(net, tasks, every)
        after, spent = Metrics.of(net), Cpu.of(net) - cpu
        found = scale.latencies(net, posted)
        pids = node_pids(net)
        memory = max(map(resident, pids))
        worker = max(sum(map(resident, children(pid))) for pid in pids)
    each = nodes * tasks
    return Row(
        nodes,
        found,
        after.since(before, "network_messages_out_total") / each,
        after.since(before, "network_messages_in_total") / each,
        after.since(before, "network_bytes_in_total") / each / 1000,
        1000 * spent.nodes / each,
        1000 * after.since(before, "verification_cpu_seconds_sum") / each,
        1000 * spent.workers / each,
        1000 * after.percentile_since(before, "event_loop_lag_seconds", 0.99),
        memory,
        worker,
    )


def measure(options: argparse.Namespace) -> Result:
    """Every size; one that fails is a note, and the larger ones are left out."""
    result = Result()
    rows: list[Row] = []
    for nodes in options.nodes or ((4,) if options.quick else scale.SIZES):
        try:
            rows.append(one_size(nodes, 4 if options.quick else options.tasks))
        except (AssertionError, RuntimeError) as error:
            result.notes.append(f"{nodes} nodes: {type(error).__name__}: {error}"[:500])
            break
        time.sleep(1)
    result.table(
        (
            "nodes", "p50 s", "p99 s", "goal s", "sent", "received", "kB received", "CPU ms", "of it BLS",
            "worker CPU ms", "loop lag p99 ms", "MB", "worker MB",
        ),
        [
            (
                row.nodes,
                percentile(row.latencies, 0.5),
                percentile(row.latencies, 0.99),
                GOALS.get(row.nodes),
                row.sent,
                row.received,
                row.kilobytes,
                row.cpu_ms,
                row.bls_ms,
                row.worker_ms,
                row.lag_ms if math.isfinite(row.lag_ms) else f"over {1000 * LAG_SECONDS[-1]:,.0f}",
                row.memory,
                row.worker_memory,
            )
            for row in rows
        ],
        "from the last needed output to the certificate, over all nodes and tasks; messages, bytes and "
        "processor time for each node and task; lag: the bucket's bound",
    )  # fmt: skip
    for row in rows:
        result.measured(
            "committee_overhead",
            {
                "latency_p50_s": percentile(row.latencies, 0.5),
                "latency_p99_s": percentile(row.latencies, 0.99),
                "messages_sent": row.sent,
                "messages_received": row.received,
                "kilobytes_received": row.kilobytes,
                "cpu_ms": row.cpu_ms,
                "signature_cpu_ms": row.bls_ms,
                **({"event_loop_lag_p99_ms": row.lag_ms} if math.isfinite(row.lag_ms) else {}),
                "memory_mb": row.memory,
            },
            nodes=row.nodes,
            model="demo",
        )
    if rows:
        lines = {
            name: tuple((row.nodes, percentile(row.latencies, share)) for row in rows)
            for name, share in (("p50", 0.5), ("p99", 0.99))
        }
        result.charts.append(Chart("From the last needed output to the certificate", "nodes", "s", lines))
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, action="append", help="repeatable; default 4, 8, 16, 32")
    parser.add_argument("--tasks", type=int, default=10)


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, add_options=add_options, description=__doc__))
