"""One file, every commit synced, and named errors for everything a disk can do."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from p2pavs.storage import Database, StorageError, until_stored
from tests.unit.node.disk import break_disk, fill_up, make_room, mend_disk


def put(connection: sqlite3.Connection, key: str, value: str = "x") -> None:
    connection.execute("INSERT INTO meta VALUES (?, ?)", (key, value))


def keys(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT key FROM meta ORDER BY key")]


def test_a_transaction_is_whole_or_not_at_all(database: Database) -> None:
    def two_and_fail(connection: sqlite3.Connection) -> None:
        put(connection, "a")
        put(connection, "b")
        raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        database.transaction(two_and_fail)
    assert database.transaction(keys) == []
    database.transaction(lambda connection: put(connection, "c"))
    assert database.transaction(keys) == ["c"]


async def test_what_waits_is_committed_together_and_each_fails_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = 0
    commit = database._commit
    first_holds, go_on = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def counted(jobs: Sequence[Any]) -> None:
        nonlocal commits
        commits += 1
        commit(jobs)

    monkeypatch.setattr(database, "_commit", counted)
    failed: list[str] = []

    def hold(connection: sqlite3.Connection) -> None:
        token.run_sync_soon(first_holds.set)
        go_on.wait()
        put(connection, "first")

    def breaks(connection: sqlite3.Connection) -> None:
        put(connection, "taken back")
        raise KeyError("of this one alone")

    async def fails() -> None:
        try:
            await database.run(breaks)
        except KeyError as error:
            failed.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.run, hold)
        await first_holds.wait()
        for name in ("a", "b", "c"):
            nursery.start_soon(database.run, partial(put, key=name))
        nursery.start_soon(fails)
        cancelled = trio.CancelScope()

        async def gives_up() -> None:
            with cancelled:
                await database.run(partial(put, key="given up"))

        nursery.start_soon(gives_up)
        await trio.testing.wait_all_tasks_blocked()
        cancelled.cancel()
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
    assert await database.run(keys) == ["a", "b", "c", "first"]
    assert failed == ["'of this one alone'"]
    assert commits == 3  # the first, the others together, the look at the end


async def test_a_full_disk_fails_all_that_is_committed_together_with_its_own_name(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    commit = database._commit

    def counted(jobs: Sequence[Any]) -> None:
        together.append(len(jobs))
        commit(jobs)

    monkeypatch.setattr(database, "_commit", counted)
    failed: list[StorageError] = []

    async def write(key: str) -> None:
        try:
            await database.run(partial(put, key=key))
        except StorageError as error:
            failed.append(error)

    break_disk(database)
    async with trio.open_nursery() as nursery:
        for key in ("a", "b", "c", "d"):
            nursery.start_soon(write, key)
    assert len(failed) == sum(together) == 4
    assert max(together) > 1
    assert database.failure is not None
    mend_disk(database)
    await write("e")
    assert database.failure is None


def test_every_commit_is_synced(database: Database) -> None:
    found = database.transaction(
        lambda connection: (
            connection.execute("PRAGMA journal_mode").fetchone()[0],
            connection.execute("PRAGMA synchronous").fetchone()[0],
        )
    )
    assert found == ("wal", 2)


async def test_what_can_wait_for_the_disk_is_synced_with_what_cannot(database: Database) -> None:
    found: list[tuple[str, int]] = []

    async def write(name: str, *, synced: bool) -> None:
        def work(connection: sqlite3.Connection) -> None:
            put(connection, name, name)
            found.append((name, connection.execute("PRAGMA synchronous").fetchone()[0]))

        await database.run(work, synced=synced)

    await write("waits", synced=False)
    await write("does not", synced=True)
    await write("waits again", synced=False)
    async with trio.open_nursery() as nursery, database._turn:  # a commit is under way
        nursery.start_soon(partial(write, "together, waits", synced=False))
        nursery.start_soon(partial(write, "together, does not", synced=True))
        await trio.testing.wait_all_tasks_blocked()
    assert found[:3] == [("waits", 1), ("does not", 2), ("waits again", 1)]
    assert dict(found[3:]) == {"together, waits": 2, "together, does not": 2}


def test_a_full_disk_is_a_named_error_that_passes(database: Database) -> None:
    fill_up(database)
    with pytest.raises(StorageError, match="disk is full") as caught:
        database.transaction(lambda connection: put(connection, "a", "x" * 100_000))
    assert database.failure is caught.value
    assert "Free some disk space" in caught.value.remedy
    assert database.transaction(keys) == []
    make_room(database)
    database.transaction(lambda connection: put(connection, "a", "x" * 100_000))
    assert database.failure is None
    assert database.transaction(keys) == ["a"]


def test_two_writers_of_one_row_are_not_a_full_disk(database: Database) -> None:
    database.transaction(lambda connection: put(connection, "a"))
    with pytest.raises(sqlite3.IntegrityError):
        database.transaction(lambda connection: put(connection, "a"))
    database.transaction(lambda connection: put(connection, "b"))


def test_a_locked_database_is_a_named_error(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.transaction(lambda connection: put(connection, "a"))
    database._connection.execute("PRAGMA busy_timeout=1")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        database.transaction(keys)
    other.execute("ROLLBACK")
    other.close()
    assert database.transaction(keys) == ["a"]


def test_a_closed_database_is_a_named_error(database: Database) -> None:
    database.close()
    database.close()
    with pytest.raises(StorageError, match="closed"):
        database.transaction(keys)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    path.write_bytes(b"this is not a database, whatever it is called" * 100)
    with pytest.raises(StorageError, match="cannot open the node's database") as caught:
        Database(path)
    assert "never with an older copy" in caught.value.remedy


def test_a_damaged_database_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    whole = Database(path)
    whole.transaction(lambda connection: put(connection, "a", "x" * 50_000))
    whole.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    damaged = Database(path)
    with pytest.raises(StorageError, match="malformed"):
        damaged.transaction(keys)
    damaged.close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    Database(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(StorageError, match="format 99"):
        Database(path)


def test_a_file_of_the_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    raw = sqlite3.connect(path)
    raw.executescript(
        """
        CREATE TABLE evidence (
            id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, attempt INTEGER NOT NULL,
            committee_root BLOB NOT NULL, offence TEXT NOT NULL, operator BLOB NOT NULL,
            first BLOB NOT NULL, second BLOB NOT NULL,
            UNIQUE (task_id, attempt, committee_root, offence, operator)
        ) STRICT;
        INSERT INTO evidence VALUES (1, 7, 0, x'09', 'divergence', x'01', x'02', x'03');
        PRAGMA user_version=1;
        """
    )
    raw.close()
    database = Database(path)
    query = "SELECT task_id, offence, key, secret, found_at, state FROM evidence"
    rows = database.transaction(lambda connection: connection.execute(query).fetchall())
    database.close()
    assert rows == [(7, "divergence", b"", b"", 0, "open")]
    Database(path).close()


def test_a_directory_that_is_not_there_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        Database(tmp_path / "nowhere" / "node.sqlite")


def test_others_cannot_read_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "node.sqlite")
    database.transaction(lambda connection: put(connection, "a"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    database.close()
    assert set(modes.values()) == {0o600}, modes


async def test_who_waits_for_the_disk_goes_on_when_it_writes(
    database: Database, autojump_clock: trio.testing.MockClock
) -> None:
    fill_up(database)
    tried = 0

    async def write() -> str:
        nonlocal tried
        tried += 1
        if tried == 5:
            make_room(database)
        await database.run(lambda connection: put(connection, "a", "x" * 100_000))
        return "written"

    assert await until_stored(write, task=1) == "written"
    assert tried == 5
    assert database.transaction(keys) == ["a"]


async def test_other_errors_are_not_waited_for(database: Database) -> None:
    async def write() -> None:
        raise KeyError("a defect, not a disk")

    with pytest.raises(KeyError):
        await until_stored(write)
