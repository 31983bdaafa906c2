"""Backups of a database in use, the way back, and what a restored guard no longer signs."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from consensus.types import InstanceId, Kind, Scope
from p2pavs import keystore
from p2pavs.backup import Backup, BackupFailed, BadBackup, create, restore
from p2pavs.chain.errors import RpcUnreachable
from p2pavs.restored import MARGIN, settle_restored
from p2pavs.storage import ConflictingSignature, DataDirectory, SignGuard, Slot
from p2pavs.storage.database import SCHEMA_VERSION
from p2pavs.storage.inspection import inspect
from tests.unit.consensus import factory
from tests.unit.node.parliament import RealSigner

pytestmark = pytest.mark.usefixtures("no_threads")

VALUE, OTHER = b"\x01" * 32, b"\x02" * 32
NOW = 1_000_000


def slot(task: int) -> Slot:
    return Slot(Scope(factory.DOMAIN, InstanceId(task, 0), bytes(32)), Kind.PREVOTE, 0)


def guard_of(directory: DataDirectory) -> SignGuard:
    return SignGuard(directory.database, RealSigner(0))


@pytest.fixture
def operator(tmp_path: Path) -> str:
    """Whose keys are in the directory ``keys``."""
    return "0x" + keystore.create(tmp_path / "keys", "password", insecure_fast_kdf=True).address.hex()


@pytest.fixture
def data(tmp_path: Path, operator: str) -> Iterator[DataDirectory]:
    with DataDirectory(tmp_path / "data") as opened:
        opened.bind({"chain": "7", "operator": operator})
        yield opened


async def test_a_backup_of_a_node_that_runs(data: DataDirectory, operator: str, tmp_path: Path) -> None:
    (tmp_path / "keys" / "pending.sqlite").write_bytes(b"not kept")
    await guard_of(data).sign(slot(1), VALUE)
    (data.path / "peers.cbor").write_bytes(b"peers")
    made = create(data.path, tmp_path / "keys", tmp_path / "backup")
    assert made.belongs_to == {"chain": "7", "operator": operator} and made.has_keys
    assert "keys/pending.sqlite" not in made.files and "peers.cbor" in made.files
    await guard_of(data).sign(slot(2), VALUE)

    restore(Backup.open(tmp_path / "backup"), tmp_path / "new", tmp_path / "new keys", NOW)
    found = inspect(tmp_path / "new" / "node.sqlite")
    assert (found.signatures, found.restored, found.damage) == (1, True, None)
    assert keystore.load(tmp_path / "new keys", "password") == keystore.load(tmp_path / "keys", "password")
    assert (tmp_path / "new" / "node.sqlite").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new keys").stat().st_mode & 0o077 == 0


def test_a_backup_is_of_one_moment_whoever_writes_meanwhile(data: DataDirectory, tmp_path: Path) -> None:
    end = threading.Event()

    def write() -> None:
        task = 0
        while not end.is_set():
            task += 1
            data.database.transaction(
                lambda connection, task=task: connection.executemany(
                    "INSERT INTO signatures VALUES (?,0,?,1,?,?,?)",
                    [(task, bytes(32), round_, bytes(32), bytes(96)) for round_ in range(10)],
                )
            )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            create(data.path, None, tmp_path / f"backup {number}")
    finally:
        end.set()
        writer.join()
    for number in range(5):
        found = inspect(tmp_path / f"backup {number}" / "node.sqlite")
        assert found.damage is None and found.signatures % 10 == 0, "a transaction is in it whole, or not"


def test_keys_of_another_operator_are_refused(data: DataDirectory, operator: str, tmp_path: Path) -> None:
    keystore.create(tmp_path / "others", "password", insecure_fast_kdf=True)
    with pytest.raises(BackupFailed, match=f"data directory of {operator}, and the keys"):
        create(data.path, tmp_path / "others", tmp_path / "backup")
    with pytest.raises(keystore.NoKeys):
        create(data.path, tmp_path / "nothing", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_nothing_is_overwritten(data: DataDirectory, tmp_path: Path) -> None:
    made = create(data.path, None, tmp_path / "backup")
    with pytest.raises(BackupFailed, match="exists already"):
        create(data.path, None, tmp_path / "backup")
    with pytest.raises(BackupFailed, match="exists already"):
        restore(made, data.path, None)
    with pytest.raises(BackupFailed, match="holds no keys"):
        restore(made, tmp_path / "new", tmp_path / "new keys")
    assert not (tmp_path / "new").exists()


def test_no_database_and_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(BackupFailed, match="cannot be copied"):
        create(tmp_path / "data", None, tmp_path / "backup")
    (tmp_path / "data" / "node.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(BackupFailed):
        create(tmp_path / "data", None, tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"], "nothing half written"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": 2}, "its format is 2"),
        ({"schema": SCHEMA_VERSION + 1}, f"reads up to {SCHEMA_VERSION}"),
        ({"files": {}}, "is not what a backup has"),
        ({"files": {"node.sqlite": "00"}}, "node.sqlite has changed"),
        ({"files": {"node.sqlite": "00", "../node.sqlite": "00"}}, "is not what a backup has"),
        ({"files": {"node.sqlite": "00", "keys/..": "00"}}, "is not what a backup has"),
        ({"createdAt": "soon"}, "is not what a backup has"),
        ({"belongsTo": None}, "is not what a backup has"),
    ],
)
def test_a_backup_that_is_not_right(
    data: DataDirectory, tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    create(data.path, None, tmp_path / "backup")
    manifest = tmp_path / "backup" / "backup.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(BadBackup, match=text):
        Backup.open(tmp_path / "backup")


def test_a_backup_without_its_manifest(tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match="cannot be read"):
        Backup.open(tmp_path)
    (tmp_path / "backup.json").write_bytes(b"[]")
    with pytest.raises(BadBackup, match="is not what a backup has"):
        Backup.open(tmp_path)


# --- the guard --------------------------------------------------------------------------------------------


class ChainDouble:
    """A chain whose time goes on, and that has so many tasks."""

    def __init__(self, start: int, tasks: int) -> None:
        self.rpc = self
        self._start, self._tasks = start, tasks
        self.refusals = 2

    async def block(self, _: str) -> Any:
        await trio.lowlevel.checkpoint()
        if self.refusals:
            self.refusals -= 1
            raise RpcUnreachable("http://127.0.0.1", "this test wants it so")
        return SimpleNamespace(number=9, timestamp=self._start + int(trio.current_time() - self._begin))

    async def read_one(self, contract: str, function: str, *, block: int) -> int:
        await trio.lowlevel.checkpoint()
        assert (contract, function, block) == ("TaskGateway", "taskCount", 9)
        return self._tasks

    async def settle(self, directory: DataDirectory) -> float:
        self._begin = trio.current_time()
        await settle_restored(directory.database, cast(Any, self))
        return trio.current_time() - self._begin


async def test_a_restored_guard_signs_for_later_tasks_only(
    data: DataDirectory, tmp_path: Path, autojump_clock: MockClock
) -> None:
    await guard_of(data).sign(slot(1), VALUE)
    made = create(data.path, None, tmp_path / "backup")
    await guard_of(data).sign(slot(2), VALUE)  # the backup does not know of it
    restore(made, tmp_path / "new", None, NOW)
    with DataDirectory(tmp_path / "new") as restored:
        assert await ChainDouble(NOW - 5, tasks=3).settle(restored) > MARGIN + 5
        guard = guard_of(restored)
        for task in (1, 2, 3):
            with pytest.raises(ConflictingSignature):
                await guard.sign(slot(task), OTHER)
        await guard.sign(slot(4), OTHER)
        assert await ChainDouble(NOW, tasks=9).settle(restored) == 0, "it is settled once"
        await guard.sign(slot(5), OTHER)


async def test_a_crash_while_it_waits_settles_nothing(
    data: DataDirectory, tmp_path: Path, autojump_clock: MockClock
) -> None:
    restore(create(data.path, None, tmp_path / "backup"), tmp_path / "new", None, NOW)
    with DataDirectory(tmp_path / "new") as restored:
        with trio.move_on_after(10) as scope:
            await ChainDouble(NOW, tasks=3).settle(restored)
        assert scope.cancelled_caught and inspect(tmp_path / "new" / "node.sqlite").restored


async def test_a_directory_that_was_never_restored_waits_for_nothing(data: DataDirectory) -> None:
    await settle_restored(data.database, cast(Any, None))


def test_an_older_program_refuses_a_newer_database(data: DataDirectory, tmp_path: Path) -> None:
    made = create(data.path, None, tmp_path / "backup")
    with closing(sqlite3.connect(made.path / "node.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    made.path.rename(tmp_path / "newer")
    with pytest.raises(Exception, match="A newer version of p2pavs wrote it"):
        DataDirectory(tmp_path / "newer")
