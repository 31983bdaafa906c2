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
from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a run came to."""

    points: list[Point]
    tasks: int
    certified: int
    errors: list[str]  # in the nodes' logs

    def thirds(self) -> list[tuple[str, float, float, float]]:
        """For each value its median in the second third and in the last, and the most."""
        third = max(1, len(self.points) // 3)
        parts = self.points[third : 2 * third] or self.points, self.points[-third:]
        rows = []
        for position, name in enumerate(NAMES):
            middle, last = (statistics.median(astuple(point)[position] for point in part) for part in parts)
            rows.append((name, middle, last, max(astuple(point)[position] for point in self.points)))
        return rows


def soak(nodes: int, minutes: float, every: float, keep: int, seen: Callable[[int, Point], None]) -> Soaked:
    """Run a network of its own; ``seen`` hears how many tasks there are, and the point, every 30 seconds."""
    count = int(60 * minutes / every)
    with tempfile.TemporaryDirectory(prefix="p2pavs-soak-") as directory:
        layout = Layout(Path(directory) / "net")
        state, lock = claim(layout)
        lock.close()
        net = Testnet(Network(layout, state, node_options=("--keep-tasks", str(keep))), nodes)
        try:
            bring_up(net.network, nodes)
            points, states = _load(net, count, 60 * minutes, every, seen)
            errors = checks.unexplained_errors(net, ())
        finally:
            net.close()
    return Soaked(points, count, sum(one == "certified" for one in states.values()), errors)


def _load(
    net: Testnet, count: int, seconds: float, every: float, seen: Callable[[int, Point], None]
) -> tuple[list[Point], dict[int, str]]:
    load = Load(net, count, every, 240)
    load.start()
    points: list[Point] = []
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(min(PERIOD, max(0.1, end - time.monotonic())))
            points.append(look(net))
            seen(len(load.posted), points[-1])
        net.wait_until(lambda: load.done, "all requests are on the chain", 120)
        return points, checks.wait_settled(net, count, 180)
    finally:
        load.close()


def as_line(tasks: int, point: Point) -> str:
    """A point as a line of the table."""
    return f"{tasks:>7}" + "".join(f"{value:>13.1f}" for value in astuple(point))


HEADER = f"{'tasks':>7}" + "".join(f"{name:>13}" for name in NAMES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was seen; 0 if all tasks were certified."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--keep-tasks", type=int, default=KEEP)
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(HEADER)
    found = soak(
        given.nodes,
        given.minutes,
        given.every,
        given.keep_tasks,
        lambda tasks, point: print(as_line(tasks, point), flush=True),
    )
    print(f"\n{found.certified} of {found.tasks} tasks certified, {len(found.errors)} errors in the logs")
    for error in found.errors[:10]:
        print(f"  {error}")
    for name, middle, last, _ in found.thirds():
        print(f"  {name:<14}{middle:>9.1f} in the second third, {last:>9.1f} in the last")
    return 0 if found.certified == found.tasks and not found.errors else 1


if __name__ == "__main__":
    sys.exit(main())
