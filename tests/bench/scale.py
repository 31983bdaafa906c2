"""How the network does with its size: ``python -m tests.bench.scale [--nodes 4 --nodes 8 ...] [--tasks 12]``.

Whole networks on this machine, every node its own process, the demo model, one token an answer. For each
size the table says how long it took from the last needed output (with which more than two thirds of the
weight have theirs) to the certificate, over all members and tasks; and per node and task: gossip sent,
received and refused, and computing time of node and worker; the share of a core that a node takes without
tasks; and the memory of a node and its worker. ``--committee SEATS`` draws committees instead of asking the
whole set.
"""

from __future__ import annotations

import argparse
import json
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
DEADLINE = 300
SETTLE, IDLE = 5.0, 10.0  # seconds


@dataclass(slots=True)
class Sample:
    """Counters of all nodes at one moment."""

    messages_in: float = 0.0
    messages_out: float = 0.0
    refused: float = 0.0
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
        total.refused += metrics["network_messages_rejected_total"]
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


def latencies(net: Testnet, tasks: Sequence[int], members: Sequence[int] | None = None) -> list[float]:
    """Seconds from the last needed output to the certificate, for each member and task.

    ``members``: the nodes whose outputs and certificates count (default: all).
    """
    operators = [(index, _operator(net, index)) for index in members or range(net.nodes)]
    found = []
    for task in tasks:
        outputs, certificates = [], []
        weights: dict[str, int] = {}
        for index, operator in operators:
            events = {event["event"]: event for event in net.api(index, f"/tasks/{task}/events")}
            for member in events.get("committee", {}).get("members", ()):
                weights[member["operator"]] = int(member["weight"])
            if "inference_done" in events:
                outputs.append((events["inference_done"]["at"], operator))
            if "certificate" in events:
                certificates.append(events["certificate"]["at"])
        weight = 0
        for at, operator in sorted(outputs):
            weight += weights[operator]
            if 3 * weight > 2 * sum(weights.values()):
                found += [max(0.0, one - at) for one in certificates]
                break
    return found


def _operator(net: Testnet, index: int) -> str:
    document: dict[str, str] = json.loads((net.network.layout.data(index) / "node.json").read_text())
    return document["operator"]


def idle_share(net: Testnet, seconds: float) -> float:
    """Percent of a core that a node with its worker takes while nothing is asked, on average."""
    before, begin = sample(net), time.monotonic()
    time.sleep(seconds)
    after = sample(net)
    used = after.cpu + after.worker_cpu - before.cpu - before.worker_cpu
    return 100 * used / net.nodes / (time.monotonic() - begin)


def run(nodes: int, tasks: int, every: float, committee: int, directory: Path) -> None:
    """Measure one size and print its line."""
    with Testnet.start(directory, nodes) as net:
        time.sleep(SETTLE)
        idle = idle_share(net, IDLE)
        _load(net, WARM_UP, every, committee)
        before, begin = sample(net), time.monotonic()
        posted = _load(net, tasks, every, committee)
        after, took = sample(net), time.monotonic() - begin
        found = sorted(latencies(net, posted))
        pids = [net.network.state.processes[node_name(index)].pid for index in range(nodes)]
        memory = statistics.mean(map(resident, pids))
        worker = statistics.mean(sum(map(resident, children(pid))) for pid in pids)
    each = nodes * tasks
    print(
        f"{nodes:>5}{committee or nodes:>7}{len(posted):>7}"
        f"{found[len(found) // 2]:>8.2f}{found[int(len(found) * 0.99)]:>8.2f}"
        f"{(after.messages_out - before.messages_out) / each:>9.1f}"
        f"{(after.messages_in - before.messages_in) / each:>9.1f}"
        f"{(after.refused - before.refused) / each:>9.1f}"
        f"{(after.bytes_in - before.bytes_in) / each / 1000:>9.1f}"
        f"{idle:>8.2f}"
        f"{1000 * (after.cpu - before.cpu) / each:>10.0f}"
        f"{1000 * (after.worker_cpu - before.worker_cpu) / each:>9.0f}"
        f"{memory:>9.0f}{worker:>8.0f}{took:>8.0f}",
        flush=True,
    )


def _load(net: Testnet, tasks: int, every: float, committee: int = 0) -> list[int]:
    load = Load(net, tasks, every, DEADLINE, committee=committee)
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
    parser.add_argument("--committee", type=int, default=0, help="seats; default: the whole set")
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    header = f"{'nodes':>5}{'seats':>7}{'tasks':>7}{'p50 s':>8}{'p99 s':>8}{'sent':>9}{'received':>9}"
    header += f"{'refused':>9}{'kB in':>9}{'idle %':>8}"
    print(f"{header}{'CPU ms':>10}{'worker':>9}{'node MB':>9}{'worker':>8}{'took s':>8}")
    for nodes in given.nodes or SIZES:
        with tempfile.TemporaryDirectory(prefix="p2pavs-scale-") as directory:
            run(nodes, given.tasks, given.every, given.committee, Path(directory) / "net")
    return 0


if __name__ == "__main__":
    sys.exit(main())
