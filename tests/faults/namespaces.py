"""A network namespace for each node: it is cut off as by a pulled cable, and no node knows of it.

The command runs in a namespace of its own, the hub, with the chain and a bridge. Each node has another, and a
pair of virtual interfaces to the bridge. Two nodes are cut apart by routes into nothing at both: no
connection is refused or closed, packets are lost. Needs root or user namespaces, and iproute2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product

from testnet.network import Place

SUBNET = "10.77.0"
CHAIN_HOST = f"{SUBNET}.1"
FIRST_NODE = 10
IN_HUB = "P2PAVS_FAULTS_HUB"  # set where the command already has its namespace
START_SECONDS = 30.0
_WAYS = ((), ("--map-root-user",))


class NamespacesFailed(Exception):
    """The kernel or a tool refused; the message says what was tried."""


def way_in() -> tuple[str, ...] | None:
    """Options of unshare(1) that give a namespace with a bridge here; None where none do."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        return None
    for options in _WAYS:
        attempt = ["unshare", *options, "--net", "ip", "link", "add", "hub", "type", "bridge"]
        if subprocess.run(attempt, capture_output=True, check=False).returncode == 0:
            return options
    return None


def enter_hub(options: Sequence[str], module: str, arguments: Sequence[str]) -> None:
    """Go on as this module in a namespace of its own; does not return."""
    command = ["unshare", *options, "--net", sys.executable, "-m", module, *arguments]
    os.execvpe("unshare", command, {**os.environ, IN_HUB: "1"})


class Hub:
    """The namespaces of so many nodes, while in the `with`; only in a namespace of the command's own."""

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self._holders: list[subprocess.Popen[bytes]] = []  # a process each, which keeps a namespace alive
        self._cuts: Counter[tuple[int, int]] = Counter()
        self._mutex = threading.Lock()

    def __enter__(self) -> Hub:
        try:
            _ip("link", "set", "lo", "up")
            _ip("link", "add", "hub", "type", "bridge")
            _ip("address", "add", f"{CHAIN_HOST}/24", "dev", "hub")
            _ip("link", "set", "hub", "up")
            for index in range(self._nodes):
                self._join(index)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for holder in self._holders:
            holder.kill()
            holder.wait()
        subprocess.run(["ip", "link", "delete", "hub"], capture_output=True, check=False)

    @property
    def places(self) -> dict[int, Place]:
        """Where each node listens, and how its process gets there."""
        return {index: Place(_address(index), tuple(self._enter(index))) for index in range(self._nodes)}

    @contextmanager
    def apart(self, inside: Iterable[int], outside: Iterable[int]) -> Iterator[None]:
        """Nothing passes between these nodes and those, either way. Cuts may overlap."""
        pairs = list(product(inside, outside))
        with self._mutex:
            for pair in pairs:
                self._cuts[pair] += 1
                if self._cuts[pair] == 1:
                    self._route("add", *pair)
        try:
            yield
        finally:
            with self._mutex:
                for pair in pairs:
                    self._cuts[pair] -= 1
                    if self._cuts[pair] == 0:
                        self._route("delete", *pair)

    def _join(self, index: int) -> None:
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self._holders.append(holder)
        deadline = time.monotonic() + START_SECONDS
        while _namespace(holder.pid) in (_namespace(os.getpid()), None):
            if holder.poll() is not None or time.monotonic() > deadline:
                raise NamespacesFailed("unshare --net: no namespace for a node")
            time.sleep(0.01)
        _ip("link", "add", f"node{index}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        _ip("link", "set", f"node{index}", "master", "hub", "up")
        enter = self._enter(index)
        _ip("link", "set", "lo", "up", enter=enter)
        _ip("address", "add", f"{_address(index)}/24", "dev", "eth0", enter=enter)
        _ip("link", "set", "eth0", "up", enter=enter)

    def _enter(self, index: int) -> list[str]:
        return ["nsenter", "--target", str(self._holders[index].pid), "--net"]

    def _route(self, verb: str, one: int, other: int) -> None:
        for here, there in ((one, other), (other, one)):
            _ip("route", verb, "blackhole", f"{_address(there)}/32", enter=self._enter(here))


def _address(index: int) -> str:
    return f"{SUBNET}.{FIRST_NODE + index}"


def _namespace(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def _ip(*arguments: str, enter: Sequence[str] = ()) -> None:
    done = subprocess.run([*enter, "ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NamespacesFailed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
