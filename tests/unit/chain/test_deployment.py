from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from p2pavs.chain.deployment import MAX_FILE_BYTES, Deployment
from p2pavs.chain.errors import BadDeployment
from p2pavs.contracts import NAMES

DEPLOYMENT = Deployment(
    31337, 4, {name: bytes([n]) * 20 for n, name in enumerate(NAMES, 1)}, {"TaskGateway": b"\xee" * 20}
)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    DEPLOYMENT.save(path)
    assert Deployment.load(path) == DEPLOYMENT
    DEPLOYMENT.save(path)  # over an old one
    assert [entry.name for entry in tmp_path.iterdir()] == ["deployment.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deployment.json"
    path.write_text("old")

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        DEPLOYMENT.save(path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_domain_is_chain_and_gateway() -> None:
    assert (DEPLOYMENT.domain.chain_id, DEPLOYMENT.domain.gateway) == (
        31337,
        DEPLOYMENT.contracts["TaskGateway"],
    )


def changed(**entries: Any) -> dict[str, Any]:
    return DEPLOYMENT.to_json() | entries


def with_contract(name: str, value: Any) -> dict[str, Any]:
    return changed(contracts=DEPLOYMENT.to_json()["contracts"] | {name: value})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "should be an object"),
        (changed(contracts=None), "contracts should be an object"),
        (changed(more=1), "unknown entry 'more'"),
        ({"chainId": 1}, "lacks deployedAtBlock"),
        (changed(chainId=0), "chainId"),
        (changed(chainId=True), "chainId"),
        (changed(chainId="1"), "chainId"),
        (changed(deployedAtBlock=-1), "deployedAtBlock"),
        (changed(deployedAtBlock=1.5), "deployedAtBlock"),
        (with_contract("TaskGateway", "0x12"), "TaskGateway"),
        (with_contract("TaskGateway", 5), "TaskGateway"),
        (with_contract("TaskGateway", "0x" + "00" * 20), "zero address"),
        (with_contract("TaskGateway", "0x" + "01" * 20), "same address"),
        (with_contract("TaskGateway", "0x5FBDB2315678afecb367f032d93F642f64180aa3"), "checksum"),
        (with_contract("Other", "0x" + "01" * 20), "unknown entry 'Other'"),
        (changed(implementations={}), "implementations lacks TaskGateway"),
        (changed(implementations={"TaskGateway": "0x" + "01" * 20}), "same address"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadDeployment, match=complaint) as caught:
        Deployment.load(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 30000, b" " * (MAX_FILE_BYTES + 1)])
def test_what_is_not_json_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "deployment.json"
    path.write_bytes(raw)
    with pytest.raises(BadDeployment):
        Deployment.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDeployment, match="No such file"):
        Deployment.load(tmp_path / "none.json")
