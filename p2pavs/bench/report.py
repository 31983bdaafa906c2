"""The report: every benchmark's last run in one JSON file, in the form of docs/benchmark-spec.md."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2pavs import __version__
from p2pavs.bench.result import Result
from p2pavs.errors import P2pavsError

FORMAT = "ai-avs-benchmark/1"
LARGEST = 20_000_000  # bytes


class ReportRefused(P2pavsError):
    """A file is no report of this version."""


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark, run once."""

    name: str
    result: Result
    started: str  # UTC, ISO 8601
    seconds: float
    load: float  # of the machine before it began
    quick: bool
    repeats: int | None  # None: as many as the benchmark repeats by itself
    machine: Mapping[str, Any]
    commit: str

    def to_json(self) -> dict[str, Any]:
        """The run as the report holds it."""
        content = self.result.to_json()
        measurements = content.pop("measurements")
        return {
            "name": self.name,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "load_before": self.load,
            "quick": self.quick,
            "repeats": self.repeats,
            "machine": dict(self.machine),
            "version": self.commit,
            "measurements": measurements,
            "own": content,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Run:
        """The run that ``to_json`` was called on. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        return cls(
            content["name"],
            Result.from_json({**content["own"], "measurements": content["measurements"]}),
            content["started"],
            content["seconds"],
            content["load_before"],
            content["quick"],
            content["repeats"],
            content["machine"],
            content["version"],
        )


def report(runs: Iterable[Run]) -> dict[str, Any]:
    """A report of these runs."""
    return {
        "format": FORMAT,
        "system": {"name": "p2pavs", "version": __version__},
        "runs": [run.to_json() for run in runs],
    }


def read_report(path: Path) -> dict[str, Run]:
    """The runs of a report by name; none where there is no file. Raises ``ReportRefused``."""
    if not path.exists():
        return {}
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too long")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError("it has another format")
        return {run.name: run for run in map(Run.from_json, content["runs"])}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ReportRefused(
            f"{path} is no report of benchmarks: {type(error).__name__}: {error}",
            "Move it away, and run the benchmarks again.",
        ) from None


def commit(directory: Path) -> str:
    """The commit of a clone, with a + if something in it is changed; the version where it is none."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return __version__
    return done.stdout.strip() or __version__
