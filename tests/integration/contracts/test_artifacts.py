from __future__ import annotations

import json

import pytest

from p2pavs.contracts import EIGEN_STAKE, NAMES, PROXIES, PROXY_ADMIN, artifact
from p2pavs.contracts.compile import SIZE_LIMIT, TREES, CompileError, compile_sources, repository_artifacts
from tests.integration.contracts.anvil import missing_tools


def test_the_compiler_gives_what_ships() -> None:
    if reason := missing_tools():
        pytest.skip(reason)
    fresh = repository_artifacts()
    shipped = {path: path.read_text() for tree in TREES for path in tree.artifacts.glob("*.json")}
    assert fresh.keys() == shipped.keys()
    for path, text in fresh.items():
        assert json.loads(text) == json.loads(shipped[path]), f"{path.name} is stale: compile again"
        assert text == shipped[path]


@pytest.mark.parametrize("name", (*NAMES, EIGEN_STAKE, *PROXIES.values(), PROXY_ADMIN))
def test_every_contract_ships_and_fits(name: str) -> None:
    compiled = artifact(name)
    assert compiled.name == name
    assert len(compiled.bytecode) > len(compiled.deployed_bytecode)
    assert 0 < len(compiled.deployed_bytecode) // 2 - 1 < SIZE_LIMIT


@pytest.mark.parametrize("name", ["Nothing", "../compile", "", "TaskGateway.json"])
def test_what_does_not_ship_is_named(name: str) -> None:
    with pytest.raises(LookupError, match="TaskGateway"):
        artifact(name)


def test_a_warning_stops_the_compiler() -> None:
    if reason := missing_tools():
        pytest.skip(reason)
    with pytest.raises(CompileError, match="SPDX"):
        compile_sources({"A.sol": "pragma solidity ^0.8.30; contract A {}"})
