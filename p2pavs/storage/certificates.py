"""Certificates this node aggregated or received, kept so that peers and auditors can ask for them."""

from __future__ import annotations

import sqlite3

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
        row = (scope.instance.task_id, scope.instance.attempt, scope.committee_root, encode_message(commit))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO certificates VALUES (?,?,?,?)", row)

        await self._database.run(work)

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
