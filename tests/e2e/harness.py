"""A whole test network under a test: started as testnet/up.sh starts it, then disturbed on purpose.

What the network did is judged from outside: by the chain, the nodes' HTTP API and their logs.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import trio

from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.events import TaskCertified
from p2pavs.chain.reader import read_result
from p2pavs.chain.records import TaskResult, TaskStatus
from p2pavs.chain.rpc import Rpc
from testnet.layout import Layout, claim
from testnet.network import Network, Place, fetch_json, node_name
from testnet.startup import bring_up, start_nodes, wait_connected
from testnet.steps import tail

T = TypeVar("T")
POLL = 0.1
DEADLINE = ("--deadline", "900")
"""Seconds that a task of a test has. Limits here end what hangs, on a slow and busy machine too."""
MANY = 64
"""Tasks that are asked until one of them brings the occasion that a test needs."""


class Testnet:
    """One running network. Use it in a `with`, or close it."""

    __test__ = False  # not a test class, whatever its name says

    def __init__(self, network: Network, nodes: int) -> None:
        self.network = network
        self.nodes = nodes

    @classmethod
    def start(
        cls,
        directory: Path,
        nodes: int = 7,
        doubles: Mapping[int, str] | None = None,
        options: Mapping[int, Sequence[str]] | None = None,
        *,
        running: bool = True,
        parameters: str = "",
        places: Mapping[int, Place] | None = None,
        chain_host: str = "127.0.0.1",
    ) -> Testnet:
        """Start chain, contracts, operators and nodes in an empty directory; returns when all see each other.

        A node with a double runs that module (`python -m MODULE node ...`) in place of `p2pavs`.
        With `running=False` everything is registered, but no node is started: see `start_nodes`.
        `parameters` are those of the deployment that differ from the defaults (TOML). `places` are those of
        nodes that run elsewhere than here.
        """
        layout = Layout(directory.resolve())
        state, lock = claim(layout)
        lock.close()
        file = layout.directory / "parameters.toml" if parameters else None
        if file is not None:
            file.write_text(parameters)
        network = Network(
            layout,
            state,
            doubles or {},
            options=options or {},
            parameters=file,
            places=places or {},
            chain_host=chain_host,
        )
        testnet = cls(network, nodes)
        try:
            bring_up(network, nodes, running=running)
        except BaseException:
            testnet.close()
            raise
        return testnet

    def start_nodes(self) -> None:
        """Start the nodes of a network that was brought up without them."""
        start_nodes(self.network, self.nodes)

    def close(self) -> None:
        """Stop everything; fails if something does not stop."""
        if not self.network.stop():
            raise RuntimeError("processes of the test network did not stop")
        for child in self.network.children.values():
            child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._tell_of_the_ended()
        self.close()

    def _tell_of_the_ended(self) -> None:
        """Print why nodes ended: whoever reads of a failed test cannot look into its logs any more."""
        for index in range(self.nodes):
            name = node_name(index)
            if name in self.network.children and not self.running(index):
                print(f"\n{name} does not run. Its log ends with:\n{tail(self.network.layout.log(name), 40)}")

    # -- disturbing -----------------------------------------------------------------------------------

    def kill(self, index: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a node; after SIGKILL it is gone when this returns."""
        self.network.kill(node_name(index), number)

    def pause(self, index: int) -> None:
        """Stop a node where it is (SIGSTOP). Its worker process runs on, and waits for it."""
        self.network.kill(node_name(index), signal.SIGSTOP)

    def resume(self, index: int) -> None:
        """Let a paused node go on (SIGCONT)."""
        self.network.kill(node_name(index), signal.SIGCONT)

    def terminate(self, index: int, seconds: float = 120) -> int:
        """Ask a node to end (SIGTERM); returns its exit code."""
        self.network.kill(node_name(index), signal.SIGTERM)
        return self.network.children[node_name(index)].wait(seconds)

    def restart(self, index: int, *, wait: bool = True) -> None:
        """Start an ended node again, with its data, knowing the address of one running node."""
        others = (other for other in range(self.nodes) if other != index and self.running(other))
        anyone = next(others, None)
        self.network.start_node(index, None if anyone is None else self.network.address(anyone))
        if wait:
            self.network.wait_node(index)

    def running(self, index: int) -> bool:
        """Whether a node's process exists (a paused one does)."""
        return self.network.running(node_name(index))

    def wait_connected(self, seconds: float = 240) -> None:
        """Wait until every node sees all others; all must run."""
        wait_connected(self.network, self.nodes, seconds)

    # -- asking ---------------------------------------------------------------------------------------

    def command(self, *arguments: str, timeout: float = 600) -> str:
        """Output of `p2pavs` with the requester's configuration. Raises NetworkFailed if it fails."""
        return self.network.command(*arguments, timeout=timeout)

    def request(
        self, prompt: str, *, choices: Sequence[str] = (), wait: bool = False, options: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Pay for a task; what `p2pavs request --json` says of it (the last line it prints)."""
        arguments = ["request", "--json", "--wait" if wait else "--no-wait", *options]
        if choices:
            arguments += ["--choices", ",".join(choices)]
        arguments += ["--", prompt]
        said = self.command(*arguments, timeout=900).strip().splitlines()
        document: dict[str, Any] = json.loads(said[-1])
        return document

    def api(self, index: int, path: str) -> Any:
        """What a node's API answers at a path. Raises OSError (a refusal is one) or ValueError."""
        return fetch_json(self.network.state.apis[index] + path, timeout=60.0)

    def logs(self, index: int) -> list[dict[str, Any]]:
        """A node's log, over all its runs: one dictionary per line that is JSON; others under "text"."""
        return [_entry(line) for line in self.network.layout.log(node_name(index)).read_text().splitlines()]

    # -- judging --------------------------------------------------------------------------------------

    def result(self, task_id: int) -> TaskResult:
        """Where a task stands on the chain."""
        return trio.run(self._read_result, task_id)

    def postings(self, task_id: int) -> list[TaskCertified]:
        """All certificates of a task that the gateway took. More than one is a defect of the gateway."""
        return trio.run(self._read_postings, task_id)

    def wait_certified(self, task_id: int, seconds: float = 600) -> TaskCertified:
        """Wait until the gateway took a task's certificate. Fails when it cannot any more, or in time."""

        def certified() -> bool:
            status = self.result(task_id).status
            assert status in (TaskStatus.REQUESTED, TaskStatus.CERTIFIED), f"task {task_id} is {status.name}"
            return status is TaskStatus.CERTIFIED

        self.wait_until(certified, f"task {task_id} is certified", seconds)
        (posting,) = self.postings(task_id)
        return posting

    def wait_until(self, condition: Callable[[], T], what: str, seconds: float = 240) -> T:
        """Wait until a condition is truthy and return its value; what raises OSError is not true yet."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = condition()
            except OSError:
                value = None
            if value:
                return value
            assert time.monotonic() < deadline, f"{seconds:.0f} s passed, and it is not so that {what}"
            time.sleep(POLL)

    async def _read_result(self, task_id: int) -> TaskResult:
        async with Rpc(self.network.state.rpc) as rpc:
            return await read_result(self._chain(rpc), task_id)

    async def _read_postings(self, task_id: int) -> list[TaskCertified]:
        async with Rpc(self.network.state.rpc) as rpc:
            word = task_id.to_bytes(32, "big")
            found = await self._chain(rpc).find_events("TaskGateway", "TaskCertified", word)
        return [logged.event for logged in found if isinstance(logged.event, TaskCertified)]

    def _chain(self, rpc: Rpc) -> Chain:
        return Chain(rpc, Deployment.load(self.network.layout.deployment))


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {"text": line}
    return entry if isinstance(entry, dict) else {"text": line}
