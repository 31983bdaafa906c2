"""Forgetting tasks that are long over, so that a node's database does not grow for ever.

What was signed for a task may be forgotten only when nothing will be signed for it again. The floor below
which everything is forgotten is stored first, and the sign guard refuses every slot below it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from p2pavs.storage.database import Database

FLOOR: Final = "forgotten_below"
ROWS_AT_ONCE: Final = 500
_TABLES: Final = ("signatures", "inputs", "certificates", "tasks")


def floor(connection: sqlite3.Connection) -> int:
    """The task number below which everything is forgotten; 0 if nothing is."""
    row = connection.execute("SELECT value FROM meta WHERE key=?", (FLOOR,)).fetchone()
    return 0 if row is None else int(row[0])


async def forget_old(database: Database, keep: int) -> int:
    """Keep the newest ``keep`` tasks, and whatever is not older than the oldest open one.

    Evidence stays: it is rare, and its time is the contract's to say. Returns how many tasks' rows went.
    Works in small transactions, so that signatures do not wait for it.
    """

    def set_floor(connection: sqlite3.Connection) -> int:
        newest = connection.execute("SELECT MAX(task_id) FROM tasks").fetchone()[0]
        oldest_open = connection.execute("SELECT MIN(task_id) FROM tasks WHERE state='open'").fetchone()[0]
        if newest is None:
            return floor(connection)
        wanted = int(newest) - keep + 1
        if oldest_open is not None:
            wanted = min(wanted, int(oldest_open))
        limit = max(wanted, floor(connection))
        if limit > 0:
            connection.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value",
                (FLOOR, str(limit)),
            )
        return limit

    limit = await database.run(set_floor)
    gone = 0
    for table in _TABLES:
        while True:

            def work(connection: sqlite3.Connection, table: str = table) -> int:
                # The names are ours. SQLite's DELETE has no LIMIT as it is usually built.
                ids = connection.execute(
                    f"SELECT DISTINCT task_id FROM {table} WHERE task_id<? LIMIT ?",  # noqa: S608
                    (limit, ROWS_AT_ONCE),
                ).fetchall()
                connection.executemany(f"DELETE FROM {table} WHERE task_id=?", ids)  # noqa: S608
                return len(ids)

            found = await database.run(work)
            gone += found
            if found == 0:
                break
    return gone
