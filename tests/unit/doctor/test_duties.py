"""What the chain says of an operator: each check, good and bad."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p2pavs.chain.records import OperatorRecord
from p2pavs.doctor.check import Status
from p2pavs.doctor.duties import balance, registration, rotation, stake
from p2pavs.settings import LOW_BALANCE

KEY, PEER = b"\x01" * 48, b"\x02" * 38
RECORD = OperatorRecord(bytes(20), KEY, 1, PEER, True, stake=10)


@pytest.mark.parametrize(
    ("wei", "status"), [(LOW_BALANCE, Status.OK), (LOW_BALANCE - 1, Status.WARN), (0, Status.FAIL)]
)
def test_balance(wei: int, status: Status) -> None:
    assert balance(wei).status is status


def test_registration() -> None:
    assert registration(RECORD, [KEY], PEER).status is Status.OK
    assert registration(RECORD, [b"other"], PEER).status is Status.FAIL
    assert registration(RECORD, [KEY], b"other").status is Status.FAIL
    assert registration(replace(RECORD, active=False), [KEY], PEER).status is Status.WARN


def test_rotation() -> None:
    assert rotation(RECORD, [KEY]).detail == "none pending"
    rotating = replace(RECORD, next_key=b"\x03" * 48, next_key_from=86400)
    found = rotation(rotating, [KEY])
    assert found.status is Status.FAIL and "1970-01-02 00:00:00 UTC" in found.detail
    assert rotation(rotating, [KEY, b"\x03" * 48]).status is Status.OK


def test_stake() -> None:
    assert stake(RECORD, 10).status is Status.OK
    assert stake(RECORD, 11).status is Status.FAIL
