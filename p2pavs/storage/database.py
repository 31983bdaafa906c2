"""One SQLite file, every commit synced to disk, used from threads so that the event loop never waits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from p2pavs.errors import P2pavsError

T = TypeVar("T")

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE signatures (
    task_id INTEGER NOT NULL, attempt INTEGER NOT NULL, committee_root BLOB NOT NULL,
    kind INTEGER NOT NULL, round INTEGER NOT NULL, statement BLOB NOT NULL, signature BLOB NOT NULL,
    PRIMARY KEY (task_id, attempt, committee_root, kind, round)
) STRICT, WITHOUT ROWID;
CREATE TABLE inputs (
    task_id INTEGER NOT NULL, attempt INTEGER NOT NULL, committee_root BLOB NOT NULL,
    seq INTEGER NOT NULL, input BLOB NOT NULL,
    PRIMARY KEY (task_id, attempt, committee_root, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE tasks (
    task_id INTEGER PRIMARY KEY, block_number INTEGER NOT NULL, block_hash BLOB NOT NULL, state TEXT NOT NULL
) STRICT;
CREATE TABLE certificates (
    task_id INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, committee_root BLOB NOT NULL, message BLOB NOT NULL
) STRICT;
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, attempt INTEGER NOT NULL, offence TEXT NOT NULL,
    operator BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL,
    UNIQUE (task_id, attempt, offence, operator)
) STRICT;
"""


class StorageError(P2pavsError):
    """The database could not be read or written. Nothing is signed while this lasts."""


class Database:
    """A SQLite database whose every committed transaction has reached the disk.

    ``synchronous=FULL`` in write-ahead mode: a commit returns only after the log file is synced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
            self._prepare()
        except sqlite3.Error as error:
            raise StorageError(
                f"cannot open the node's database {path}: {error}",
                "Check the disk, its space and the file's owner. If the file is damaged, restore it from "
                "a copy of this same node; do not start with an empty one while a task is running.",
            ) from error

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise StorageError(
                f"the database {self.path} has format {version}, this program reads {SCHEMA_VERSION}",
                "Use the version of p2pavs that wrote it.",
            )

    def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one transaction, commit and sync it. Blocks: call it from a thread."""
        with self._lock:
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    value = work(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise StorageError(
                    f"cannot write the node's database {self.path}: {error}",
                    "Free some disk space and check the disk; the node signs nothing until a write succeeds.",
                ) from error
            return value

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` as a transaction in a thread. A started transaction is never abandoned half way."""
        return await trio.to_thread.run_sync(self.transaction, work)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._lock:
            self._connection.close()
