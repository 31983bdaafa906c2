"""The key directory and the sign guard: what makes each check fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from p2pavs import keystore
from p2pavs.doctor import keys
from p2pavs.doctor.check import Status
from p2pavs.storage import DataDirectory
from p2pavs.storage.database import SCHEMA_VERSION

PASSWORD = "correct"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    keystore.create(tmp_path / "keys", PASSWORD, insecure_fast_kdf=True)
    return tmp_path / "keys"


def test_keys_that_are_there(directory: Path) -> None:
    public, found = keys.presence(directory)
    assert public == keystore.load_public(directory) and found.status is Status.OK
    assert keys.permissions(directory).status is Status.OK
    opened, found = keys.password(directory, PASSWORD)
    assert opened is not None and public.consensus_key in opened and found.status is Status.OK


def test_no_keys(tmp_path: Path) -> None:
    public, found = keys.presence(tmp_path)
    assert public is None and found.status is Status.FAIL and "p2pavs keys new" in found.remedy
    assert keys.permissions(tmp_path / "none").status is Status.FAIL


@pytest.mark.parametrize("name", ["consensus.json", "."])
def test_keys_that_others_may_use(directory: Path, name: str) -> None:
    (directory / name).chmod(0o755 if name == "." else 0o640)
    found = keys.permissions(directory)
    assert found.status is Status.FAIL and found.remedy == f"Run: chmod -R go= {directory}"


def test_a_wrong_password_and_none(directory: Path) -> None:
    opened, found = keys.password(directory, "hunter2")
    assert opened is None and found.status is Status.FAIL and "hunter2" not in f"{found}"
    assert keys.password(directory, None)[1].status is Status.SKIP


def test_a_password_file_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    assert keys.password_file(path).status is Status.FAIL
    path.write_text(PASSWORD)
    path.chmod(0o644)
    assert keys.password_file(path).status is Status.FAIL
    path.chmod(0o600)
    assert keys.password_file(path).status is Status.OK


# --- sign guard -------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, directory: Path) -> Iterator[Path]:
    """The data directory of a node that runs."""
    with DataDirectory(tmp_path / "data") as opened:
        opened.bind({"operator": "0x" + keystore.load_public(directory).address.hex(), "chain": "1"})
        yield opened.path


def change(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "node.sqlite", isolation_level=None)) as connection:
        connection.execute(statement)


def test_a_guard_in_use(data: Path, directory: Path) -> None:
    found = keys.guard(data, keystore.load_public(directory), None)
    assert (found.status, found.detail) == (Status.OK, "0 signatures, 0 open tasks")
    assert keys.guard(data.parent / "new", None, None).status is Status.OK


def test_the_guard_of_another_operator(data: Path, tmp_path: Path) -> None:
    other = keystore.create(tmp_path / "other", PASSWORD, insecure_fast_kdf=True)
    found = keys.guard(data, other.public, None)
    assert found.status is Status.FAIL and "belongs to operator" in found.detail


def test_a_guard_of_a_newer_program(data: Path) -> None:
    change(data, f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    found = keys.guard(data, None, None)
    assert found.status is Status.FAIL and f"format {SCHEMA_VERSION + 1}" in found.detail


def test_a_restored_guard(data: Path) -> None:
    change(data, "INSERT INTO meta VALUES ('restored_at', '1')")
    found = keys.guard(data, None, None)
    assert found.status is Status.WARN and "restored" in found.detail


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough for a header" * 100])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "node.sqlite").write_bytes(content)
    found = keys.guard(tmp_path, None, None)
    assert found.status is Status.FAIL and "never copy an older file" in found.remedy


def test_a_damaged_guard(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as opened:
        opened.database.transaction(
            lambda connection: connection.executemany(
                "INSERT INTO signatures VALUES (?,0,?,1,0,?,?)",
                [(task, bytes(32), bytes(32), bytes(96)) for task in range(500)],
            )
        )
    path = tmp_path / "node.sqlite"
    content = bytearray(path.read_bytes())
    for page in range(4096 * 8, len(content), 4096):
        content[page : page + 64] = b"\xff" * 64
    path.write_bytes(content)
    assert keys.guard(tmp_path, None, None).status is Status.FAIL
