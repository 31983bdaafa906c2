"""Certificates this node aggregated or received, kept so that peers and auditors can ask for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from consensus.messages import Commit
from consensus.types import Scope
from consensus.wire import decode_message, encode_message
from p2pavs.storage.database import Database


class CertificateStore:
    """One certificate with its output for each task."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, scope: Scope, commit: Commit) -> None:
        """Store a decided task's certificate and output."""
        await self.put_many([(scope, commit)])

    async def put_many(self, decided: Sequence[tuple[Scope, Commit]]) -> None:
        """Store several, all or none."""
        rows = [
            (scope.instance.task_id, scope.instance.attempt, scope.committee_root, encode_message(commit))
            for scope, commit in decided
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO certificates VALUES (?,?,?,?)", rows)

        await self._database.run(work)

    async def get_many(self, task_ids: Sequence[int]) -> list[Commit]:
        """The certificates of these tasks that this node has, in the order of the ids."""

        def work(connection: sqlite3.Connection) -> list[bytes]:
            rows = (
                connection.execute("SELECT message FROM certificates WHERE task_id=?", (task_id,)).fetchone()
                for task_id in task_ids
            )
            return [bytes(row[0]) for row in rows if row is not None]

        found = [decode_message(one) for one in await self._database.run(work)]
        return [one for one in found if isinstance(one, Commit)]

    async def having(self, task_ids: Sequence[int]) -> list[int]:
        """Those of these tasks whose certificate this node has."""

        def work(connection: sqlite3.Connection) -> list[int]:
            query = "SELECT 1 FROM certificates WHERE task_id=?"
            return [one for one in task_ids if connection.execute(query, (one,)).fetchone() is not None]

        return await self._database.run(work)

    async def missing(self) -> list[int]:
        """Tasks that the chain said are certified, and whose certificate this node does not have."""

        def work(connection: sqlite3.Connection) -> list[int]:
            rows = connection.execute(
                "SELECT task_id FROM tasks WHERE state='certified' "
                "AND task_id NOT IN (SELECT task_id FROM certificates) ORDER BY task_id"
            )
            return [int(row[0]) for row in rows.fetchall()]

        return await self._database.run(work)

    async def get(self, task_id: int, committee_root: bytes | None = None) -> Commit | None:
        """The certificate of a task, if this node has one (for that committee, where one is named)."""

        def work(connection: sqlite3.Connection) -> tuple[bytes, bytes] | None:
            row: tuple[bytes, bytes] | None = connection.execute(
                "SELECT committee_root, message FROM certificates WHERE task_id=?", (task_id,)
            ).fetchone()
            return row

        row = await self._database.run(work)
        if row is None or (committee_root is not None and bytes(row[0]) != committee_root):
            return None
        message = decode_message(bytes(row[1]))
        return message if isinstance(message, Commit) else None

    async def count(self) -> int:
        """How many certificates are stored."""

        def work(connection: sqlite3.Connection) -> int:
            return int(connection.execute("SELECT COUNT(*) FROM certificates").fetchone()[0])

        return await self._database.run(work)
