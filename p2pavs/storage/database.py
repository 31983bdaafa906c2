"""One SQLite file, every commit synced to disk, used from threads so that the event loop never waits."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import outcome
import structlog
import trio

from p2pavs.errors import P2pavsError

T = TypeVar("T")

SCHEMA_VERSION = 2
RETRY_AFTER = 1.0  # seconds

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
    id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, attempt INTEGER NOT NULL, committee_root BLOB NOT NULL,
    offence TEXT NOT NULL, operator BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL,
    key BLOB NOT NULL DEFAULT x'', secret BLOB NOT NULL DEFAULT x'',
    found_at INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'open',
    UNIQUE (task_id, attempt, committee_root, offence, operator)
) STRICT;
"""

MIGRATIONS = {
    1: """
ALTER TABLE evidence ADD COLUMN key BLOB NOT NULL DEFAULT x'';
ALTER TABLE evidence ADD COLUMN secret BLOB NOT NULL DEFAULT x'';
ALTER TABLE evidence ADD COLUMN found_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE evidence ADD COLUMN state TEXT NOT NULL DEFAULT 'open';
"""
}
"""What brings a file of that format to the next one."""

log = structlog.get_logger()


class Unavailable(P2pavsError):
    """What it takes to sign is not there. Nothing is signed while this lasts; ``event`` is for the log."""

    event: ClassVar[str] = "unavailable"


class StorageError(Unavailable):
    """The database could not be read or written."""

    event = "storage_failed"


class _Job(Generic[T]):
    """Work that waits to be committed, and how it ended."""

    def __init__(self, work: Callable[[sqlite3.Connection], T], *, synced: bool = True) -> None:
        self.work = work
        self.synced = synced
        self.outcome: outcome.Outcome[T] | None = None


class Database:
    """A SQLite database whose every committed transaction has reached the disk, unless it was told to wait.

    ``synchronous=FULL`` in write-ahead mode: a commit returns only after the log file is synced. What waits
    while one commit is under way is committed together by the next one (group commit): the disk is synced
    once for all of it, and each still succeeds or fails by itself. A transaction that is not ``synced`` is in
    the file when it returns, and on the disk with the next one that is: there is one log file, and it is
    written in order. Until then it survives the end of the process, but not that of the machine.
    ``failure`` is why the last transaction failed, None when it did not.
    """

    levels: ClassVar[tuple[str, str]] = ("NORMAL", "FULL")
    """SQLite's ``synchronous`` for transactions that can wait for the disk, and for the others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: StorageError | None = None
        self._lock = threading.Lock()
        self._synced = True  # what the connection is set to
        self._waiting: deque[_Job[Any]] = deque()
        self._turn = trio.Lock()
        try:
            # It holds what the node computed but did not publish yet: for its owner's eyes only.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
        except (OSError, sqlite3.Error) as error:
            raise _cannot_open(path, error) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise _cannot_open(path, error) from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self.levels[True]}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        while version in MIGRATIONS:
            connection.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA user_version={version + 1}; COMMIT;"
            )
            version += 1
        if version not in (0, SCHEMA_VERSION):
            raise StorageError(
                f"the database {self.path} has format {version}, this program reads {SCHEMA_VERSION}",
                "A newer version of p2pavs wrote it: use that. To go back to this one, restore a backup that "
                "it made (p2pavs restore). Never put an older file in its place: the node could sign twice.",
            )

    def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one transaction, commit and sync it. Blocks: call it from a thread."""
        job = _Job(work)
        self._commit([job])
        return _value(job)

    async def run(self, work: Callable[[sqlite3.Connection], T], *, synced: bool = True) -> T:
        """Run ``work`` as a transaction in a thread, with those of other tasks that wait.

        A started transaction is never abandoned half way. Who is cancelled while it waits may find it done.
        """
        job = _Job(work, synced=synced)
        self._waiting.append(job)
        try:
            async with self._turn:
                if job.outcome is None:
                    together = list(self._waiting)
                    self._waiting.clear()
                    with trio.CancelScope(shield=True):  # it works for others too
                        await trio.to_thread.run_sync(self._commit, together)
        finally:
            if job in self._waiting:
                self._waiting.remove(job)
        return _value(job)

    def _commit(self, jobs: Sequence[_Job[Any]]) -> None:
        """Run jobs in one transaction. A job that raises is taken back alone; a disk that fails fails all."""
        with self._lock:
            connection = self._connection
            synced = any(job.synced for job in jobs)
            try:
                if synced != self._synced:
                    connection.execute(f"PRAGMA synchronous={self.levels[synced]}")
                    self._synced = synced
                connection.execute("BEGIN IMMEDIATE")
                outcomes = [_apart(connection, job.work) for job in jobs]
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                _roll_back(connection)
                # An outcome can be taken once, and an error has the traceback of who raised it: one for each.
                failures = [_disk_failed(self.path, error) for _ in jobs]
                self.failure = failures[0]
                outcomes = [outcome.Error(failure) for failure in failures]
            except BaseException:
                _roll_back(connection)
                raise
            else:
                self.failure = None
            for job, ended in zip(jobs, outcomes, strict=True):
                job.outcome = ended

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._lock:
            self._connection.close()


async def until_stored(write: Callable[[], Awaitable[T]], **context: int) -> T:
    """Try a write again until the disk takes it (and a signer answers): whoever calls this goes on then.

    ``context`` says in the log whose write it is.
    """
    told = False
    while True:
        try:
            value = await write()
        except Unavailable as error:
            if not told:
                log.error(error.event, error=error.message, remedy=error.remedy, **context)
            told = True
            await trio.sleep(RETRY_AFTER)
        else:
            if told:
                log.info("storage_works_again", **context)
            return value


def _value(job: _Job[T]) -> T:
    if job.outcome is None:
        raise RuntimeError("a transaction was left out")
    return job.outcome.unwrap()


def _apart(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> outcome.Outcome[T]:
    """Run one of several works; what it wrote before it raised is taken back. A failing disk raises here."""
    connection.execute("SAVEPOINT work")
    try:
        value = work(connection)
    except Exception as error:
        # Two writers of one thing (IntegrityError): waiting for the disk does not mend that.
        if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
            raise
        connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return outcome.Error(error)
    connection.execute("RELEASE work")
    return outcome.Value(value)


def _roll_back(connection: sqlite3.Connection) -> None:
    # Some failures (a full disk) end the transaction by themselves, and then there is nothing to take back.
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _disk_failed(path: Path, error: sqlite3.Error) -> StorageError:
    failure = StorageError(
        f"cannot use the node's database {path}: {error}",
        "Free some disk space and check the disk; the node signs nothing until a write succeeds.",
    )
    failure.__cause__ = error
    return failure


def _cannot_open(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"cannot open the node's database {path}: {error}",
        "Check the disk, its space and the file's owner. If the file is damaged, keep the node stopped until "
        "its open tasks are past their deadlines, then start with an empty --data directory; never with an "
        "older copy, which has forgotten what was signed.",
    )
