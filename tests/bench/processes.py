"""Counters of the processes of a test network, taken from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testnet.network import node_name
from tests.e2e.harness import Testnet
from tests.faults.measure import children, cpu_seconds, resident


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time: of all nodes, of all their workers, of the chain."""

    nodes: float
    workers: float
    chain: float

    @classmethod
    def of(cls, net: Testnet) -> Cpu:
        """Since the processes began."""
        pids = node_pids(net)
        return cls(
            sum(map(cpu_seconds, pids)),
            sum(cpu_seconds(child) for pid in pids for child in children(pid)),
            cpu_seconds(net.network.state.processes["anvil"].pid),
        )

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.nodes - other.nodes, self.workers - other.workers, self.chain - other.chain)

    @property
    def members(self) -> float:
        """Nodes and workers."""
        return self.nodes + self.workers


def node_pids(net: Testnet) -> list[int]:
    """The process of each node."""
    return [net.network.state.processes[node_name(index)].pid for index in range(net.nodes)]


def processor_seconds(pid: int) -> float:
    """Computing time of all threads that a process has, exact where ``cpu_seconds`` counts in 10 ms."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in threads) / 1e9


def node_memory(net: Testnet) -> float:
    """The largest node without its worker, in MB."""
    return max(map(resident, node_pids(net)))
