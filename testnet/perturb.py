#!/usr/bin/env python3
"""Disturb test networks on purpose: `testnet/perturb.py MANIFEST...`, or `--generate N --seed S`.

A manifest (testnet/manifests/*.toml) lists nodes, tasks, and what is done to them when. The work is in
tests/faults; this is its door, which finds the clone's virtual environment.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Go on as tests.faults in the virtual environment of the clone."""
    environment = Path(os.environ.get("P2PAVS_VENV", ROOT / ".venv"))
    python = environment / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python} is not there. Run: testnet/setup.sh")
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [str(python), "-m", "tests.faults", *sys.argv[1:]]
    os.execve(python, command, {**os.environ, "PYTHONPATH": paths})


if __name__ == "__main__":
    main()
