"""A start told in lines, and the compact summary of a running network: a line when something changed."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from testnet.network import ROOT, Network, NetworkFailed, node_name
from testnet.processes import TOKEN_VARIABLE
from testnet.report import Steps
from testnet.startup import peer_count
from testnet.steps import elapsed

FIRST_TASK = "1"  # the gateway counts tasks from 1, and the chain is new
PERIOD = 2.0


class Lines(Steps):
    """What `up` prints where it is not on a terminal, or leaves the network alone."""

    @contextmanager
    def showing(self, network: Network, nodes: int) -> Iterator[None]:
        """See Face."""
        print(f"starting a test network of {nodes} nodes in {network.layout.directory}", flush=True)
        yield

    def ask(self, network: Network, prompt: str, choices: str | None) -> None:
        """Ask through the command line, its progress shown as it comes, and verify the certificate."""
        options = ["--choices", choices] if choices else []
        _show(network, "request", *options, "--", prompt)
        _show(network, "certificate", "verify", FIRST_TASK)

    def certified(self, seconds: float, hints: list[tuple[str, str]]) -> None:
        """See Face."""
        print(f"\nfirst certificate {elapsed(seconds)} after the start\n\nWhat next:")
        width = max(len(what) for what, _ in hints)
        for what, command in hints:
            print(f"  {what:<{width}}  {command}", flush=True)

    def follow(self, network: Network, nodes: int) -> None:
        """Print a line whenever the summary changes."""
        follow(network, nodes)


def _show(network: Network, *arguments: str) -> None:
    print(f"\n$ p2pavs {shlex.join(arguments)}", flush=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "p2pavs", *arguments],
        cwd=ROOT,
        env={**network.environment(), TOKEN_VARIABLE: network.state.token},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    if process.wait() != 0:
        raise NetworkFailed(f"p2pavs {arguments[0]} failed (exit {process.returncode}).")


def follow(network: Network, nodes: int) -> None:
    """Print a line whenever the summary changes. Returns when the chain has ended; else a signal ends it."""
    print("\nfollowing the network; Ctrl-C stops all of it", flush=True)
    last = ""
    mourned: set[int] = set()
    while network.running("anvil"):
        for index in range(nodes):
            if network.running(node_name(index)):
                mourned.discard(index)
            elif index not in mourned:
                mourned.add(index)
                print(network.obituary(index), flush=True)
        line = summary(network, nodes)
        if line != last:
            last = line
            print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)
        time.sleep(PERIOD)
    print("the chain has ended, and with it this network", flush=True)


def summary(network: Network, nodes: int) -> str:
    """One line: nodes that run, their peers, and what the first of them to answer knows."""
    running = [index for index in range(nodes) if network.running(node_name(index))]
    statuses = [status for status in (_status(network, index) for index in running) if status is not None]
    parts = [f"{len(running)} of {nodes} nodes run"]
    if statuses:
        counts = sorted(peer_count(status) for status in statuses)
        parts.append(
            f"peers {counts[0]}" if counts[0] == counts[-1] else f"peers {counts[0]} to {counts[-1]}"
        )
        parts += _knowledge(statuses[0])
    return ", ".join(parts)


def _knowledge(status: dict[str, Any]) -> list[str]:
    """What a node says of the chain and of its tasks, without what changes with every block."""
    chain, tasks = status.get("chain", {}), status.get("tasks", [])
    parts = ["RPC down"] if chain.get("error") else []
    states = Counter(str(task.get("state")) for task in tasks)
    return [
        *parts,
        f"epoch {chain.get('epoch')}",
        *(f"{count} {state}" for state, count in sorted(states.items())),
    ]


def _status(network: Network, index: int) -> dict[str, Any] | None:
    try:
        status = network.api(index, "/status")
    except (OSError, ValueError, KeyError):
        return None
    return status if isinstance(status, dict) else None
