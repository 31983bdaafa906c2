"""A manifest from start to verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.harness import Testnet
from tests.faults import checks
from tests.faults.load import Load
from tests.faults.manifest import Manifest
from tests.faults.namespaces import CHAIN_HOST, Hub
from tests.faults.perturb import Perturbations, Report, recover

DOUBLE = "tests.doubles.shaken"
BLOCKS_AFTER = 8
"""Blocks that nodes must outlive after the last certificate: by then they are through with its task."""


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    manifest: Manifest
    reports: list[Report] = field(default_factory=list)
    states: dict[int, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def certified(self) -> int:
        """Tasks with a certificate on the chain."""
        return sum(state == "certified" for state in self.states.values())


def run_manifest(
    manifest: Manifest,
    directory: Path,
    say: Callable[[str], None] = lambda line: None,
    *,
    namespaces: bool = False,
) -> Outcome:
    """Start a network, load it, disturb it, judge it.

    With `namespaces`, in a network namespace of its own, nodes have one each, and are cut off by the kernel.
    """
    begin = time.monotonic()
    outcome = Outcome(manifest)
    with ExitStack() as stack:
        hub = stack.enter_context(Hub(manifest.nodes)) if namespaces else None
        net = stack.enter_context(
            Testnet.start(
                directory,
                manifest.nodes,
                dict.fromkeys(range(manifest.nodes), DOUBLE),
                places=None if hub is None else hub.places,
                chain_host="127.0.0.1" if hub is None else CHAIN_HOST,
            )
        )
        load = Load(net, manifest.tasks, manifest.every, manifest.deadline)
        perturbations = Perturbations(net, load, hub, outcome.reports)
        load.start()
        try:
            perturbations.start(manifest.perturbations)
            _wait(load, manifest)
            perturbations.finish()
            outcome.states = checks.wait_settled(net, manifest.tasks, manifest.deadline)
            checks.wait_blocks(net, BLOCKS_AFTER)
            problem = recover(net)
            if problem:
                outcome.problems.append(problem)
        finally:
            perturbations.stop()
            load.close()
        outcome.problems += _judge(net, outcome)
    outcome.seconds = time.monotonic() - begin
    for report in outcome.reports:
        say(f"  {'ok' if not report.problem else report.problem:<8} {report.perturbation}")
    return outcome


def _wait(load: Load, manifest: Manifest) -> None:
    """Until every request is on the chain."""
    end = time.monotonic() + manifest.tasks * manifest.every + manifest.deadline
    while not load.done and time.monotonic() < end:
        time.sleep(0.2)


def _judge(net: Testnet, outcome: Outcome) -> list[str]:
    manifest, problems = outcome.manifest, []
    if len(outcome.states) != manifest.tasks:
        problems.append(f"{len(outcome.states)} tasks are on the chain instead of {manifest.tasks}")
    problems += [f"task {task} is {state}" for task, state in outcome.states.items() if state != "certified"]
    counts = checks.certificates(net)
    problems += [f"task {task} has {count} certificates" for task, count in counts.items() if count != 1]
    problems += [f"signed twice: {one}" for one in checks.double_signatures(net)]
    problems += checks.unexplained_errors(net, {one.what for one in manifest.perturbations})
    problems += [f"an honest peer was banned: {one}" for one in checks.bans(net)]
    problems += [f"{one.perturbation}: {one.problem}" for one in outcome.reports if one.problem]
    return problems
