"""Where the time of one task goes, out of the journals of all nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from p2pavs.bench.part import median
from p2pavs.bench.result import Result, Span, Timeline
from tests.e2e.harness import Testnet

PHASES = (
    ("confirmation", "task", "inference_started"),
    ("inference", "inference_started", "inference_done"),
    ("propose", "inference_done", "proposal"),
    ("prevote", "proposal", "precommit"),
    ("precommit and aggregate", "precommit", "certificate"),
    ("post", "certificate", "posted"),
    ("mined", "certificate", "certified"),
)
"""Name, and the events (the first of each) that it lies between. A poster has 'post', the others 'mined'."""


def events(net: Testnet, task: int) -> list[list[dict[str, Any]]]:
    """The journal of each node about a task."""
    return [list(net.api(index, f"/tasks/{task}/events")) for index in range(net.nodes)]


def first(journal: Sequence[dict[str, Any]]) -> dict[str, float]:
    """When each kind of event came first."""
    found: dict[str, float] = {}
    for event in journal:
        found.setdefault(str(event["event"]), float(event["at"]))
    return found


def computed_seconds(net: Testnet, task: int) -> float:
    """From the first node that began to compute to the first certificate."""
    journals = [first(journal) for journal in events(net, task)]
    begin = min(at["inference_started"] for at in journals if "inference_started" in at)
    return min(at["certificate"] for at in journals if "certificate" in at) - begin


def phases(journal: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Begin and end of each phase of one node; those that it did not have are left out."""
    at = first(journal)
    found = {
        name: (at[begin], max(at[begin], at[end])) for name, begin, end in PHASES if begin in at and end in at
    }
    if "post" in found:
        found.pop("mined", None)
    return found


def add(result: Result, net: Testnet, tasks: Sequence[int], mode: str) -> None:
    """Add the picture of the last task and the table of the medians over all tasks and nodes."""
    every: dict[str, list[float]] = {}
    for task in tasks:
        for journal in events(net, task):
            for name, (begin, end) in phases(journal).items():
                every.setdefault(name, []).append(1000 * (end - begin))
    result.table(
        ("phase", "ms, median", "ms, most", "seen"),
        [
            (name, median(every[name]), max(every[name]), len(every[name]))
            for name, _, _ in PHASES
            if name in every
        ],
        f"where the time goes: {mode}, {net.nodes} members, {len(tasks)} tasks, all nodes; 'confirmation' "
        "and 'mined' are waits for a block",
    )
    journals = events(net, tasks[-1])
    origin = min(first(journal)["task"] for journal in journals if journal)
    spans = [Span("request mined", "mined", 0.0, 0.0)]
    for index, journal in enumerate(journals):
        for name, (begin, end) in phases(journal).items():
            spans.append(Span(f"node {index}", name, 1000 * (begin - origin), 1000 * (end - origin)))
    mined = [first(journal).get("certified", 0.0) for journal in journals]
    if any(mined):
        last = 1000 * (min(one for one in mined if one) - origin)
        spans.append(Span("certificate mined", "mined", last, last))
    result.timelines.append(Timeline(f"One task, {mode}, {net.nodes} members", tuple(spans)))
