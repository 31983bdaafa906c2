"""``p2pavs doctor --matrix``: the determinism matrix on this machine, as a table that grows row by row."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from inference.matrix import (
    CACHES,
    COMPANY,
    PHASES,
    PROCESSORS,
    Emulation,
    Outcome,
    Plan,
    Step,
    emulate,
    full_plan,
    reduced_plan,
    run,
)
from p2pavs.cli.output import wants_json
from p2pavs.errors import P2pavsError

_EMULATOR = "qemu-x86_64"
_NO_EMULATOR = f"{_EMULATOR} is not installed (Debian: apt install qemu-user)"
_SHOWN = 5
_ROW = "{:<10} {:<8} {:>5} {:>7} {:>6}  {}"


class MatrixImpossible(P2pavsError):
    """The matrix cannot be computed here."""


def run_matrix(*, quick: bool) -> tuple[bool, dict[str, Any]]:
    """Compute and print the matrix. Returns whether every bit was the same, and the content for JSON."""
    if importlib.util.find_spec("gguf") is None:
        raise MatrixImpossible(
            "The matrix needs the package gguf, which writes its models.",
            f"Install it: {sys.executable} -m pip install 'gguf>=0.17,<1'",
        )
    plan = reduced_plan() if quick else full_plan()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="p2pavs-matrix-") as name:
        outcomes = _outcomes(plan, Path(name))
        emulations = _emulations(plan, Path(name), quick=quick)
    made = [outcome for outcome in outcomes if not outcome.unmade]
    cells = sum(outcome.cells for outcome in made)
    differing = sum(len(outcome.differing) for outcome in made)
    passed = all(o.passed for o in outcomes) and all(e.passed for e in emulations)
    seconds = round(time.monotonic() - begun, 1)
    found = f"{differing:,} with other bits than the reference"
    _say("")
    _say(f"{_mark(passed)}  {len(made)} models, {cells:,} cells, {found} ({seconds:.0f} s)")
    return passed, {
        "passed": passed,
        "cells": cells,
        "differing": differing,
        "seconds": seconds,
        "models": [_model_json(outcome) for outcome in outcomes],
        "emulated": [_emulation_json(emulation) for emulation in emulations],
    }


def _outcomes(plan: Plan, directory: Path) -> list[Outcome]:
    _say(f"{len(plan.models)} models with random weights, {len(plan.ways)} ways to compute each:")
    _say(f"  threads {_list(plan.threads)}; micro-batch {_list(plan.micro)}; {', '.join(COMPANY)};")
    _say(f"  {', '.join(PHASES)}; {', '.join(CACHES)}.")
    _say("A cell is one way with one model. All bits of all its logits must be those of the reference.")
    _say("")
    _say(click.style(_ROW.format("like", "weights", "cells", "differ", "s", "").rstrip(), bold=True))
    outcomes: list[Outcome] = []
    for event in run(plan, directory):
        if isinstance(event, Step):
            which = f"model {len(outcomes) + 1} of {len(plan.models)}"
            _progress(f"{event.title}: {event.done} of {event.total}, {which}")
            continue
        outcomes.append(event)
        _show_outcome(event)
    return outcomes


def _show_outcome(outcome: Outcome) -> None:
    if outcome.unmade:
        _say(_ROW.format(outcome.shape, outcome.weights, "-", "-", "-", f"skipped: {outcome.unmade}"))
        return
    verdict = f"{_mark(outcome.passed)} {outcome.digest[:16]}"
    if outcome.crash:
        verdict = f"{_mark(False)} the process {outcome.crash}"
    elif outcome.published is None:
        verdict += " (no digest is published)"
    elif outcome.published != outcome.digest:
        verdict += f", published is {outcome.published[:16]}"
    row = (outcome.shape, outcome.weights, outcome.cells, len(outcome.differing), f"{outcome.seconds:.1f}")
    _say(_ROW.format(*row, verdict))
    for cell in outcome.differing[:_SHOWN]:
        where = (
            f"{cell['differing']} of {cell['of']} positions, first {cell['position']} of line {cell['line']}"
        )
        _say(f"           {cell['way']}: {where}")
    if (more := len(outcome.differing) - _SHOWN) > 0:
        _say(f"           and {more} cells more")


def _emulations(plan: Plan, directory: Path, *, quick: bool) -> list[Emulation]:
    """The same models on emulated processors; left out, and said so, where the emulator is missing."""
    _say("")
    if quick:
        skipped = "left out by --quick"
    elif shutil.which(_EMULATOR) is None:
        skipped = _NO_EMULATOR
    else:
        skipped = ""
    if skipped:
        _say(f"emulated processors ({', '.join(PROCESSORS)}): skipped, {skipped}")
        return [Emulation(processor, skipped=skipped) for processor in PROCESSORS]
    emulations: list[Emulation] = []
    for processor in PROCESSORS:
        for event in emulate(plan, directory, processor):
            if isinstance(event, Step):
                _progress(f"{event.title}: {event.done} of {event.total} models")
                continue
            emulations.append(event)
            differing = f"{len(event.differing)} differ"
            what = event.crash or (
                f"{differing}: {', '.join(event.differing)}" if event.differing else differing
            )
            _say(f"{_mark(event.passed)}  emulated {event.processor}: {event.models} models, {what}")
    return emulations


def _model_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "architecture": outcome.shape,
        "weights": outcome.weights,
        "passed": outcome.passed,
        "cells": outcome.cells,
        "differing": outcome.differing,
        "digest": outcome.digest or None,
        "published": outcome.published,
        "skipped": outcome.unmade or None,
        "crash": outcome.crash or None,
        "seconds": round(outcome.seconds, 1),
    }


def _emulation_json(emulation: Emulation) -> dict[str, Any]:
    return {
        "processor": emulation.processor,
        "passed": emulation.passed,
        "models": emulation.models,
        "differing": emulation.differing,
        "skipped": emulation.skipped or None,
        "crash": emulation.crash or None,
    }


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _mark(good: bool) -> str:
    return click.style("ok  ", fg="green") if good else click.style("FAIL", fg="red")


def _say(line: str) -> None:
    if not wants_json():
        _progress("")
        click.echo(line)


def _progress(line: str) -> None:
    """One line of a terminal that the next one replaces; nothing elsewhere."""
    if sys.stderr.isatty() and not wants_json():
        click.echo(f"\r\x1b[2K{line}", err=True, nl=False)
