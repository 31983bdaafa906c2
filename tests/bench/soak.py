"""A network for a long time: ``python -m tests.bench.soak [--minutes 15] [--every 1] [--nodes 4]``.

A task every so many seconds. Every 30 seconds, and summed up at the end: memory, open files, threads of the
nodes and their workers, and the size of their databases (``--keep-tasks`` is low, so that forgetting old
tasks shows). What grows after the first third is a leak, or wants an explanation.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import structlog

from testnet.layout import Layout, claim
from testnet.network import Network, node_name
from testnet.startup import bring_up
from tests.e2e.harness import Testnet
from tests.faults import checks
from tests.faults.load import Load
from tests.faults.measure import children, handles, resident, threads

PERIOD = 30.0
KEEP = 120


@dataclass(frozen=True, slots=True)
class Point:
    """The largest of all nodes at one moment."""

    node: float  # MB
    worker: float  # MB
    files: int
    threads: int
    database: float  # MB


NAMES = ("node MB", "worker MB", "files", "threads", "database MB")


def look(net: Testnet) -> Point:
    """The largest value of any node."""
    points = []
    for index in range(net.nodes):
        pid = net.network.state.processes[node_name(index)].pid
        data = net.network.layout.data(index)
        size = sum(path.stat().st_size for path in data.glob("node.sqlite*"))
        workers = sum(map(resident, children(pid)))
        points.append(Point(resident(pid), workers, handles(pid), threads(pid), size / 1e6))
    columns = zip(*map(astuple, points), strict=True)
    return Point(*map(max, columns))


def soak(net: Testnet, minutes: float, every: float) -> tuple[list[Point], dict[int, str], int]:
    """The points, the tasks' states at the end, and how many were asked for."""
    count = int(60 * minutes / every)
    load = Load(net, count, every, 240)
    load.start()
    points: list[Point] = []
    end = time.monotonic() + 60 * minutes
    try:
        while time.monotonic() < end:
            time.sleep(min(PERIOD, max(0.1, end - time.monotonic())))
            points.append(look(net))
            values = "".join(f"{value:>13.1f}" for value in astuple(points[-1]))
            print(f"{len(load.posted):>7}{values}", flush=True)
        net.wait_until(lambda: load.done, "all requests are on the chain", 120)
        states = checks.wait_settled(net, count, 180)
    finally:
        load.close()
    return points, states, count


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was seen; 0 if all tasks were certified."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--keep-tasks", type=int, default=KEEP)
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="p2pavs-soak-") as directory:
        layout = Layout(Path(directory) / "net")
        state, lock = claim(layout)
        lock.close()
        network = Network(layout, state, node_options=("--keep-tasks", str(given.keep_tasks)))
        net = Testnet(network, given.nodes)
        try:
            bring_up(network, given.nodes)
            print(f"{'tasks':>7}{''.join(f'{name:>13}' for name in NAMES)}")
            points, states, count = soak(net, given.minutes, given.every)
            errors = checks.unexplained_errors(net, ())
        finally:
            net.close()
    certified = sum(one == "certified" for one in states.values())
    print(f"\n{certified} of {count} tasks certified, {len(errors)} errors in the logs")
    for error in errors[:10]:
        print(f"  {error}")
    third = max(1, len(points) // 3)
    middle, last = points[third : 2 * third], points[-third:]
    for position, name in enumerate(NAMES):
        before = statistics.median(astuple(point)[position] for point in middle or points)
        after = statistics.median(astuple(point)[position] for point in last)
        print(f"  {name:<14}{before:>9.1f} in the second third, {after:>9.1f} in the last")
    return 0 if certified == count and not errors else 1


if __name__ == "__main__":
    sys.exit(main())
