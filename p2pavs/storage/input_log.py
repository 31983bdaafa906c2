"""The write-ahead log: every input of an instance, written before it is applied.

It is on the disk before anything is signed because of it: a signature is synced in the same file, after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from consensus.effects import Input
from consensus.types import Scope
from consensus.wire import WireError, decode_input, encode_input
from p2pavs.storage.database import Database, StorageError


class InputLog:
    """The inputs of one instance in the order in which they were applied."""

    def __init__(self, database: Database, scope: Scope) -> None:
        self._database = database
        self._key = (scope.instance.task_id, scope.instance.attempt, scope.committee_root)
        self._next = 0

    async def replay(self) -> list[Input]:
        """All inputs written so far; further ones are appended behind them. Raises ``StorageError``."""

        def work(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
            return connection.execute(
                "SELECT seq, input FROM inputs "
                "WHERE task_id=? AND attempt=? AND committee_root=? ORDER BY seq",
                self._key,
            ).fetchall()

        rows = await self._database.run(work)
        self._next = rows[-1][0] + 1 if rows else 0
        try:
            return [decode_input(bytes(row[1])) for row in rows]
        except WireError as error:
            raise StorageError(
                f"the log of task {self._key[0]} in {self._database.path} is damaged: {error}",
                "The node stays out of this task, and works on the others. Check the disk.",
            ) from error

    async def append(self, inputs: Sequence[Input]) -> None:
        """Write inputs in one transaction. On ``StorageError`` none of them is written."""
        rows = [(*self._key, self._next + i, encode_input(one)) for i, one in enumerate(inputs)]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT INTO inputs VALUES (?,?,?,?,?)", rows)

        await self._database.run(work, synced=False)
        self._next += len(rows)
