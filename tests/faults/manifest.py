"""What is done to a network, and when: TOML manifests, read strictly.

nodes = 4
tasks = 4
every = 3.0          # seconds between two requests
deadline = 120       # seconds a task has

[[perturbation]]
what = "kill"
nodes = [2]
task = 1             # which of the tasks, from 0
phase = "prevote"    # when some node says this of it
seconds = 5.0        # how long it lasts
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

PHASES: Final = (
    "task",
    "inference_started",
    "inference_done",
    "proposal",
    "prevote",
    "precommit",
    "certificate",
    "posting",
    "certified",
)
MAX_NODES: Final = 32
MAX_TASKS: Final = 1000


class ManifestError(Exception):
    """A manifest says something that cannot be carried out; the message says what."""


class What(StrEnum):
    """What can be done."""

    KILL = "kill"  # kill -9, and a start after `seconds`
    RESTART = "restart"  # SIGTERM, and a start at once
    PAUSE = "pause"  # SIGSTOP for `seconds`
    SLOW = "slow"  # stopped for four fifths of the time
    DISCONNECT = "disconnect"  # no connection between these nodes and the others
    DISK_FULL = "disk_full"  # no file of these nodes can grow
    CLOCK_SKEW = "clock_skew"  # their clocks are `amount` seconds ahead
    RPC_DOWN = "rpc_down"  # the chain's endpoint is silent, for all
    REORG = "reorg"  # the chain drops its last `amount` blocks and what was in them


OF_NODES: Final = frozenset(set(What) - {What.RPC_DOWN, What.REORG})


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One thing that is done, once."""

    what: What
    task: int
    phase: str
    nodes: tuple[int, ...] = ()
    seconds: float = 0.0
    amount: int = 0

    def __str__(self) -> str:
        """As a report names it."""
        whom = f" of node {', '.join(map(str, self.nodes))}" if self.nodes else ""
        long = f" for {self.seconds:g} s" if self.seconds else ""
        much = f" by {self.amount}" if self.amount else ""
        return f"{self.what}{whom}{much}{long} at {self.phase} of task {self.task}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole run."""

    name: str
    nodes: int
    tasks: int
    every: float
    deadline: int
    perturbations: tuple[Perturbation, ...]

    def to_toml(self) -> str:
        """The manifest as a file."""
        lines = [f"nodes = {self.nodes}", f"tasks = {self.tasks}", f"every = {self.every:g}"]
        lines.append(f"deadline = {self.deadline}")
        for one in self.perturbations:
            lines += ["", "[[perturbation]]", f'what = "{one.what}"']
            lines += [f"nodes = [{', '.join(map(str, one.nodes))}]"] if one.nodes else []
            lines += [f"task = {one.task}", f'phase = "{one.phase}"']
            lines += [f"seconds = {one.seconds:g}"] if one.seconds else []
            lines += [f"amount = {one.amount}"] if one.amount else []
        return "\n".join(lines) + "\n"


def load(path: Path) -> Manifest:
    """Read a manifest. Raises ManifestError."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from None
    return parse(path.stem, document)


def parse(name: str, document: dict[str, Any]) -> Manifest:
    """Check what a manifest says. Raises ManifestError."""
    _only(document, {"nodes", "tasks", "every", "deadline", "perturbation"}, name)
    nodes = _whole(document, "nodes", 4, MAX_NODES, name)
    tasks = _whole(document, "tasks", 1, MAX_TASKS, name)
    listed = document.get("perturbation", [])
    if not isinstance(listed, list):
        raise ManifestError(f"{name}: write [[perturbation]] with two brackets")
    found = tuple(
        _perturbation(one, nodes, tasks, f"{name}, perturbation {i}") for i, one in enumerate(listed)
    )
    return Manifest(
        name,
        nodes,
        tasks,
        _number(document, "every", name),
        _whole(document, "deadline", 20, 3600, name),
        found,
    )


def _perturbation(table: dict[str, Any], nodes: int, tasks: int, where: str) -> Perturbation:
    _only(table, {"what", "nodes", "task", "phase", "seconds", "amount"}, where)
    try:
        what = What(table.get("what", ""))
    except ValueError:
        raise ManifestError(f"{where}: what is one of {', '.join(What)}") from None
    chosen = table.get("nodes", [])
    if not isinstance(chosen, list) or not all(type(one) is int and 0 <= one < nodes for one in chosen):
        raise ManifestError(f"{where}: nodes is a list of numbers from 0 to {nodes - 1}")
    if len(set(chosen)) < len(chosen):
        raise ManifestError(f"{where}: nodes names one twice")
    if (what in OF_NODES) != bool(chosen):
        raise ManifestError(f"{where}: {what} {'needs' if what in OF_NODES else 'takes no'} nodes")
    phase = table.get("phase", PHASES[0])
    if phase not in PHASES:
        raise ManifestError(f"{where}: phase is one of {', '.join(PHASES)}")
    task = _whole(table, "task", 0, tasks - 1, where)
    seconds = _number(table, "seconds", where) if "seconds" in table else 0.0
    amount = _whole(table, "amount", 1, 1000, where) if "amount" in table else 0
    if (what in (What.REORG, What.CLOCK_SKEW)) != bool(amount):
        raise ManifestError(f"{where}: amount belongs to reorg (blocks) and clock_skew (seconds)")
    return Perturbation(what, task, phase, tuple(chosen), seconds, amount)


def _only(table: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := set(table) - known:
        raise ManifestError(f"{where}: unknown: {', '.join(sorted(unknown))}")


def _whole(table: dict[str, Any], name: str, low: int, high: int, where: str) -> int:
    value = table.get(name)
    if type(value) is not int or not low <= value <= high:  # true is a number to Python
        raise ManifestError(f"{where}: {name} is a number from {low} to {high}")
    return value


def _number(table: dict[str, Any], name: str, where: str) -> float:
    value = table.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 600:
        raise ManifestError(f"{where}: {name} is a number of seconds from 0 to 600")
    return float(value)
