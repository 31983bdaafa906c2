"""From an empty directory to a network of connected nodes, step by step, with what each step took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from testnet.network import Network, NetworkFailed, node_name

CONNECT_SECONDS = 120.0
# Commands at one time: each is a Python process, and most of its time is starting up.
_PARALLEL = 3
# Nodes that start at one time: each loads its model, and more of them only wait for each other.
_AT_ONCE = 6


def bring_up(network: Network, nodes: int, *, running: bool = True) -> None:
    """Start chain, contracts, operators and nodes, and wait until every node sees all others.

    With `running=False` it ends before the first node is started.
    Raises NetworkFailed. What was started stays for the caller to stop.
    """
    with _step(network, "chain") as report:
        network.start_chain()
        report(network.state.rpc)
    with _step(network, "contracts and keys") as report:
        addresses = _deploy_and_make_keys(network, nodes)
        report(f"{nodes} operators and a requester")
    with _step(network, "registration") as report:
        _fund_and_register(network, addresses)
        report("stake deposited, demo model registered, first epoch open")
    network.write_config()
    if running:
        start_nodes(network, nodes)


def start_nodes(network: Network, nodes: int) -> None:
    """Start all nodes: the first one alone, the others knowing only the first one's address."""
    with _step(network, "nodes") as report:
        network.start_node(0, None)
        network.wait_node(0)
        first = network.address(0)
        for wave in range(1, nodes, _AT_ONCE):
            indexes = range(wave, min(wave + _AT_ONCE, nodes))
            for index in indexes:
                network.start_node(index, first)
            for index in indexes:
                network.wait_node(index)
        network.write_config()
        report(f"{nodes} processes, each told one address: {first}")
    with _step(network, "connections") as report:
        wait_connected(network, nodes)
        report(f"every node is connected to the {nodes - 1} others")


def wait_connected(network: Network, nodes: int, seconds: float = CONNECT_SECONDS) -> None:
    """Wait until every node counts all others as connected. Raises NetworkFailed."""
    deadline = time.monotonic() + seconds
    counts: list[int] = []
    while time.monotonic() < deadline:
        counts = [peers(network, index) for index in range(nodes)]
        if all(count >= nodes - 1 for count in counts):
            return
        for index in range(nodes):
            if not network.running(node_name(index)):
                raise NetworkFailed(network.obituary(index))
        time.sleep(0.2)
    raise NetworkFailed(f"after {seconds:.0f} s the nodes have {counts} peers instead of {nodes - 1} each.")


def peers(network: Network, index: int) -> int:
    """Peers a node is connected to; 0 while it does not answer."""
    try:
        status = network.api(index, "/status")
    except (OSError, ValueError):
        return 0
    return peer_count(status)


def peer_count(status: dict[str, object]) -> int:
    """The number of connected peers in a node's status."""
    found = status.get("peers", 0)
    return len(found) if isinstance(found, list) else int(str(found))


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for commands; when one fails the others are not waited for, the caller stops the network."""
    pool = ThreadPoolExecutor(_PARALLEL)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _deploy_and_make_keys(network: Network, nodes: int) -> list[str]:
    """Addresses of the requester and of the operators, in this order."""
    directories = [network.layout.requester, *(network.layout.operator(index) for index in range(nodes))]
    with _pool() as pool:
        deployment = pool.submit(network.deploy)
        keys = [pool.submit(network.new_keys, directory) for directory in directories]
        deployment.result()
        return [each.result() for each in keys]


def _fund_and_register(network: Network, addresses: list[str]) -> None:
    """Fund all, then register operators and model side by side: one command at a time for each account."""
    network.fund(addresses)
    with _pool() as pool:
        model = pool.submit(network.register_model)
        operators = [pool.submit(network.register, index) for index in range(len(addresses) - 1)]
        for each in (model, *operators):
            each.result()
    network.advance_epoch()


@contextmanager
def _step(network: Network, title: str) -> Iterator[Callable[[str], None]]:
    started = time.monotonic()
    said: list[str] = []
    network.report.begin(title)
    yield said.append
    network.report.done(title, " ".join(said), time.monotonic() - started)
