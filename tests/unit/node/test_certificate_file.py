"""A certificate as a file: what was exported is verified, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from consensus.committee import OperatorSet
from consensus.messages import Commit
from consensus.types import ResultStatus
from consensus.wire import encode_message
from p2pavs.certificate_file import FIELDS, BadCertificate, CertificateFile
from tests.unit.consensus import factory

SET = factory.operator_set((1, 2, 3, 4))
OF = factory.committee((1, 2, 3, 4))
SIGNERS = (1, 2, 3)


def made(commit: Commit | None = None, size: int = 0) -> CertificateFile:
    of = factory.committee((1, 2, 3, 4), size)
    chosen = factory.commit(of, [m.index for m in of.members]) if commit is None else commit
    return CertificateFile(factory.DOMAIN, factory.TASK_HASH, factory.TASK_SEED, size, SET, chosen)


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(made().to_json()) | fields)


@pytest.mark.parametrize("size", [0, 9])
def test_what_was_exported_is_verified(size: int) -> None:
    read = CertificateFile.parse(made(size=size).to_json())
    assert read == made(size=size)
    committee = read.verify()
    summary = read.summary(committee)
    assert summary["output"] == factory.OUTPUT.decode()
    assert summary["signedWeight"] == summary["totalWeight"]
    assert summary["signers"] == ["0x" + member.operator.hex() for member in committee.members]
    assert json.loads(json.dumps(summary)) == summary


def test_a_quorum_is_enough_and_less_is_not() -> None:
    assert made(factory.commit(OF, SIGNERS)).verify()  # 9 of 10
    with pytest.raises(BadCertificate, match="does not hold"):
        made(factory.commit(OF, (0, 1, 2))).verify()  # 6 of 10


OTHER_SET = "0x" + OperatorSet(1, factory.operator_set((1, 2, 3, 5)).operators).to_records().hex()


@pytest.mark.parametrize(
    "fields",
    [
        {"chainId": 1},
        {"gateway": "0x" + "22" * 20},
        {"epoch": 2},
        {"taskSeed": "0x" + "00" * 32},
        {"committeeSize": 1},
        {"committeeSize": 200},
        {"committeeSize": 257},
        {"setRoot": "0x" + "00" * 32},
        {"operators": OTHER_SET},
        {"operators": OTHER_SET, "setRoot": "0x" + factory.operator_set((1, 2, 3, 5)).root.hex()},
        {"format": "p2pavs-certificate/2"},
    ],
    ids=lambda fields: "+".join(fields),
)
def test_any_changed_field_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadCertificate):
        CertificateFile.parse(changed(**fields)).verify()


def tampered() -> dict[str, Commit]:
    whole = factory.commit(OF, SIGNERS)
    certificate = whole.certificate
    result = certificate.result

    def put(**changes: Any) -> Commit:
        return replace(whole, certificate=replace(certificate, **changes))

    return {
        "task": put(instance=replace(certificate.instance, task_id=8)),
        "attempt": put(instance=replace(certificate.instance, attempt=1)),
        "round": put(round=1),
        "status": put(result=replace(result, status=ResultStatus.REJECTED)),
        "output hash": put(result=replace(result, output_hash=bytes(32))),
        "tokens": put(result=replace(result, token_count=4)),
        "trace root": put(result=replace(result, trace_root=bytes(32))),
        "profile": put(result=replace(result, runtime_profile=bytes(32))),
        "more signers": put(signers=(0, 1, 2, 3)),
        "other signers": put(signers=(0, 2, 3)),
        "stranger": put(signers=(1, 2, 3, 4)),
        "signature": put(signature=factory.commit(OF, (0, 2, 3)).certificate.signature),
        "no point": put(signature=b"\x01" * 96),
        "output": replace(whole, output=b"no!"),
        "longer output": replace(whole, output=whole.output + b"!"),
        "no output": replace(whole, output=b""),
    }


@pytest.mark.parametrize("what", tampered())
def test_any_change_of_the_certificate_is_refused(what: str) -> None:
    commit = tampered()[what]
    text = changed(commit="0x" + encode_message(commit).hex())
    with pytest.raises(BadCertificate):
        CertificateFile.parse(text).verify()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "7",
        "[" * 100_000,
        '{"format": ' * 5000,
        changed()[:-1],
        changed(extra=1),
        json.dumps({k: v for k, v in json.loads(changed()).items() if k != "epoch"}),
        changed(chainId="31337"),
        changed(chainId=True),
        changed(chainId=-1),
        changed(chainId=2**70),
        changed(chainId=1.5),
        changed(epoch=None),
        changed(gateway="11" * 20),
        changed(gateway="0x11"),
        changed(gateway=7),
        changed(gateway="0xzz"),
        changed(taskSeed="0x" + "11" * 33),
        changed(operators="0x"),
        changed(operators="0x00"),
        changed(operators="0x" + "00" * 84),
        changed(operators="0x" + SET.to_records().hex() * 2),
        changed(commit="0x"),
        changed(commit="0x00"),
        changed(commit="0x" + encode_message(factory.vote(OF, 0)).hex()),
        "\ud800",
    ],
)
def test_what_is_no_certificate_file_is_named_so(text: str) -> None:
    with pytest.raises(BadCertificate) as caught:
        CertificateFile.parse(text)
    assert caught.value.message and caught.value.remedy


def test_the_file_has_the_fields_it_says() -> None:
    assert set(json.loads(made().to_json())) == FIELDS
