"""What grows while a network works: ``python -m tests.bench.endurance``. The run of ``tests.bench.soak``."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path

from p2pavs.bench.part import run, say
from p2pavs.bench.result import Cell, Chart, Result
from testnet.layout import Layout, claim
from testnet.network import Network
from testnet.startup import bring_up
from tests.bench import soak
from tests.e2e.harness import Testnet
from tests.faults import checks


def measure(options: argparse.Namespace) -> Result:
    """A steady load on one network, looked at every half minute."""
    minutes = options.minutes or (1.0 if options.quick else 15.0)
    say(f"a test network of {options.nodes} nodes begins")
    with tempfile.TemporaryDirectory(prefix="p2pavs-endurance-") as directory:
        layout = Layout(Path(directory) / "net")
        state, lock = claim(layout)
        lock.close()
        network = Network(layout, state, node_options=("--keep-tasks", str(soak.KEEP)))
        net = Testnet(network, options.nodes)
        try:
            bring_up(network, options.nodes)
            say(f"a task every {options.every:g} s for {minutes:g} minutes")
            points, states, count = soak.soak(net, minutes, options.every)
            errors = checks.unexplained_errors(net, ())
        finally:
            net.close()
    certified = sum(one == "certified" for one in states.values())
    third = max(1, len(points) // 3)
    rows: list[tuple[Cell, ...]] = []
    for position, name in enumerate(soak.NAMES):
        parts = points[third : 2 * third] or points, points[-third:]
        middle, last = (statistics.median(astuple(point)[position] for point in part) for part in parts)
        rows.append((name, middle, last, max(astuple(point)[position] for point in points)))
    result = Result()
    result.table(
        ("largest of the nodes", "second third", "last third", "most"),
        rows,
        f"{options.nodes} nodes, a task every {options.every:g} s for {minutes:g} minutes; medians",
    )
    result.notes.append(f"{certified} of {count} tasks certified, {len(errors)} errors in the logs.")
    lines = {"node": 0, "worker": 1, "database": 4}
    result.charts.append(
        Chart(
            "Memory and disk",
            "minutes",
            "MB",
            {
                name: tuple(
                    ((number + 1) * soak.PERIOD / 60, float(astuple(point)[position]))
                    for number, point in enumerate(points)
                )
                for name, position in lines.items()
            },
        )
    )
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, help="(15)")
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--nodes", type=int, default=4)


if __name__ == "__main__":
    sys.exit(run(measure, repeats=1, add_options=add_options, description=__doc__))
