"""How soon a new node is of use: ``python -m tests.bench.joining [--nodes 4] [--repeats 5]``.

A network without its last node, and a task every second. Then that node is started for the first time,
knowing one address. The table says how many seconds after the start of its process it was ready, when it was
connected to all others, and when the first precommit of its own had reached another node.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from p2pavs.bench.part import median, run, say
from p2pavs.bench.result import Result
from testnet.network import node_name
from testnet.startup import peers
from tests.e2e.harness import Testnet
from tests.faults.load import Load

WATCHED = 60.0  # seconds


def join(net: Testnet, load: Load) -> tuple[float, float, float]:
    """Start the last node anew and watch."""
    newcomer = net.nodes - 1
    begin, wall = time.monotonic(), time.time()
    net.network.start_node(newcomer, net.network.address(0))
    operator = str(net.network.wait_node(newcomer)["operator"])
    ready = time.monotonic() - begin
    net.wait_until(lambda: peers(net.network, newcomer) >= newcomer, "the new node sees all others")
    connected = time.monotonic() - begin

    def voted() -> float:
        for task in sorted(load.posted.values(), reverse=True)[: int(WATCHED)]:
            for event in net.api(0, f"/tasks/{task}/events"):
                if event["event"] == "precommit" and event["operator"] == operator and event["at"] > wall:
                    return float(event["at"])
        return 0.0

    return ready, connected, net.wait_until(voted, "the new node has voted", WATCHED) - wall


def measure(options: argparse.Namespace) -> Result:
    """A network for each run: a node that begins anew after it has signed is one that lost its guard."""
    found: list[tuple[float, float, float]] = []
    newcomer = options.nodes - 1
    for number in range(options.repeats):
        say(f"run {number + 1} of {options.repeats}: a test network of {options.nodes} nodes begins")
        with (
            tempfile.TemporaryDirectory(prefix="p2pavs-joining-") as directory,
            Testnet.start(Path(directory) / "net", options.nodes) as net,
        ):
            net.terminate(newcomer)
            shutil.rmtree(net.network.layout.data(newcomer))
            load = Load(net, int(WATCHED), 1.0, 300)
            load.start()
            try:
                net.wait_until(lambda load=load: load.posted, "the first request is on the chain")
                found.append(join(net, load))
            finally:
                load.close()
            assert net.running(newcomer), node_name(newcomer)
    names = ("ready", "connected to all others", "first vote heard by another node")
    rows = [
        (name, median(column), max(column))
        for name, column in zip(names, zip(*found, strict=True), strict=True)
    ]
    result = Result()
    result.table(
        ("seconds after the start of its process", "median", "most"),
        rows,
        f"{options.repeats} runs, {options.nodes} nodes, a task every second",
    )
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=4)


if __name__ == "__main__":
    sys.exit(run(measure, repeats=5, add_options=add_options, description=__doc__))
