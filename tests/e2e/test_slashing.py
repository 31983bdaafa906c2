"""The demonstrations of ``testnet/slashing.sh``: operators that cheat lose what their offence costs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).parents[2] / "testnet/slashing.sh"


def test_three_cheats_lose_a_tenth_a_hundredth_and_everything() -> None:
    shown = subprocess.run([str(SCRIPT)], stdout=subprocess.PIPE, text=True, timeout=6000, check=False)
    assert shown.returncode == 0, shown.stdout
    for line in ("lost 10%: 32 -> 28.8 ETH", "lost 1%: 32 -> 31.68 ETH", "lost 100%: 32 -> 0 ETH"):
        assert line in shown.stdout
