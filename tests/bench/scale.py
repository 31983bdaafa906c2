"""How the network does with its size: ``python -m tests.bench.scale [--nodes 4 --nodes 8 ...] [--tasks 12]``.

Whole networks on this machine, every node its own process, the demo model, one token an answer. For each
size the table says how long it took from the last needed output (with which more than two thirds of the
weight have theirs) to the certificate, over all nodes and tasks; and per node and task: gossip sent and
received, and computing time of node and worker; and the memory of a node and its worker.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from testnet.network import node_name
from tests.e2e.harness import Testnet
from tests.faults.load import Load
from tests.faults.measure import children, cpu_seconds, resident

SIZES = (4, 8, 16, 32)
EVERY = 3.0
WARM_UP = 3


@dataclass(slots=True)
class Sample:
    """Counters of all nodes at one moment."""

    messages_in: float = 0.0
    messages_out: float = 0.0
    bytes_in: float = 0.0
    cpu: float = 0.0
    worker_cpu: float = 0.0


def sample(net: Testnet) -> Sample:
    """Sum over the nodes."""
    total = Sample()
    for index in range(net.nodes):
        metrics = _metrics(net, index)
        total.messages_in += metrics["network_messages_in_total"]
        total.messages_out += metrics["network_messages_out_total"]
        total.bytes_in += metrics["network_bytes_in_total"]
        pid = net.network.state.processes[node_name(index)].pid
        total.cpu += cpu_seconds(pid)
        total.worker_cpu += sum(map(cpu_seconds, children(pid)))
    return total


def _metrics(net: Testnet, index: int) -> dict[str, float]:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(net.network.state.apis[index] + "/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {name.removeprefix("p2pavs_"): float(value) for name, value in pairs}


def latencies(net: Testnet, tasks: Sequence[int]) -> list[float]:
    """Seconds from the last needed output to the certificate, for each node and task."""
    found = []
    for task in tasks:
        outputs, certificates = [], []
        for index in range(net.nodes):
            at = {event["event"]: event["at"] for event in net.api(index, f"/tasks/{task}/events")}
            if "inference_done" in at:
                outputs.append(at["inference_done"])
            if "certificate" in at:
                certificates.append(at["certificate"])
        needed = 2 * net.nodes // 3 + 1  # all have the same stake
        if len(outputs) >= needed:
            last = sorted(outputs)[needed - 1]
            found += [max(0.0, one - last) for one in certificates]
    return found


def run(nodes: int, tasks: int, every: float, directory: Path) -> None:
    """Measure one size and print its line."""
    with Testnet.start(directory, nodes) as net:
        _load(net, WARM_UP, every)
        before, begin = sample(net), time.monotonic()
        posted = _load(net, tasks, every)
        after, took = sample(net), time.monotonic() - begin
        found = sorted(latencies(net, posted))
        pids = [net.network.state.processes[node_name(index)].pid for index in range(nodes)]
        memory = statistics.mean(map(resident, pids))
        worker = statistics.mean(sum(map(resident, children(pid))) for pid in pids)
    each = nodes * tasks
    print(
        f"{nodes:>5}{len(posted):>7}{found[len(found) // 2]:>8.2f}{found[int(len(found) * 0.99)]:>8.2f}"
        f"{(after.messages_out - before.messages_out) / each:>9.1f}"
        f"{(after.messages_in - before.messages_in) / each:>9.1f}"
        f"{(after.bytes_in - before.bytes_in) / each / 1000:>9.1f}"
        f"{1000 * (after.cpu - before.cpu) / each:>10.0f}"
        f"{1000 * (after.worker_cpu - before.worker_cpu) / each:>9.0f}"
        f"{memory:>9.0f}{worker:>8.0f}{took:>8.0f}",
        flush=True,
    )


def _load(net: Testnet, tasks: int, every: float) -> list[int]:
    load = Load(net, tasks, every, 300)
    load.start()
    try:
        net.wait_until(lambda: load.done, "all requests are on the chain", 300)
        for task in load.posted.values():
            net.wait_certified(task, 300)
        time.sleep(2)
    finally:
        load.close()
    return sorted(load.posted.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale")
    parser.add_argument("--nodes", action="append", type=int, help="repeatable; default 4, 8, 16, 32")
    parser.add_argument("--tasks", type=int, default=12)
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two requests")
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    header = f"{'nodes':>5}{'tasks':>7}{'p50 s':>8}{'p99 s':>8}{'sent':>9}{'received':>9}{'kB in':>9}"
    print(f"{header}{'CPU ms':>10}{'worker':>9}{'node MB':>9}{'worker':>8}{'took s':>8}")
    for nodes in given.nodes or SIZES:
        with tempfile.TemporaryDirectory(prefix="p2pavs-scale-") as directory:
            run(nodes, given.tasks, given.every, Path(directory) / "net")
    return 0


if __name__ == "__main__":
    sys.exit(main())
