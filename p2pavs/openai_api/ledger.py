"""What each API key spent, and which tasks are still to be settled. Survives restarts."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from p2pavs.errors import P2pavsError

T = TypeVar("T")

DAY = 86_400.0
KEPT = 30 * DAY  # of what is settled
REPEATABLE = DAY  # seconds for which a repeated request is known
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    at REAL NOT NULL,         -- unix seconds
    fee TEXT NOT NULL,        -- wei, decimal; 0 once it was refunded
    gas TEXT NOT NULL,        -- wei
    task INTEGER,             -- NULL until the task is on the chain
    settled INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS by_key ON spent (key, at);
CREATE TABLE IF NOT EXISTS once (
    key TEXT NOT NULL,
    name TEXT NOT NULL,       -- the client's idempotency key
    digest BLOB NOT NULL,     -- SHA-256 of the request
    at REAL NOT NULL,         -- unix seconds
    entry INTEGER NOT NULL UNIQUE, -- of spent
    PRIMARY KEY (key, name)
) STRICT;
"""


class OverLimit(P2pavsError):
    """An API key has spent what it may. Nothing was paid."""


@dataclass(frozen=True, slots=True)
class Once:
    """A request that must be paid at most once: the client's name for it, and what it is."""

    name: str
    digest: bytes  # 32


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier request of the same name."""

    digest: bytes
    task: int | None  # None: nobody knows whether it was paid


class LedgerError(P2pavsError):
    """The ledger's file cannot be used. Nothing is paid while this lasts."""


class Ledger:
    """One SQLite file. A fee is reserved before it is paid: no two requests spend the same allowance."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open or create the file. Raises ``LedgerError``."""
        self._path = path
        self._clock = clock
        self._mutex = threading.Lock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._error(error) from None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            self._connection.close()

    async def earlier(self, key: str, name: str) -> Earlier | None:
        """Return what a client asked under this name in the last 24 hours."""
        query = (
            "SELECT once.digest, spent.task FROM once LEFT JOIN spent ON spent.id=once.entry "
            "WHERE once.key=? AND once.name=? AND once.at > ?"
        )
        row = (key, name, self._clock() - REPEATABLE)
        found = await self._run(lambda connection: connection.execute(query, row).fetchone())
        return None if found is None else Earlier(*found)

    async def reserve(self, key: str, fee: int, limit: int, once: Once | None = None) -> int:
        """Take a fee out of what a key may spend in 24 hours; returns the entry. Raises ``OverLimit``.

        With ``once`` the request can be found again by its name, which must not be known yet.
        """
        now = self._clock()

        def work(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM spent WHERE settled AND at < ?", (now - KEPT,))
            connection.execute("DELETE FROM once WHERE at <= ?", (now - REPEATABLE,))
            spent = _spent(connection, key, now)
            if spent + fee > limit:
                raise OverLimit(f"this API key has spent {spent} of {limit} wei in the last 24 hours")
            cursor = connection.execute(
                "INSERT INTO spent (key, at, fee, gas) VALUES (?,?,?,'0')", (key, now, str(fee))
            )
            entry = int(cursor.lastrowid or 0)
            if once is not None:
                row = (key, once.name, once.digest, now, entry)
                connection.execute("INSERT INTO once (key, name, digest, at, entry) VALUES (?,?,?,?,?)", row)
            return entry

        return await self._run(work)

    async def release(self, entry: int) -> None:
        """Give back what was reserved and not paid."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM spent WHERE id=?", (entry,))
            connection.execute("DELETE FROM once WHERE entry=?", (entry,))

        await self._run(work)

    async def spent(self, key: str) -> int:
        """Return what a key has spent in the last 24 hours, in wei."""
        return await self._run(lambda connection: _spent(connection, key, self._clock()))

    async def paid(self, entry: int, task: int, fee: int, gas: int) -> None:
        """Note which task an entry paid, and what it cost, in wei."""
        row = (task, str(fee), str(gas), entry)
        statement = "UPDATE spent SET task=?, fee=?, gas=? WHERE id=?"
        await self._run(lambda connection: connection.execute(statement, row))

    async def open_tasks(self) -> tuple[tuple[int, int], ...]:
        """Return entries and tasks that are not settled, oldest first."""
        query = "SELECT id, task FROM spent WHERE task IS NOT NULL AND NOT settled ORDER BY id"
        return tuple(await self._run(lambda connection: connection.execute(query).fetchall()))

    async def settle(self, entry: int, *, refunded: bool) -> None:
        """Close an entry; a refunded fee counts no more."""
        statement = "UPDATE spent SET settled=1, fee=CASE WHEN ? THEN '0' ELSE fee END WHERE id=?"
        await self._run(lambda connection: connection.execute(statement, (refunded, entry)))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await anyio.to_thread.run_sync(self._locked, work)

    def _locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._mutex:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    found = work(self._connection)
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
                return found
            except sqlite3.Error as error:
                raise self._error(error) from None

    def _error(self, error: sqlite3.Error) -> LedgerError:
        return LedgerError(
            f"The ledger of the API keys {self._path} cannot be used: {error}.",
            "Check the disk, its free space and the file's owner.",
        )


def _spent(connection: sqlite3.Connection, key: str, now: float) -> int:
    rows = connection.execute("SELECT fee, gas FROM spent WHERE key=? AND at > ?", (key, now - DAY))
    return sum(int(paid) + int(gas) for paid, gas in rows)
