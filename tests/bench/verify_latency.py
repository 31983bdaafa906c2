"""How far behind the last token a certificate is: ``python -m tests.bench.verify_latency [--tasks 8]``.

A whole network on this machine, every node its own process, the demo model, tasks in verify mode with long
answers. All times are seconds behind the moment at which the node that generates had its last token: when
more than two thirds of the nodes had checked the answer, and when the first node and the middle one had the
certificate. What lies between is consensus.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from tests.e2e.harness import Testnet

HOT = ["--mode", "verify", "--temperature", "40", "--deadline", "300"]


@dataclass(frozen=True, slots=True)
class Behind:
    """Of one task: tokens, and seconds behind the last of them."""

    tokens: int
    checked: float
    first: float
    middle: float


def behind(net: Testnet, task: int, tokens: int) -> Behind | None:
    """Read the nodes' events. None if another than the first in rank had to generate, or several did."""
    ranks, done, certified = [], {}, []
    leader = -1
    for index in range(net.nodes):
        events = net.api(index, f"/tasks/{task}/events")
        at = {event["event"]: event["at"] for event in events}
        found = [event["rank"] for event in events if event["event"] == "generating"]
        ranks += found
        leader = index if found else leader
        if "inference_done" in at:
            done[index] = at["inference_done"]
        if "certificate" in at:
            certified.append(at["certificate"])
    if ranks != [0] or leader not in done or len(done) < net.nodes or len(certified) < net.nodes:
        return None
    last = done[leader]
    needed = sorted(done.values())[2 * net.nodes // 3]  # all have the same stake
    middle = statistics.median(certified)
    return Behind(tokens, max(0.0, needed - last), min(certified) - last, middle - last)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each task, and the medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.verify_latency")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=300)
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found: list[Behind] = []
    with (
        tempfile.TemporaryDirectory(prefix="p2pavs-verify-") as directory,
        Testnet.start(Path(directory) / "net", given.nodes) as net,
    ):
        print(f"{'task':>5}{'tokens':>8}{'checked':>9}{'first':>8}{'middle':>8}", flush=True)
        for number in range(given.tasks):
            options = ["--seed", str(number), "--max-tokens", str(given.tokens), *HOT]
            answer = net.request("Once the proposal", wait=True, options=options)
            one = behind(net, answer["task"], answer["tokens"])
            if one is None:
                print(f"{answer['task']:>5}  more than one node generated, or an event is missing")
                continue
            found.append(one)
            times = f"{one.checked:>9.2f}{one.first:>8.2f}{one.middle:>8.2f}"
            print(f"{answer['task']:>5}{one.tokens:>8}{times}", flush=True)
    if not found:
        return 1
    median = statistics.median
    times = f"{median(o.checked for o in found):>9.2f}{median(o.first for o in found):>8.2f}"
    print(f"{'median':>13}{times}{median(o.middle for o in found):>8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
