"""Every outside vector, where they are present, and that the commands can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from consensus.bls import BlsScheme
from consensus.bls_backends import arkworks, blst, reference
from tests.vectors import bls, cbor
from tests.vectors.report import VARIABLE, Finding, vectors_folder

ROOT = Path(__file__).resolve().parents[2]
SCHEMES = {module.__name__.split(".")[-1]: BlsScheme(module.load()) for module in (blst, arkworks, reference)}

every_backend = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def folder(name: str) -> Path:
    path = vectors_folder() / name
    if not path.is_dir():
        pytest.skip(f"no vectors at {path}: set {VARIABLE} to the folder that holds {name}/")
    return path


@pytest.mark.parametrize(
    ("name", "check", "least"), [("bls12-381-tests", bls.check, 84), ("cbor", cbor.check, 82)]
)
def test_vectors(name: str, check: Callable[[Path], Iterable[Finding]], least: int) -> None:
    findings = list(check(folder(name)))
    assert [f"{each.name}: {each.difference}" for each in findings if each.difference] == []
    assert len(findings) >= least


@every_backend
def test_the_bls_vectors_through_every_backend(scheme: BlsScheme) -> None:
    findings = list(bls.check(folder("bls12-381-tests"), scheme))
    assert [f"{each.name}: {each.difference}" for each in findings if each.difference] == []
    assert len(findings) >= 84


def run(module: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tests.vectors.{module}", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_bls_command_shows_a_difference(tmp_path: Path) -> None:
    (tmp_path / "sign").mkdir()
    case = {"input": {"privkey": "0x" + "00" * 32, "message": "0x" + "ab" * 32}, "output": None}
    (tmp_path / "sign" / "zero.json").write_text(json.dumps(case))
    passed = run("bls", tmp_path)
    assert (passed.returncode, passed.stdout) == (0, "sign/zero.json: pass\n1 of 1 pass\n")
    (tmp_path / "sign" / "zero.json").write_text(json.dumps({**case, "output": "0x00"}))
    failed = run("bls", tmp_path)
    assert failed.returncode == 1
    assert "sign/zero.json: gave None instead of '0x00'" in failed.stdout


@pytest.mark.parametrize(
    ("vector", "status"),
    [
        ({"hex": "8301820203820405", "roundtrip": True, "decoded": [1, [2, 3], [4, 5]]}, 0),
        ({"hex": "8301820203820405", "roundtrip": True, "decoded": [1, [2, 3], [4, 6]]}, 1),
        ({"hex": "8301820203820405", "roundtrip": False, "decoded": [1, [2, 3], [4, 5]]}, 1),
        ({"hex": "1817", "roundtrip": True, "decoded": 23}, 1),
        ({"hex": "1817", "roundtrip": False, "decoded": 23}, 0),
        ({"hex": "f93c00", "roundtrip": True, "decoded": 1.0}, 0),
    ],
)
def test_the_cbor_check_can_fail(tmp_path: Path, vector: dict[str, object], status: int) -> None:
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps([vector]))
    found = [each.difference for each in cbor.check(file)]
    assert [difference is None for difference in found] == [status == 0]


def test_the_cbor_command(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"hex": "00", "roundtrip": True, "decoded": 1}]))
    failed = run("cbor", tmp_path)
    assert failed.returncode == 1
    assert "a.json 00: decoded to 0 instead of 1" in failed.stdout
    assert run("cbor", tmp_path / "absent").returncode == 2


@every_backend
def test_hash_to_curve_is_the_rfcs(scheme: BlsScheme) -> None:
    # RFC 9380, appendix J.10.1, the empty message.
    found = bls.hash_to_g2({"msg": ""}, scheme)
    assert found["x"].startswith("0x0141ebfbdca40eb85b87142e130ab689c673cf60f1a3e98d69335266f30d9b8d4ac44c10")


@every_backend
def test_batches_are_known(scheme: BlsScheme) -> None:
    keys = [bls.tohex(bls.bls.public_key(bls.bls.SecretKey(bytes(31) + bytes([i])))) for i in (1, 2)]
    messages = [bls.tohex(bytes([i]) * 32) for i in (1, 2)]
    signatures = [
        bls.sign({"privkey": "0x" + f"{i:064x}", "message": message}, scheme)
        for i, message in enumerate(messages, 1)
    ]
    case = {"pubkeys": keys, "messages": messages, "signatures": signatures}
    assert bls.batch_verify(case, scheme) is True
    assert bls.batch_verify({**case, "signatures": signatures[::-1]}, scheme) is False
    assert bls.batch_verify({**case, "signatures": signatures[:1]}, scheme) is False
    joined = bls.aggregate(signatures, scheme)
    assert bls.aggregate_verify({"pubkeys": keys, "messages": messages, "signature": joined}, scheme) is True
