"""Manifests of faults: what is read is checked, what is made out of a seed is within what is tolerated."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.faults.generate import generate
from tests.faults.manifest import OF_NODES, Manifest, ManifestError, load, parse

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "testnet" / "manifests").glob("*.toml")), ids=lambda p: p.stem
)
def test_the_manifests_that_ship_can_be_read(path: Path) -> None:
    assert load(path).perturbations


@pytest.mark.parametrize("seed", range(50))
def test_a_seed_gives_one_manifest_within_bounds(seed: int) -> None:
    nodes = 4 + 3 * (seed % 3)
    made = generate(seed, nodes=nodes)
    assert made == generate(seed, nodes=nodes)
    victims = {node for one in made.perturbations for node in one.nodes if one.what in OF_NODES}
    assert 0 < len(victims) <= (nodes - 1) // 3
    assert parse(made.name, tomllib.loads(made.to_toml())) == made


GOOD: dict[str, Any] = {"nodes": 4, "tasks": 2, "every": 1, "deadline": 60}
KILL = {"what": "kill", "nodes": [1], "task": 0, "phase": "prevote", "seconds": 1}


def manifest(**changes: Any) -> Manifest:
    return parse("test", {**GOOD, "perturbation": [{**KILL, **changes}]})


def test_a_good_manifest() -> None:
    assert manifest().perturbations[0].nodes == (1,)
    assert parse("test", GOOD).perturbations == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"what": "explode"},
        {"nodes": [4]},
        {"nodes": []},
        {"nodes": "1"},
        {"nodes": [True]},
        {"nodes": [1, 1]},
        {"seconds": float("nan")},
        {"task": 2},
        {"phase": "lunch"},
        {"seconds": -1},
        {"what": "rpc_down"},
        {"what": "reorg", "nodes": []},
        {"amount": 3},
        {"unknown": 1},
    ],
)
def test_a_bad_perturbation_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="perturbation 0"):
        manifest(**changes)


@pytest.mark.parametrize(
    "changes", [{"nodes": 3}, {"tasks": 0}, {"tasks": True}, {"every": "often"}, {"deadline": 5}, {"x": 1}]
)
def test_a_bad_manifest_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestError):
        parse("test", {**GOOD, **changes})
