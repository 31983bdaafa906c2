"""What must hold at the end of a run, seen from outside: the chain, the nodes' API, their logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import aclosing

import trio

from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.events import TaskCertified, TaskRequested
from p2pavs.chain.reader import read_result
from p2pavs.chain.records import TaskStatus
from p2pavs.chain.rpc import Rpc
from tests.e2e.harness import Testnet
from tests.faults.manifest import What

EXPLAINED = {
    What.DISK_FULL: {"storage_failed", "inference_failed", "member_failed_at_end"},
    What.KILL: set[str](),
}
"""Log lines of level error that a perturbation explains."""

ORDER = ("requested", "certified", "refunded", "other")


def wait_settled(net: Testnet, tasks: int, seconds: float) -> dict[int, str]:
    """The state of each task on the chain, as soon as all are certified or the time is over."""
    return trio.run(_wait_settled, net, tasks, seconds)


async def _wait_settled(net: Testnet, tasks: int, seconds: float) -> dict[int, str]:
    async with Rpc(net.network.state.rpc) as rpc:
        chain = Chain(rpc, Deployment.load(net.network.layout.deployment))
        states: dict[int, str] = {}
        with trio.move_on_after(seconds):
            while True:
                states = {task: await _state(chain, task) for task in await _requested(chain)}
                if len(states) >= tasks and set(states.values()) == {"certified"}:
                    break
                await trio.sleep(0.5)
        return states


async def _state(chain: Chain, task_id: int) -> str:
    status = (await read_result(chain, task_id)).status
    return {TaskStatus.REQUESTED: "open", TaskStatus.CERTIFIED: "certified"}.get(status, status.name.lower())


async def _requested(chain: Chain) -> list[int]:
    async with aclosing(chain.every_event("TaskGateway", "TaskRequested")) as events:
        return [one.event.id async for one in events if isinstance(one.event, TaskRequested)]


def wait_blocks(net: Testnet, count: int) -> None:
    """Wait until the chain has so many blocks more."""

    def number() -> int:
        return int(str(net.network.rpc("eth_blockNumber")), 16)

    end = number() + count
    net.wait_until(lambda: number() >= end, f"the chain has {count} blocks more")


def certificates(net: Testnet) -> Counter[int]:
    """How many certificates the chain holds of each task."""

    async def work() -> Counter[int]:
        async with Rpc(net.network.state.rpc) as rpc:
            chain = Chain(rpc, Deployment.load(net.network.layout.deployment))
            async with aclosing(chain.every_event("TaskGateway", "TaskCertified")) as events:
                return Counter([one.event.id async for one in events if isinstance(one.event, TaskCertified)])

    return trio.run(work)


def double_signatures(net: Testnet) -> list[str]:
    """Equivocations that some node holds evidence of."""
    found = []
    for index in range(net.nodes):
        for one in net.api(index, "/evidence"):
            if one["offence"] == "equivocation":
                found.append(f"node {index}: {one['operator']} in task {one['task']}")
    return found


def unexplained_errors(net: Testnet, done: Iterable[What]) -> list[str]:
    """Lines of level error, and tracebacks, that nothing which was done explains."""
    explained = set().union(*(EXPLAINED.get(what, set()) for what in done))
    found = []
    for index in range(net.nodes):
        for entry in net.logs(index):
            event = str(entry.get("event", ""))
            bad = entry.get("level") in ("error", "critical") and event not in explained
            text = str(entry.get("text", ""))
            if bad or "Traceback" in text:
                found.append(
                    f"node {index}: {event or text}: {entry.get('error', entry.get('exception', ''))}"
                )
    return found


def bans(net: Testnet) -> list[str]:
    """Peers that were banned: in a network of honest nodes there are none."""
    return [
        f"node {index}: {entry['peer']} ({entry['sent']})"
        for index in range(net.nodes)
        for entry in net.logs(index)
        if entry.get("event") == "peer is banned"
    ]
