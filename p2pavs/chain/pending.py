"""Transactions that were signed and are not settled, kept so that a restart neither loses nor doubles any."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import anyio.to_thread

from p2pavs.chain.errors import AccountInUse, ChainError

T = TypeVar("T")

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE pending (
    chain_id INTEGER NOT NULL,
    account BLOB NOT NULL,
    nonce INTEGER NOT NULL,
    recipient BLOB,
    data BLOB NOT NULL,
    value TEXT NOT NULL,  -- decimal: wei do not fit 64 bits
    gas INTEGER NOT NULL,
    max_fee TEXT NOT NULL,
    tip TEXT NOT NULL,
    raw BLOB NOT NULL,
    hashes BLOB NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (chain_id, account, nonce)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class PendingTransaction:
    """A signed transaction. Replacements (same nonce, higher fees) add their hash; any one may be mined."""

    nonce: int
    to: bytes | None
    data: bytes
    value: int  # wei
    gas: int
    max_fee: int  # wei per gas
    tip: int  # wei per gas
    raw: bytes  # the newest version, signed
    hashes: tuple[bytes, ...]  # of all versions, oldest first
    what: str


class PendingStore(Protocol):
    """Where a ``Sender`` keeps its transactions. One store belongs to one chain and account.

    ``put`` returns only when the transaction survives a power cut: it is sent right after.
    """

    async def load(self) -> tuple[PendingTransaction, ...]:
        """All stored transactions, by ascending nonce."""

    async def put(self, transaction: PendingTransaction) -> None:
        """Store a transaction, in place of the one with the same nonce if there is one."""

    async def remove(self, nonce: int) -> None:
        """Forget the transaction with this nonce."""


class PendingStoreError(ChainError):
    """The file of unsettled transactions cannot be used. Nothing is sent while this lasts."""


class SqlitePendingStore:
    """A ``PendingStore`` in a SQLite file, which also locks the account against other processes."""

    def __init__(self, path: Path, *, chain_id: int, account: bytes) -> None:
        """Open or create the file. Raises ``AccountInUse`` while another process has it open."""
        self._path = path
        self._key = (chain_id, account)
        self._mutex = threading.Lock()
        self._lock: int | None = _lock(path.with_name(path.name + ".lock"))
        try:
            self._connection = _open(path)
        except (OSError, sqlite3.Error, PendingStoreError) as error:
            self._unlock()
            raise _store_error(path, error) from None

    def __enter__(self) -> SqlitePendingStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let other processes use the account. Safe to call twice."""
        with self._mutex:
            self._connection.close()
            self._unlock()

    async def load(self) -> tuple[PendingTransaction, ...]:
        """See ``PendingStore``."""
        query = "SELECT * FROM pending WHERE chain_id = ? AND account = ? ORDER BY nonce"
        rows = await self._run(lambda connection: connection.execute(query, self._key).fetchall())
        return tuple(
            PendingTransaction(
                nonce=row["nonce"],
                to=row["recipient"],
                data=row["data"],
                value=int(row["value"]),
                gas=row["gas"],
                max_fee=int(row["max_fee"]),
                tip=int(row["tip"]),
                raw=row["raw"],
                hashes=tuple(row["hashes"][i : i + 32] for i in range(0, len(row["hashes"]), 32)),
                what=row["what"],
            )
            for row in rows
        )

    async def put(self, transaction: PendingTransaction) -> None:
        """See ``PendingStore``."""
        t = transaction
        row = (
            *self._key,
            t.nonce,
            t.to,
            t.data,
            str(t.value),
            t.gas,
            str(t.max_fee),
            str(t.tip),
            t.raw,
            b"".join(t.hashes),
            t.what,
        )
        statement = "INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        await self._run(lambda connection: connection.execute(statement, row))

    async def remove(self, nonce: int) -> None:
        """See ``PendingStore``."""
        statement = "DELETE FROM pending WHERE chain_id = ? AND account = ? AND nonce = ?"
        await self._run(lambda connection: connection.execute(statement, (*self._key, nonce)))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # In a thread, because a commit waits for the disk. Not abandoned when cancelled: a write is whole.
        return await anyio.to_thread.run_sync(self._locked, work)

    def _locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._mutex:
            try:
                return work(self._connection)
            except sqlite3.Error as error:
                raise _store_error(self._path, error) from None

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _store_error(path, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AccountInUse(str(path)) from None
    return descriptor


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise PendingStoreError(f"it has format {version}, this program reads {SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _store_error(path: Path, error: Exception) -> PendingStoreError:
    return PendingStoreError(
        f"The file of unsettled transactions {path} cannot be used: {error}.",
        "Check the disk, its free space and the file's owner. If the file is damaged and no transaction of "
        "this account is waiting, move it away and start again.",
    )
