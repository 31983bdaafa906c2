"""The manifests that ship, each on a network of its own: everything certified, once, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.manifest import load
from tests.faults.run import run_manifest

pytestmark = pytest.mark.e2e

MANIFESTS = sorted((Path(__file__).resolve().parents[2] / "testnet" / "manifests").glob("*.toml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifest(path: Path, tmp_path: Path) -> None:
    outcome = run_manifest(load(path), tmp_path / "net")
    assert outcome.problems == []
    assert outcome.certified == outcome.manifest.tasks
