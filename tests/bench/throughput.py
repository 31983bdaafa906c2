"""How many tasks a network certifies: ``python -m tests.bench.throughput [--in-flight 16 ...]``.

A closed loop: so many tasks are in flight, and for each that is certified another one is sent. One network
of four nodes for all rows. At the end, three times as many as it took at best come at once: none may be lost.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from p2pavs.bench.part import percentile, run, say
from p2pavs.bench.result import Chart, Result
from p2pavs.chain.errors import RpcRefused
from p2pavs.chain.records import InferenceParams, InferenceRequest
from p2pavs.chain.reverts import explain
from tests.bench.processes import Cpu
from tests.bench.requester import Requester
from tests.e2e.harness import Testnet
from tests.faults import checks
from tests.faults.load import CHOICES, PROMPT

NODES = 4
IN_FLIGHT = (1, 4, 16, 64)
PARAMS = InferenceParams(max_tokens=8, choices=CHOICES)
PATIENCE = 240.0
GOAL = 10.0  # tasks a second


@dataclass(frozen=True, slots=True)
class Row:
    """One load: how many tasks, how long, and what it cost."""

    in_flight: int
    certified: int
    lost: int
    seconds: float
    latencies: list[float]
    cpu: Cpu

    @property
    def rate(self) -> float:
        return self.certified / self.seconds


async def closed_loop(net: Testnet, requester: Requester, in_flight: int, seconds: float) -> Row:
    """Keep ``in_flight`` tasks under way for so long, then wait for those that are open."""
    requester.tasks.clear()
    requester.sent = 0
    before, began = Cpu.of(net), trio.current_time()
    while trio.current_time() - began < seconds:
        while requester.in_flight < in_flight:
            await requester.send(PROMPT + b" (%d)" % requester.nonce, PARAMS)
        await requester.wait(lambda: requester.in_flight < in_flight, seconds)
    took, spent = trio.current_time() - began, Cpu.of(net) - before
    certified = sum(one.certified > 0 for one in requester.tasks.values())
    await requester.wait(lambda: requester.in_flight == 0, PATIENCE)
    done = [one.certified - one.requested for one in requester.tasks.values() if one.certified]
    return Row(in_flight, certified, requester.in_flight, took, done, spent)


async def burst(requester: Requester, tasks: int) -> tuple[float, int, list[float]]:
    """Send many at once; seconds until the last one is certified, how many are lost, and each one's wait."""
    requester.tasks.clear()
    requester.sent, began = 0, trio.current_time()
    for _ in range(tasks):
        await requester.send(PROMPT + b" (%d)" % requester.nonce, PARAMS)
    await requester.wait(lambda: requester.in_flight == 0, PATIENCE)
    took = trio.current_time() - began
    waits = [one.certified - one.requested for one in requester.tasks.values() if one.certified]
    return took, requester.in_flight, waits


async def refusal(requester: Requester) -> str:
    """What the gateway says to who asks for more than a block has left, before anything is paid."""
    largest = InferenceParams(max_tokens=4096)
    units = int(await requester.chain.read_one("TaskGateway", "computeUnits", 4096, len(PROMPT)))
    fits = 2 * int(await requester.chain.read_one("TaskGateway", "targetUnits")) // units
    for _ in range(fits):
        await requester.send(PROMPT, largest, value=400 * requester.value)
    request = InferenceRequest(requester.model.id, PROMPT, largest, int(time.time()) + 300)
    call = requester.chain.call(
        "TaskGateway", "requestInference", request.to_abi(), value=400 * requester.value
    )
    sender = bytes.fromhex(requester.account.address[2:])
    try:
        await requester.chain.rpc.call(call.to, call.data, sender=sender, value=call.value, block="pending")
    except RpcRefused as error:
        return str(explain(error))
    return "nothing: it was taken"


async def measure_all(net: Testnet, options: argparse.Namespace) -> tuple[list[Row], Sequence[float], str]:
    """The rows, the burst, and what the gateway says when there is no more room."""
    rows: list[Row] = []
    async with Requester.open(net, PARAMS.max_tokens) as requester:
        say("warming up")
        await closed_loop(net, requester, 4, 5)
        for in_flight in options.in_flight:
            found = []
            for number in range(options.repeats):
                say(f"{in_flight} in flight, {options.seconds:.0f} s, run {number + 1} of {options.repeats}")
                found.append(await closed_loop(net, requester, in_flight, options.seconds))
                say(f"  {found[-1].rate:.2f} tasks/s, p50 {percentile(found[-1].latencies, 0.5):.1f} s")
            rows.append(sorted(found, key=lambda row: row.rate)[len(found) // 2])
        best = max(row.rate for row in rows)
        many = max(8, round(3 * best * options.seconds))
        say(f"{many} at once")
        took, lost, waits = await burst(requester, many)
        said = await refusal(requester)
    return rows, (many, took, lost, *waits), said


def measure(options: argparse.Namespace) -> Result:
    """All loads on one network."""
    options.in_flight = options.in_flight or ((1, 16) if options.quick else IN_FLIGHT)
    options.seconds = options.seconds or (8 if options.quick else 30)
    result = Result()
    with tempfile.TemporaryDirectory(prefix="p2pavs-throughput-") as directory:
        say(f"a test network of {options.nodes} nodes begins")
        with Testnet.start(Path(directory) / "net", options.nodes) as net:
            if options.hold:
                say(f"network in {directory}: Enter to go on")
                sys.stdin.readline()
            rows, (many, took, lost, *waits), said = trio.run(measure_all, net, options)
            errors = checks.unexplained_errors(net, ())
    result.table(
        (
            "in flight",
            "certified/s",
            "p50 s",
            "p99 s",
            "lost",
            "node CPU ms",
            "worker CPU ms",
            "chain CPU ms",
        ),
        [
            (
                str(row.in_flight),
                row.rate,
                percentile(row.latencies, 0.5),
                percentile(row.latencies, 0.99),
                row.lost,
                1000 * row.cpu.nodes / max(1, row.certified) / options.nodes,
                1000 * row.cpu.workers / max(1, row.certified) / options.nodes,
                1000 * row.cpu.chain / max(1, row.certified),
            )
            for row in rows
        ],
        f"{options.nodes} nodes on {os.cpu_count()} cores, blocks of 1 s, demo model; from a request's block "
        "to the certificate's, as a client sees them; processor time for each task, of a node and a worker",
    )
    result.table(
        ("sent at once", "last certified after s", "p50 s", "p99 s", "lost", "errors in logs"),
        [(int(many), took, percentile(waits, 0.5), percentile(waits, 0.99), int(lost), len(errors))],
    )
    for row in rows:
        result.measured(
            "throughput",
            {
                "certified_per_second": row.rate,
                "latency_p50_s": percentile(row.latencies, 0.5),
                "latency_p99_s": percentile(row.latencies, 0.99),
                "lost": row.lost,
            },
            nodes=options.nodes,
            in_flight=row.in_flight,
            block_time_s=1,
        )
    result.measured(
        "burst",
        {
            "seconds": took,
            "latency_p50_s": percentile(waits, 0.5),
            "latency_p99_s": percentile(waits, 0.99),
            "lost": int(lost),
        },
        nodes=options.nodes,
        tasks=int(many),
        block_time_s=1,
    )
    result.charts.append(
        Chart(
            "Certified tasks a second",
            "tasks in flight",
            "tasks/s",
            {"certified": tuple((row.in_flight, row.rate) for row in rows)},
            log_x=True,
        )
    )
    result.charts.append(
        Chart(
            "Latency under load",
            "tasks in flight",
            "s",
            {
                name: tuple((row.in_flight, percentile(row.latencies, share)) for row in rows)
                for name, share in (("p50", 0.5), ("p99", 0.99))
            },
            log_x=True,
        )
    )
    result.notes.append(f"A request for more than the block has left is refused before it is paid: {said}")
    best = max(row.rate for row in rows)
    result.notes.append(f"The goal of {GOAL:g} tasks a second is {'met' if best >= GOAL else 'not met'}.")
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--in-flight", type=int, action="append", help="repeatable; default 1, 4, 16, 64")
    parser.add_argument("--seconds", type=float, help="of each row (30)")
    parser.add_argument("--hold", action="store_true", help="wait for Enter once the network runs")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=1, add_options=add_options, description=__doc__))
