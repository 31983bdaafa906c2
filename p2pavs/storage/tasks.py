"""Which tasks this node has seen, so that none is lost over a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from p2pavs.storage.database import Database

_SET_FOLLOWED_TO = (
    "INSERT INTO meta VALUES ('followed_to', ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value"
)


class TaskState(StrEnum):
    """How far a task is, as this node knows from the chain."""

    OPEN = "open"
    CERTIFIED = "certified"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task's place on the chain and its state."""

    task_id: int
    block_number: int
    block_hash: bytes
    state: TaskState


def _put(connection: sqlite3.Connection, task: StoredTask) -> None:
    connection.execute(
        "INSERT INTO tasks VALUES (?,?,?,?) ON CONFLICT (task_id) DO UPDATE SET "
        "block_number=excluded.block_number, block_hash=excluded.block_hash, state=excluded.state",
        (task.task_id, task.block_number, task.block_hash, task.state.value),
    )


class TaskStore:
    """The tasks seen on the chain and the block up to which the chain has been followed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, task: StoredTask) -> None:
        """Insert or update a task."""
        await self._database.run(lambda connection: _put(connection, task))

    async def save(self, tasks: Sequence[StoredTask], followed_to: int) -> None:
        """Write tasks, drop the logs of those that are over, remember the last block: all or nothing."""

        def work(connection: sqlite3.Connection) -> None:
            for task in tasks:
                _put(connection, task)
                if task.state is not TaskState.OPEN:
                    connection.execute("DELETE FROM inputs WHERE task_id=?", (task.task_id,))
            connection.execute(_SET_FOLLOWED_TO, (str(followed_to),))

        await self._database.run(work)

    async def remove(self, task_id: int) -> None:
        """Forget a task whose block is no longer part of the chain. Its log stays: it may come back as is."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM tasks WHERE task_id=?", (task_id,))

        await self._database.run(work)

    async def open_tasks(self) -> list[StoredTask]:
        """All tasks not known to be over, oldest first."""

        def work(connection: sqlite3.Connection) -> list[tuple[int, int, bytes, str]]:
            return connection.execute(
                "SELECT * FROM tasks WHERE state='open' ORDER BY task_id",
            ).fetchall()

        return [StoredTask(a, b, bytes(c), TaskState(d)) for a, b, c, d in await self._database.run(work)]

    async def forget_inputs(self, task_id: int) -> None:
        """Drop the logs of a task that is over. Its signatures stay in the guard."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM inputs WHERE task_id=?", (task_id,))

        await self._database.run(work)

    async def rewind(self, block_number: int) -> None:
        """Prepare to follow the chain from a block again, which reports all open tasks anew.

        Tasks whose block was undone while nobody looked are not reported again: they are forgotten here.
        So are the logs of tasks that were over when the node stopped.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM inputs WHERE task_id IN (SELECT task_id FROM tasks WHERE state<>'open')"
            )
            connection.execute("DELETE FROM tasks WHERE state='open' AND block_number>=?", (block_number,))
            connection.execute(_SET_FOLLOWED_TO, (str(block_number),))

        await self._database.run(work)

    async def followed_to(self) -> int | None:
        """The last block that was processed, or None on first use."""

        def work(connection: sqlite3.Connection) -> int | None:
            row = connection.execute("SELECT value FROM meta WHERE key='followed_to'").fetchone()
            return None if row is None else int(row[0])

        return await self._database.run(work)

    async def set_followed_to(self, block_number: int) -> None:
        """Remember the last block that was processed."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_SET_FOLLOWED_TO, (str(block_number),))

        await self._database.run(work)
