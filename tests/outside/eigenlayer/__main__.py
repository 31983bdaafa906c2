"""Run our adapter on EigenLayer's own contracts: ``python -m tests.outside.eigenlayer CHECKOUT``.

CHECKOUT is a clone of https://github.com/Layr-Labs/eigenlayer-contracts at ``COMMIT``. Its licence (BUSL-1.1)
allows tests; nothing of it is kept here. What it imports of OpenZeppelin, and its compiler, come from npm.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from testnet.tools import ToolMissing, forge_binary

COMMIT = "f84a5151080cdf0b77b9b6e46506cde723d06c28"  # main on 2026-05-01, after v1.9.0
DIRECTORY = Path(__file__).resolve().parent
REPOSITORY = DIRECTORY.parents[2]


def main() -> int:
    """Compile EigenLayer, run the suite of tests/forge and a deployment on it; the first failure's status."""
    parser = argparse.ArgumentParser(prog="python -m tests.outside.eigenlayer", description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--any-commit", action="store_true", help=f"take another commit than {COMMIT[:8]}")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    found = _commit(checkout)
    if found != COMMIT and not arguments.any_commit:
        print(
            f"{checkout} is at {found or 'no commit'}; check out {COMMIT}, or say --any-commit",
            file=sys.stderr,
        )
        return 2
    try:
        forge = forge_binary()
    except ToolMissing as error:
        print(error, file=sys.stderr)
        return 2
    suite = os.environ | {"FOUNDRY_CONFIG": str(DIRECTORY / "foundry.toml")}
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--silent", "--prefix", str(DIRECTORY)]
    for title, command, environment in (
        ("compiler and libraries", npm, None),
        (
            f"EigenLayer at {found}",
            ["node", str(DIRECTORY / "compile.js"), str(checkout), str(DIRECTORY / ".out")],
            None,
        ),
        ("the suite of stake sources", [str(forge), "test", "--root", str(REPOSITORY)], suite),
        ("a deployment", [sys.executable, "-m", "pytest", "-q", str(DIRECTORY / "deployment.py")], None),
    ):
        print(f"== {title}", flush=True)
        status = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode
        if status != 0:
            return status
    return 0


def _commit(checkout: Path) -> str | None:
    done = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
