"""verify.mjs under Node says of every file what the Python verifier says of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.bls_backends import encoding
from p2pavs.answer import Answer
from p2pavs.certificate_file import CertificateFile
from p2pavs.checkpoint import Checkpoint
from p2pavs.errors import P2pavsError
from tests.unit.consensus import factory

ROOT = Path(__file__).resolve().parents[2]
VERIFIER = ROOT / "p2pavs" / "api" / "static" / "verify.mjs"
PROGRAM = f"""
import {{ readFileSync }} from "node:fs";
import {{ verifyCertificate }} from "{VERIFIER.as_uri()}";
const said = JSON.parse(readFileSync(0, "utf8")).map((one) => {{
  const [text, checkpoint] = [one].flat();
  try {{
    return verifyCertificate(text, checkpoint ?? null);
  }} catch (error) {{
    return error.name + ": " + error.message;
  }}
}});
console.log(JSON.stringify(said));
"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")


def in_javascript(texts: Sequence[str | list[str]]) -> list[Any]:
    command = ["node", "--input-type=module", "-e", PROGRAM]
    done = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, timeout=900, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found


STAKES = (1, 2, 3, 4)


def made(
    size: int = 0, signers: tuple[int, ...] | None = None, stakes: tuple[int, ...] = STAKES
) -> dict[str, Any]:
    of = factory.committee(stakes, size)
    commit = factory.commit(of, signers or [member.index for member in of.members])
    file = CertificateFile(
        factory.DOMAIN, factory.TASK_HASH, factory.TASK_SEED, size, factory.operator_set(stakes), commit
    )
    content: dict[str, Any] = json.loads(file.to_json())
    return content


def flipped(text: str, position: int) -> str:
    """A hex string with one other digit."""
    at = position if position >= 0 else len(text) + position
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def variants() -> dict[str, dict[str, Any]]:
    whole = made()
    commit, operators = whole["commit"], whole["operators"]
    infinity = bytes([0xC0]) + bytes(95)
    signature = factory.commit(factory.committee((1, 2, 3, 4)), (0, 1, 2, 3)).certificate.signature
    swapped = commit.replace(signature.hex(), infinity.hex())
    assert swapped != commit
    found = {
        "whole": whole,
        "drawn": made(9),
        "drawn, some": made(9, None, (5, 1, 1, 1)),
        "a quorum": made(0, (1, 2, 3)),
        "too few": made(0, (0, 1, 2)),
        "chain": whole | {"chainId": 1},
        "gateway": whole | {"gateway": "0x" + "22" * 20},
        "gateway too short": whole | {"gateway": "0x22"},
        "epoch": whole | {"epoch": 2},
        "seed": whole | {"taskSeed": "0x" + "00" * 32},
        "task": whole | {"taskHash": "0x" + "00" * 32},
        "size": whole | {"committeeSize": 1},
        "size too large": whole | {"committeeSize": 257},
        "size is text": whole | {"committeeSize": "0"},
        "root": whole | {"setRoot": "0x" + "00" * 32},
        "format": whole | {"format": "p2pavs-certificate/2"},
        "a field too many": whole | {"x": 1},
        "signature at infinity": whole | {"commit": swapped},
        "a byte after the end": whole | {"commit": commit + "00"},
        "not hex": whole | {"commit": "0xzz"},
        "no record": whole | {"operators": "0x"},
        "half a record": whole | {"operators": operators[:-2]},
        "a record twice": whole | {"operators": operators + operators[2:]},
    }
    for position in (3, 5, 7, 9, 15, 30, 90, 200, 300, len(commit) // 2, -20, -5, -1):
        found[f"commit, digit {position}"] = whole | {"commit": flipped(commit, position)}
    for position in (3, 41, 73, 80, 106, 110, 200, 250, -1):
        found[f"operators, digit {position}"] = whole | {"operators": flipped(operators, position)}
    del found["half a record"]["setRoot"]
    return found


def test_both_verifiers_agree() -> None:
    files = variants()
    texts = [json.dumps(content) for content in files.values()] + ["", "[]", "null", "{", "3"]
    said = in_javascript(texts)
    holds = 0
    for name, text, other in zip(
        [*files, "empty", "array", "null", "open", "number"], texts, said, strict=True
    ):
        try:
            answer = Answer.of(CertificateFile.parse(text))
        except P2pavsError:
            assert isinstance(other, str) and other.startswith("CertificateError"), name
            continue
        holds += 1
        assert isinstance(other, dict), (name, other)
        summary = answer.certificate.summary(answer.certificate.verify())
        common = {key: value for key, value in summary.items() if key != "task"}
        assert common.items() <= other.items(), name
        assert other["task"] == str(answer.task)
        assert (other["finishReason"], other["tokens"]) == (answer.finish_reason, answer.tokens)
    assert 4 <= holds < 10


def test_a_checkpoint_does_not_prove_a_drawn_committee() -> None:
    for size, holds in ((0, True), (9, False)):
        content = made(size)
        file = CertificateFile.parse(json.dumps(content))
        checkpoint = Checkpoint(
            file.domain.chain_id, file.domain.gateway, file.operator_set.epoch, file.operator_set.root
        )
        (said,) = in_javascript([[json.dumps(content), checkpoint.to_json()]])
        assert isinstance(said, dict) is holds, said
        other = replace(checkpoint, epoch=2)
        (said,) = in_javascript([[json.dumps(content), other.to_json()]])
        assert isinstance(said, str)


def test_a_large_set_in_several_blobs() -> None:
    stakes = tuple(range(1, 201))
    (said,) = in_javascript([json.dumps(made(0, None, stakes))])
    assert said["members"] == 200, said


def test_a_key_outside_the_subgroup_is_refused() -> None:
    """A point of the curve that is not in the group would let a signature be forged."""
    content = made()
    operators = bytes.fromhex(content["operators"][2:])
    # x = 4 is on the curve, and its point is in no subgroup of use.
    modulus = encoding.P
    y = pow(4**3 + 4, (modulus + 1) // 4, modulus)
    assert y * y % modulus == 4**3 + 4
    point = encoding.compress_g1(4, y)
    changed = content | {"operators": "0x" + (operators[:20] + point + operators[68:]).hex()}
    (said,) = in_javascript([json.dumps(changed)])
    assert isinstance(said, str) and "root" not in said, said
