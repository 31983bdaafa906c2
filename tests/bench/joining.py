"""How soon a new node is of use: ``python -m tests.bench.joining [--nodes 4] [--runs 5]``.

A network without its last node, and a task every second. Then that node is started for the first time,
knowing one address. The table says how many seconds after the start of its process it was ready, when it was
connected to all others, and when the first precommit of its own had reached another node.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.joining")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="p2pavs-joining-") as directory,
        Testnet.start(Path(directory) / "net", given.nodes) as net,
    ):
        print(f"{'run':>5}{'ready s':>10}{'connected s':>13}{'first vote s':>14}")
        for run in range(given.runs):
            net.terminate(given.nodes - 1)
            shutil.rmtree(net.network.layout.data(given.nodes - 1))
            load = Load(net, int(WATCHED), 1.0, 300)
            load.start()
            try:
                net.wait_until(lambda load=load: load.posted, "the first request is on the chain")
                found.append(join(net, load))
            finally:
                load.close()
            print(f"{run + 1:>5}{found[-1][0]:>10.1f}{found[-1][1]:>13.1f}{found[-1][2]:>14.1f}", flush=True)
            assert net.running(given.nodes - 1), node_name(given.nodes - 1)
    middle = [statistics.median(column) for column in zip(*found, strict=True)]
    print(f"{'p50':>5}{middle[0]:>10.1f}{middle[1]:>13.1f}{middle[2]:>14.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
