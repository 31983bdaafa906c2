"""The demonstrations of ``testnet/slashing.sh``: operators that cheat lose what their offence costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from testnet.slashing import demonstrate

pytestmark = pytest.mark.e2e


def test_three_cheats_lose_a_tenth_a_hundredth_and_everything(tmp_path: Path) -> None:
    assert demonstrate(tmp_path / "net") == 0
