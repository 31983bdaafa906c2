"""Signed misbehaviour of others, kept until somebody wants to see it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from consensus.types import InstanceId
from p2pavs.storage.database import Database


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """Two encoded wire messages (or one and an expected value) that prove an offence."""

    instance: InstanceId
    committee_root: bytes  # a task that a reorganisation brought back has another one
    offence: str
    operator: bytes  # 20 bytes
    first: bytes
    second: bytes


class EvidenceStore:
    """Each offence of an operator in an instance once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, evidence: StoredEvidence) -> bool:
        """Store evidence; a second one for the same offence is ignored. Returns whether it was the first."""
        row = (
            evidence.instance.task_id,
            evidence.instance.attempt,
            evidence.committee_root,
            evidence.offence,
            evidence.operator,
            evidence.first,
            evidence.second,
        )

        def work(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "INSERT OR IGNORE INTO evidence "
                "(task_id, attempt, committee_root, offence, operator, first, second) VALUES (?,?,?,?,?,?,?)",
                row,
            )
            return cursor.rowcount == 1

        return await self._database.run(work)

    async def all(self) -> list[StoredEvidence]:
        """Everything stored, oldest first."""

        def work(connection: sqlite3.Connection) -> list[tuple[int, int, bytes, str, bytes, bytes, bytes]]:
            return connection.execute(
                "SELECT task_id, attempt, committee_root, offence, operator, first, second "
                "FROM evidence ORDER BY id"
            ).fetchall()

        return [
            StoredEvidence(InstanceId(task, attempt), root, offence, operator, first, second)
            for task, attempt, root, offence, operator, first, second in await self._database.run(work)
        ]
