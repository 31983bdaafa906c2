"""A network under attack: ``python -m tests.attacks [--only NAME ...]``.

Four honest nodes, and attackers one after another, each from a host of its own. An attack that needs the keys
of a registered operator gets those of one with little stake, and the twin those of an honest node. A few of
them share a network: with all in one, most members of a committee would be attackers' operators, which do not
vote. While an attack lasts, tasks go on. The table says how long they took against the time before, what the
nodes' memory did, whether the attacker was banned and how much the nodes logged.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
import trio

from consensus import bls
from consensus.committee import Committee, OperatorSet
from consensus.types import InstanceId
from p2pavs import keystore
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.reader import read_operator_set, read_task
from p2pavs.chain.rpc import Rpc
from p2pavs.exit_codes import ExitCode
from p2pavs.node import consensus_topic
from testnet.layout import Layout, claim
from testnet.network import Network, node_name
from testnet.startup import bring_up, start_nodes
from tests.attacks.hostile import ATTACKS, Attack, Hostile, Keys, Target, hostile, twin
from tests.e2e.harness import Testnet
from tests.faults.load import Load
from tests.faults.measure import resident

NODES = 4
TASKS = 16
EVERY = 1.5
LITTLE = "1"
TOGETHER = 5
"""Attacks in one network."""


@dataclass(slots=True)
class Row:
    """What one attack did."""

    name: str
    sent: int
    thrown_out: int
    latency: float  # seconds, median over tasks and nodes
    memory: float  # MB, of the largest node, at the end
    bans: int
    lines: int  # of log, a node, beyond those of the tasks
    certified: bool


@contextmanager
def network(directory: Path, attackers: int) -> Any:
    """Four running nodes, and operators without a node."""
    layout = Layout(directory.resolve())
    state, lock = claim(layout)
    lock.close()
    stakes = dict.fromkeys(range(NODES, NODES + attackers), LITTLE)
    net = Testnet(Network(layout, state, stakes=stakes), NODES)
    try:
        bring_up(net.network, NODES + attackers, running=False)
        start_nodes(net.network, NODES)
        yield net
    finally:
        net.close()


class Watcher:
    """Knows the newest running task, as anybody can from the chain."""

    def __init__(self, net: Testnet, account: bytes) -> None:
        self._net = net
        self._account = account
        self._set: OperatorSet | None = None
        self.found: tuple[InstanceId, Committee, int] | None = None

    async def run(self) -> None:
        """Look again and again."""
        async with Rpc(self._net.network.state.rpc) as rpc:
            chain = Chain(rpc, Deployment.load(self._net.network.layout.deployment))
            while True:
                count = int(await chain.read_one("TaskGateway", "taskCount"))
                if count and (self.found is None or self.found[0].task_id != count):
                    header = (await read_task(chain, count)).requested.header
                    operators = await read_operator_set(chain, header.epoch)
                    of = Committee.select(operators, header.hash, header.task_seed, 0, header.committee_size)
                    own = [one.index for one in of.members if one.operator == self._account]
                    if own:
                        self.found = (InstanceId(count, 0), of, own[0])
                await trio.sleep(0.3)


def attack(net: Testnet, what: Attack, index: int | None, end: threading.Event) -> Hostile:
    """Run an attack until the event is set."""
    layout = net.network.layout
    addresses = tuple(net.network.address(number) for number in range(NODES))
    deployment = Deployment.load(layout.deployment)
    topic = consensus_topic(deployment)
    # A stranger that an earlier attack got banned would attack nothing: each has an identity of its own.
    seed, secret, account = sha256(what.__name__.encode()).digest(), None, b""
    if index is not None:
        directory = layout.operator(index)
        password = net.network.password(directory).read_text().strip()
        identity = keystore.load(net.network.keys(directory), password)
        seed = identity.peer_seed.reveal()
        secret, account = bls.SecretKey(identity.consensus_secret.reveal()), identity.address
    watcher = Watcher(net, account)
    target = Target(addresses, topic, deployment.domain, seed, secret, lambda: watcher.found)

    async def work() -> Hostile:
        async with hostile(target) as one, trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            nursery.start_soon(what, one)
            await trio.to_thread.run_sync(end.wait)
            nursery.cancel_scope.cancel()
        return one

    return trio.run(work)


def living(net: Testnet) -> list[int]:
    """The nodes that run. One whose keys a twin has may have noticed that, and stopped; no other may."""
    gone = {index: net.network.children[node_name(index)].poll() for index in range(NODES)}
    gone = {index: status for index, status in gone.items() if status is not None}
    if any(index != NODES - 1 or status != ExitCode.IN_USE for index, status in gone.items()):
        raise RuntimeError(f"nodes have ended (node: exit code): {gone}")
    return [index for index in range(NODES) if index not in gone]


def latency(net: Testnet, tasks: Sequence[int]) -> float:
    """Median seconds from the begin of the own computation to the certificate."""
    found: list[float] = []
    for index in living(net):
        for task in tasks:
            at = {event["event"]: event["at"] for event in net.api(index, f"/tasks/{task}/events")}
            if "certificate" in at and "inference_started" in at:
                found.append(at["certificate"] - at["inference_started"])
    return statistics.median(found)


def measure(net: Testnet, what: Attack | None, index: int | None) -> Row:
    """Tasks, with or without an attack beside them."""
    before = [len(net.logs(number)) for number in range(NODES)]
    load = Load(net, TASKS, EVERY, 120)
    end = threading.Event()
    result: list[Hostile] = []
    thread = None
    if what is not None:
        thread = threading.Thread(target=lambda: result.append(attack(net, what, index, end)))
        thread.start()
        time.sleep(2)
    load.start()
    deadline = time.monotonic() + 150
    certified = False
    while time.monotonic() < deadline and not certified:
        time.sleep(0.3)
        certified = load.done and all(net.postings(task) for task in load.posted.values())
    memory = max(resident(net.network.state.processes[node_name(number)].pid) for number in living(net))
    end.set()
    if thread is not None:
        thread.join()
    load.close()
    logs = [net.logs(number)[before[number] :] for number in range(NODES)]
    bans = sum(entry.get("event") == "peer is banned" for one in logs for entry in one)
    lines = max(sum("task" not in entry for entry in one) for one in logs)
    sent, out = (result[0].sent, result[0].thrown_out) if result else (0, 0)
    name = what.__name__ if what is not None else "no attack"
    return Row(name, sent, out, latency(net, list(load.posted.values())), memory, bans, lines, certified)


def show(row: Row, normal: float) -> None:
    """Print one line."""
    end = "all certified" if row.certified else "NOT ALL CERTIFIED"
    print(
        f"{row.name:<20}{row.sent:>8}{row.thrown_out:>8}{row.latency:>9.2f} s{row.latency / normal:>7.1f}"
        f"{row.memory:>8.0f} MB{row.bans:>6}{row.lines:>8}   {end}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 if every task was certified under every attack."""
    names = [what.__name__ for what, _ in ATTACKS]
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("--only", action="append", choices=names, help="repeatable")
    given = parser.parse_args(arguments)
    chosen = [(what, keys) for what, keys in ATTACKS if not given.only or what.__name__ in given.only]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("libp2p").setLevel(logging.CRITICAL + 1)
    sound = True
    for begin in range(0, len(chosen), TOGETHER):
        sound &= _one_network(chosen[begin : begin + TOGETHER])
    return 0 if sound else 1


def _one_network(chosen: Sequence[tuple[Attack, Keys]]) -> bool:
    """Print the part of the table for some attacks; whether all went well."""
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="p2pavs-attacks-") as temporary,
        network(Path(temporary) / "net", sum(keys is Keys.OPERATOR for _, keys in chosen)) as net,
    ):
        print(
            f"\n{'attack':<20}{'sent':>8}{'thrown':>8}{'latency':>11}{'times':>7}{'largest':>11}{'bans':>6}{'lines':>8}"
        )
        measure(net, None, None)  # the first tasks are slower than all others
        normal = measure(net, None, None)
        show(normal, normal.latency)
        free = NODES
        for what, keys in chosen:
            index = {Keys.NOBODY: None, Keys.OPERATOR: free, Keys.RUNNING: NODES - 1}[keys]
            row = measure(net, what, index)
            free += keys is Keys.OPERATOR
            rows.append(row)
            show(row, normal.latency)
        after = measure(net, None, None)
        show(after, normal.latency)
        proven = convicted(net)
        print(f"equivocations proven: {', '.join(sorted(proven)) or 'none'}")
    sound = all(row.certified for row in [*rows, after])
    return sound and len(proven) == sum(what is twin for what, _ in chosen)


def convicted(net: Testnet) -> set[str]:
    """Operators of which some node holds two statements for one slot."""
    evidence = [one for index in living(net) for one in net.api(index, "/evidence")]
    return {one["operator"] for one in evidence if one["offence"] == "equivocation"}


if __name__ == "__main__":
    sys.exit(main())
