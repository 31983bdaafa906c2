"""How long a node takes to start, and what it holds: ``python -m tests.bench.startup``.

Each program is a process of its own. The node is one of a registered network of four that is down; it serves
the demo model. Ready is when it has written ``node.json``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

from inference.model import demo_model
from inference.request import Request
from inference.worker import ModelWorker
from p2pavs.bench.part import median, run, say
from p2pavs.bench.result import Cell, Result
from testnet.network import node_name
from tests.e2e.harness import Testnet
from tests.faults.measure import children, resident

PROGRAMS = {
    "python that imports nothing": ["-c", "pass"],
    "import p2pavs.Client": ["-c", "from p2pavs import Client"],
    "import consensus.instance": ["-c", "import consensus.instance"],
    "import p2pavs.node (all of a node)": ["-c", "import p2pavs.node"],
    "p2pavs --help": ["-m", "p2pavs", "--help"],
}
GOAL_SECONDS, GOAL_MB = 3.0, 150.0
SETTLING = 5.0


def program(arguments: list[str], repeats: int) -> tuple[float, float]:
    """Median seconds of the clock, and the largest memory in MB."""
    code = "import resource,sys,subprocess; subprocess.run(sys.argv[1:], stdout=-3, check=True); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    seconds, memory = [], 0.0
    for _ in range(repeats):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begin)
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, *arguments], check=True, capture_output=True, text=True
    )
    memory = int(done.stdout.split()[-1]) * 1024 / 1e6
    return median(seconds), memory


def node(net: Testnet, repeats: int) -> tuple[float, float, float]:
    """Median seconds until one node is ready; MB of it and of its worker a little later."""
    seconds, own, worker = [], [], []
    for number in range(repeats):
        say(f"node, start {number + 1} of {repeats}")
        begin = time.perf_counter()
        net.network.start_node(0, None)
        net.network.wait_node(0)
        seconds.append(time.perf_counter() - begin)
        time.sleep(SETTLING)
        pid = net.network.state.processes[node_name(0)].pid
        own.append(resident(pid))
        worker.append(sum(map(resident, children(pid))))
        net.terminate(0)
    return median(seconds), max(own), max(worker)


async def worker_seconds() -> float:
    """From nothing to the first answer of the model's worker."""
    begin = time.perf_counter()
    async with ModelWorker.open(demo_model(), threads=1) as worker:
        await worker.generate(Request(b"ready?", 1, task_seed=bytes(32)))
        return time.perf_counter() - begin


def measure(options: argparse.Namespace) -> Result:
    """Programs, the worker alone, then a node."""
    result = Result()
    rows: list[tuple[Cell, ...]] = []
    for name, arguments in PROGRAMS.items():
        say(name)
        seconds, memory = program(arguments, options.repeats)
        rows.append((name, seconds, memory, None))
    say("the model's worker")
    model = median([trio.run(worker_seconds) for _ in range(options.repeats)])
    rows.append(("the demo model's worker, until its first answer", model, None, None))
    with (
        tempfile.TemporaryDirectory(prefix="p2pavs-startup-") as directory,
        Testnet.start(Path(directory) / "net", 4, running=False) as net,
    ):
        seconds, memory, worker = node(net, options.repeats)
    rows.append(("node with the demo model", seconds, memory, worker))
    rows.append(("the node less the worker", seconds - model, memory, None))
    result.table(("", "seconds", "MB", "MB of its worker"), rows, f"median of {options.repeats}")
    result.measured(
        "startup", {"ready_s": seconds, "memory_mb": memory, "worker_memory_mb": worker}, model="demo"
    )
    result.measured("startup", {"ready_s": seconds - model, "memory_mb": memory}, model="none")
    met = "met" if seconds - model <= GOAL_SECONDS and memory <= GOAL_MB else "not met"
    result.notes.append(
        f"The goal of {GOAL_SECONDS:g} s and {GOAL_MB:g} MB without a model is {met}. A node does not start "
        "without a model, so that is what it takes less what its worker alone takes."
    )
    return result


if __name__ == "__main__":
    sys.exit(run(measure, description=__doc__))
