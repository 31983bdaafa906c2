"""What the README promises: one command, and a certificate is on the chain; another, and all is gone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


def test_up_ask_and_down(tmp_path: Path) -> None:
    directory = tmp_path / "net"
    up = subprocess.run(
        [ROOT / "testnet/up.sh", "--nodes", "4", "--detach", "--dir", directory],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        assert "valid: task 1" in up.stdout
        binary = Path(os.environ.get("P2PAVS_VENV", ROOT / ".venv")) / "bin/p2pavs"
        again = subprocess.run(
            [binary, "request", "swap 5 ETH for USDC", "--choices", "transfer,swap,sandwich", "--json"],
            env={**os.environ, "P2PAVS_CONFIG": str(directory / "p2pavs.toml")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout)["answer"] == "swap"
    finally:
        down = subprocess.run(
            [ROOT / "testnet/down.sh", "--dir", directory],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert down.returncode == 0, down.stdout + down.stderr
