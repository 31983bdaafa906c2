"""Runs benchmarks one after the other, each in a process of its own, and says how far they are."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import p2pavs
from p2pavs.bench.machine import load, machine
from p2pavs.bench.registry import Benchmark
from p2pavs.bench.report import Run, commit
from p2pavs.bench.result import Result
from p2pavs.errors import P2pavsError

ROOT = Path(p2pavs.__file__).resolve().parents[1]
"""The clone, where p2pavs was installed from one with ``pip install -e``."""
_LINES_KEPT = 15
_STOPPING_SECONDS = 120.0

Progress = Callable[[str], None]


class BenchmarkFailed(P2pavsError):
    """A benchmark ended without a result."""


def in_clone() -> bool:
    """Whether this program runs out of a clone, in which the test network and the tests are."""
    return (ROOT / "tests" / "bench").is_dir() and (ROOT / "testnet").is_dir()


def run(benchmark: Benchmark, *, quick: bool, repeats: int | None, progress: Progress) -> Run:
    """Run one; every line it prints goes to ``progress``. Raises ``BenchmarkFailed``."""
    if benchmark.needs_clone and not in_clone():
        raise BenchmarkFailed(
            f"the benchmark {benchmark.name!r} is in the repository, and not part of the package",
            "Run p2pavs out of a clone of its repository: see the README.",
        )
    with tempfile.TemporaryDirectory(prefix="p2pavs-bench-") as directory:
        result = Path(directory) / "result.json"
        command = [sys.executable, "-m", benchmark.module, "--result", str(result)]
        command += ["--quick"] if quick else []
        command += [] if repeats is None else ["--repeats", str(repeats)]
        started, before, began = datetime.now(UTC), load(), time.monotonic()
        code, said = _follow(command, progress)
        if code != 0 or not result.exists():
            raise BenchmarkFailed(
                f"the benchmark {benchmark.name!r} failed (exit status {code}):\n" + "\n".join(said),
                f"Run it alone to see all it says: python -m {benchmark.module}",
            )
        content = json.loads(result.read_text())
    return Run(
        benchmark.name,
        Result.from_json(content),
        started.isoformat(timespec="minutes").replace("+00:00", "Z"),
        time.monotonic() - began,
        before,
        quick,
        repeats,
        machine(),
        commit(ROOT),
    )


def _follow(command: list[str], progress: Progress) -> tuple[int, list[str]]:
    """Run a command; returns its exit status and the last lines it printed."""
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=ROOT if in_clone() else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # A Ctrl-C at the terminal is for this process alone: a second signal would interrupt the stopping.
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                said = [*said, line.rstrip()][-_LINES_KEPT:]
                progress(line.rstrip())
        except BaseException:
            process.terminate()
            process.wait(_STOPPING_SECONDS)  # it stops the networks that it started
            raise
    return process.returncode, said
