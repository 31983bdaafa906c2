"""What the vector commands share: where the vectors are, and how results are printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "P2PAVS_VECTORS"


@dataclass(frozen=True, slots=True)
class Finding:
    """One vector's outcome: ``difference`` is None where it passed, ``note`` says how if not plainly."""

    name: str
    difference: str | None
    note: str = ""


def vectors_folder() -> Path:
    """Return the folder of vectors: ``$P2PAVS_VECTORS``, or ``shared/vectors`` beside the project."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "vectors"


def main(check: Callable[[Path], Iterable[Finding]]) -> int:
    """Run a check on the path on the command line; returns the exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m tests.vectors.<name> PATH", file=sys.stderr)
        return 2
    path = Path(sys.argv[1])
    if not path.exists():
        print(f"{path}: no such file or folder", file=sys.stderr)
        return 2
    total = failed = 0
    for finding in check(path):
        total += 1
        if finding.difference is None:
            print(f"{finding.name}: pass{f' ({finding.note})' if finding.note else ''}")
        else:
            failed += 1
            print(f"{finding.name}: {finding.difference}")
    print(f"{total - failed} of {total} pass")
    if not total:
        print(f"{path}: no vectors found", file=sys.stderr)
        return 2
    return 1 if failed else 0
