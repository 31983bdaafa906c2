"""What each API key spent, and which tasks are still to be settled. Survives restarts."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from p2pavs.errors import P2pavsError

T = TypeVar("T")

DAY = 86_400.0
KEPT = 30 * DAY  # of what is settled
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
"""


class OverLimit(P2pavsError):
    """An API key has spent what it may. Nothing was paid."""


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

    async def reserve(self, key: str, fee: int, limit: int) -> int:
        """Take a fee out of what a key may spend in 24 hours; returns the entry. Raises ``OverLimit``."""
        now = self._clock()

        def work(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM spent WHERE settled AND at < ?", (now - KEPT,))
            rows = connection.execute("SELECT fee, gas FROM spent WHERE key=? AND at > ?", (key, now - DAY))
            spent = sum(int(paid) + int(gas) for paid, gas in rows)
            if spent + fee > limit:
                raise OverLimit(f"this API key has spent {spent} of {limit} wei in the last 24 hours")
            cursor = connection.execute(
                "INSERT INTO spent (key, at, fee, gas) VALUES (?,?,?,'0')", (key, now, str(fee))
            )
            return int(cursor.lastrowid or 0)

        return await self._run(work)

    async def release(self, entry: int) -> None:
        """Give back what was reserved and not paid."""
        await self._run(lambda connection: connection.execute("DELETE FROM spent WHERE id=?", (entry,)))

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
