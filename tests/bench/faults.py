"""What faults cost a running network: ``python -m tests.bench.faults [--only crash ...]``.

The faults of docs/benchmark-spec.md, one after another on one network, and no fault first: a closed loop with
four tasks in flight, one of four members affected. Between two faults everything is undone, and all nodes see
each other again. Who equivocates comes last: its stake may be gone afterwards.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from p2pavs.bench.part import percentile, run, say
from p2pavs.bench.result import Bars, Result
from testnet.layout import write_whole
from tests.attacks.__main__ import attack
from tests.attacks.hostile import flood
from tests.bench import scale
from tests.bench.faulty_loop import Loop
from tests.e2e.harness import Testnet
from tests.faults.perturb import recover
from tests.reorganise import reorganise

NODES, FAULTY = 4, 3
DOUBLE = "tests.doubles.faulty"
IN_FLIGHT = 4
SECONDS, QUICK_SECONDS = 22.0, 12.0
BEGIN = 1.0  # seconds after the loop
DOWN, CUT_OFF = 10.0, 20.0  # seconds
DROPPED = 3  # blocks
SLOW = 5  # times
NONE = "none"

Act = Callable[[Testnet, threading.Event], None]
"""Does one thing to a network; it may last until the event is set."""


def _crash(net: Testnet, end: threading.Event) -> None:
    time.sleep(random.Random(1).random())  # somewhere in a task
    net.kill(FAULTY)
    time.sleep(DOWN)
    net.restart(FAULTY)


def _pause(net: Testnet, end: threading.Event) -> None:
    net.pause(FAULTY)
    time.sleep(DOWN)
    net.resume(FAULTY)


def _partition(net: Testnet, end: threading.Event) -> None:
    peers = [_identity(net, index)["peerId"] for index in range(net.nodes) if index != FAULTY]
    with _told(net, "faults.json", {"blocked": peers}):
        time.sleep(CUT_OFF)


def _endpoint(net: Testnet, end: threading.Event) -> None:
    net.network.kill("anvil", signal.SIGSTOP)
    time.sleep(DOWN)
    net.network.kill("anvil", signal.SIGCONT)


def _reorg(net: Testnet, end: threading.Event) -> None:
    time.sleep(DROPPED)  # a loop shorter than a minute has one
    reorganise(net.network.rpc, DROPPED)


def _flood(net: Testnet, end: threading.Event) -> None:
    if attack(net, flood, None, end).sent == 0:
        raise RuntimeError("nothing was sent")


def _acting(content: dict[str, object]) -> Act:
    def act(net: Testnet, end: threading.Event) -> None:
        with _told(net, "act.json", content):
            end.wait()

    return act


FAULTS: dict[str, Act] = {
    "crash": _crash,
    "pause": _pause,
    "partition": _partition,
    "slow": _acting({"slow": SLOW}),
    "flood": _flood,
    "reorg": _reorg,
    "endpoint": _endpoint,
    "wrong_output": _acting({"cheat": "wrong"}),
    "equivocate": _acting({"cheat": "equivocate"}),
}
"""In the order in which they are done."""
QUICK = ("pause", "wrong_output")


@contextmanager
def _told(net: Testnet, name: str, content: dict[str, object]) -> Iterator[None]:
    """The faulty node is told so by a file that its double reads."""
    path = net.network.layout.data(FAULTY) / name
    write_whole(path, json.dumps(content))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _identity(net: Testnet, index: int) -> dict[str, str]:
    keys = net.network.keys(net.network.layout.operator(index))
    found: dict[str, str] = json.loads((keys / "identity.json").read_text())
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: what the loop saw, and what the members say."""

    fault: str
    rate: float
    waits: list[float]
    lost: int
    agreement: list[float]  # seconds from the needed output to each member's certificate
    signed_twice: int  # members that did so without being told to


async def _loop(net: Testnet, act: Act | None, seconds: float) -> tuple[float, list[float], int, list[int]]:
    end, failure = threading.Event(), []

    async def disturb() -> None:
        await trio.sleep(BEGIN)
        if act is None:
            return
        try:
            await trio.to_thread.run_sync(act, net, end)
        except Exception as error:
            failure.append(error)

    async with Loop.open(net) as loop, trio.open_nursery() as nursery:
        nursery.start_soon(disturb)
        rate = await loop.run(IN_FLIGHT, seconds)
        end.set()
    if failure:
        raise RuntimeError(f"the fault could not be made: {failure[0]}") from failure[0]
    return rate, loop.waits, loop.lost, sorted(loop.tasks)


def one_fault(net: Testnet, fault: str, seconds: float) -> Row:
    """Measure one fault, and leave the network as it was. Raises ``RuntimeError`` where it is not."""
    rate, waits, lost, tasks = trio.run(_loop, net, FAULTS.get(fault), seconds)
    if problem := recover(net):
        raise RuntimeError(problem)
    # Another output than the others' is none that a quorum needs.
    members = range(FAULTY) if fault == "wrong_output" else range(net.nodes)
    guilty = {one["operator"] for index in range(net.nodes) for one in net.api(index, "/evidence")
              if one["offence"] == "equivocation"}  # fmt: skip
    told = {_operator(net, FAULTY)} if fault == "equivocate" else set()
    if not told <= guilty:
        raise RuntimeError("no node holds evidence of the equivocation")
    return Row(fault, rate, waits, lost, scale.latencies(net, tasks, members), len(guilty - told))


def _operator(net: Testnet, index: int) -> str:
    document: dict[str, str] = json.loads((net.network.layout.data(index) / "node.json").read_text())
    return document["operator"]


def measure(options: argparse.Namespace) -> Result:
    """No fault and every fault; one that leaves the network broken is a note, and the last."""
    result = Result()
    rows: list[Row] = []
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    wanted = options.only or (QUICK if options.quick else tuple(FAULTS))
    say(f"a test network of {NODES} nodes begins")
    with (
        tempfile.TemporaryDirectory(prefix="p2pavs-faults-") as directory,
        Testnet.start(Path(directory) / "net", NODES, {FAULTY: DOUBLE}) as net,
    ):
        say("warming up")
        trio.run(_loop, net, None, 4.0)
        for fault in (NONE, *(one for one in FAULTS if one in wanted)):
            say(f"{fault}, {seconds:.0f} s")
            try:
                rows.append(one_fault(net, fault, seconds))
            except (OSError, RuntimeError, AssertionError) as error:
                result.notes.append(f"{fault}: {type(error).__name__}: {error}"[:500])
                break
            say(f"  {rows[-1].rate:.2f} tasks/s, {rows[-1].lost} lost")
    _tell(result, rows, seconds)
    return result


def _tell(result: Result, rows: list[Row], seconds: float) -> None:
    result.table(
        ("fault", "certified/s", "p50 s", "p99 s", "lost", "agreement p50 s", "agreement p99 s",
         "signed twice"),
        [
            (
                row.fault,
                row.rate,
                _share(row.waits, 0.5),
                _share(row.waits, 0.99),
                row.lost,
                _share(row.agreement, 0.5),
                _share(row.agreement, 0.99),
                row.signed_twice,
            )
            for row in rows
        ],
        f"{NODES} nodes, {IN_FLIGHT} tasks in flight for {seconds:g} s, blocks of 1 s, demo model; p50, p99: "
        "from the request's block to the certificate's; agreement: from the needed output to a member's "
        "certificate; signed twice: members that were not told to",
    )  # fmt: skip
    for row in rows:
        fault = {} if row.fault == NONE else {"fault": row.fault}
        if row.waits:
            result.measured(
                "throughput",
                {
                    "certified_per_second": row.rate,
                    "latency_p50_s": percentile(row.waits, 0.5),
                    "latency_p99_s": percentile(row.waits, 0.99),
                    "lost": row.lost,
                    "signed_twice": row.signed_twice,
                },
                nodes=NODES,
                in_flight=IN_FLIGHT,
                block_time_s=1,
                **fault,
            )
        if row.agreement:
            result.measured(
                "committee_overhead",
                {
                    "latency_p50_s": percentile(row.agreement, 0.5),
                    "latency_p99_s": percentile(row.agreement, 0.99),
                },
                nodes=NODES,
                in_flight=IN_FLIGHT,
                model="demo",
                **fault,
            )
    shown = [row for row in rows if row.waits]
    if shown:
        result.bars.append(
            Bars(
                "From the request's block to the certificate's, p50",
                "s",
                ("wait",),
                {row.fault: (percentile(row.waits, 0.5),) for row in shown},
            )
        )


def _share(values: list[float], share: float) -> float | None:
    return percentile(values, share) if values else None


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", choices=tuple(FAULTS), help="repeatable; default all")
    parser.add_argument("--seconds", type=float, help=f"of each loop ({SECONDS:g})")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, add_options=add_options, description=__doc__))
