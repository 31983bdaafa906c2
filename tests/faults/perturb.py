"""Carrying out what a manifest says, each perturbation in a thread of its own."""

from __future__ import annotations

import json
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from testnet.layout import write_whole
from testnet.network import NetworkFailed, node_name
from tests.e2e.harness import Testnet
from tests.faults.load import Load
from tests.faults.manifest import PHASES, Perturbation, What
from tests.faults.namespaces import Hub
from tests.reorganise import reorganise

POLL = 0.1
WAIT = 180.0  # seconds until a phase that does not come is given up
SLOW_STOPPED, SLOW_RUNNING = 0.2, 0.05


@dataclass(slots=True)
class Report:
    """What became of a perturbation."""

    perturbation: Perturbation
    begun: float | None = None
    ended: float | None = None
    problem: str = ""


@dataclass(slots=True)
class Perturbations:
    """Waits for the phases of tasks, and acts."""

    net: Testnet
    load: Load
    hub: Hub | None = None
    """Cuts nodes off where there are network namespaces; else a firewall in their processes does."""
    reports: list[Report] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _processes: threading.Lock = field(default_factory=threading.Lock)
    _down: dict[int, int] = field(default_factory=dict)
    _turns: dict[int, threading.Lock] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)

    def start(self, perturbations: tuple[Perturbation, ...]) -> None:
        """Begin to wait."""
        for one in perturbations:
            report = Report(one)
            self.reports.append(report)
            thread = threading.Thread(target=self._run, args=(report,), name=str(one))
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """Wait until everything that was begun is undone again."""
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Give up what has not begun."""
        self._end.set()
        self.finish()

    def _run(self, report: Report) -> None:
        try:
            if not self._wait_phase(report.perturbation):
                report.problem = "the phase never came"
                return
            with self._alone(report.perturbation.nodes):
                report.begun = time.time()
                self._act(report.perturbation)
                report.ended = time.time()
        except Exception as error:
            report.problem = f"{type(error).__name__}: {error}"

    def _wait_phase(self, one: Perturbation) -> bool:
        """Whether some node says that the task is so far; any later phase will do as well."""
        deadline = time.monotonic() + WAIT
        enough = set(PHASES[PHASES.index(one.phase) :])
        while time.monotonic() < deadline and not self._end.is_set():
            task = self.load.posted.get(one.task)
            for index in range(self.net.nodes if task is not None else 0):
                if self._down.get(index) or not self.net.running(index):
                    continue
                try:
                    events = self.net.network.api(index, f"/tasks/{task}/events")
                except (OSError, ValueError):
                    continue
                if any(event["event"] in enough for event in events):
                    return True
            time.sleep(POLL)
        return False

    @contextmanager
    def _alone(self, nodes: tuple[int, ...]) -> Iterator[None]:
        """One thing at a time with each node: what is killed twice cannot be started twice."""
        with ExitStack() as stack:
            for index in sorted(nodes):
                stack.enter_context(self._turns.setdefault(index, threading.Lock()))
            yield

    def _act(self, one: Perturbation) -> None:
        match one.what:
            case What.KILL | What.RESTART:
                self._restart(one)
            case What.PAUSE:
                with self._stopped(one.nodes):
                    time.sleep(one.seconds)
            case What.SLOW:
                self._slow(one)
            case What.DISCONNECT:
                self._disconnect(one)
            case What.CLOCK_SKEW:
                with self._faults(one.nodes, {"skew": one.amount}):
                    time.sleep(one.seconds)
            case What.DISK_FULL:
                self._fill_disk(one)
            case What.RPC_DOWN:
                self.net.network.kill("anvil", signal.SIGSTOP)
                time.sleep(one.seconds)
                self.net.network.kill("anvil", signal.SIGCONT)
            case What.REORG:
                reorganise(self.net.network.rpc, one.amount)

    def _restart(self, one: Perturbation) -> None:
        with self._counted(one.nodes):
            for index in one.nodes:
                with self._processes:
                    if one.what is What.KILL:
                        self.net.kill(index)
                    elif self.net.running(index):
                        self.net.terminate(index, 60)
            time.sleep(one.seconds)
            for index in one.nodes:
                with self._processes:
                    if not self.net.running(index):
                        self.net.restart(index, wait=False)
            for index in one.nodes:
                self.net.network.wait_node(index)

    def _slow(self, one: Perturbation) -> None:
        end = time.monotonic() + one.seconds
        while time.monotonic() < end:
            with self._stopped(one.nodes):
                time.sleep(SLOW_STOPPED)
            time.sleep(SLOW_RUNNING)

    def _disconnect(self, one: Perturbation) -> None:
        outside = [index for index in range(self.net.nodes) if index not in one.nodes]
        with (
            self._faults(one.nodes, {"blocked": [self._peer(index) for index in outside]})
            if self.hub is None
            else self.hub.apart(one.nodes, outside)
        ):
            time.sleep(one.seconds)

    def _fill_disk(self, one: Perturbation) -> None:
        """Let no file of the node grow: what it writes fails as on a full disk."""
        pids = [self.net.network.state.processes[node_name(index)].pid for index in one.nodes]
        before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
        try:
            for pid, (_, hard) in before.items():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
            time.sleep(one.seconds)
        finally:
            for pid, limits in before.items():
                try:
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
                except ProcessLookupError:
                    continue

    @contextmanager
    def _stopped(self, nodes: tuple[int, ...]) -> Iterator[None]:
        with self._counted(nodes):
            for index in nodes:
                self.net.pause(index)
            try:
                yield
            finally:
                for index in nodes:
                    self.net.resume(index)

    @contextmanager
    def _faults(self, nodes: tuple[int, ...], content: dict[str, object]) -> Iterator[None]:
        """What tests.doubles.shaken obeys."""
        paths = [self.net.network.layout.data(index) / "faults.json" for index in nodes]
        for path in paths:
            write_whole(path, json.dumps(content))
        try:
            yield
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    @contextmanager
    def _counted(self, nodes: tuple[int, ...]) -> Iterator[None]:
        """Nobody asks these nodes while they cannot answer."""
        for index in nodes:
            self._down[index] = self._down.get(index, 0) + 1
        try:
            yield
        finally:
            for index in nodes:
                self._down[index] -= 1

    def _peer(self, index: int) -> str:
        identity = self.net.network.keys(self.net.network.layout.operator(index)) / "identity.json"
        return str(json.loads(identity.read_text())["peerId"])


def recover(net: Testnet) -> str:
    """Wait until all nodes run and see each other; what is wrong if they do not."""
    for index in range(net.nodes):
        if not net.running(index):
            return net.network.obituary(index)
    try:
        net.wait_connected(240)
    except NetworkFailed as error:
        return str(error)
    return ""
