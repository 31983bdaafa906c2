"""Signed misbehaviour of others, kept for the chain and for whoever wants to see it."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from enum import StrEnum, unique

from consensus.types import InstanceId
from p2pavs.storage.database import Database

_ALL = """
SELECT task_id, attempt, committee_root, offence, operator, first, second, key, secret, found_at, state, id
FROM evidence ORDER BY id
"""


@unique
class EvidenceState(StrEnum):
    """What became of evidence."""

    OPEN = "open"
    BOOKED = "booked"  # the chain knows of the offence
    REFUSED = "refused"  # the chain takes it for no offence


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """Two encoded wire messages (or one, and what is held against it) that prove an offence."""

    instance: InstanceId
    committee_root: bytes  # a task that a reorganisation brought back has another one
    offence: str
    operator: bytes  # 20 bytes
    first: bytes
    second: bytes
    key: bytes = b""  # 48 bytes: what the operator signed with
    secret: bytes = (
        b""  # the trace secret that gives a false work tag away; nobody's business before the decision
    )
    found_at: int = 0  # unix seconds
    state: EvidenceState = EvidenceState.OPEN
    id: int = 0  # given by the store


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
            evidence.key,
            evidence.secret,
            evidence.found_at or int(time.time()),
        )

        def work(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "INSERT OR IGNORE INTO evidence (task_id, attempt, committee_root, offence, operator, "
                "first, second, key, secret, found_at) VALUES (?,?,?,?,?,?,?,?,?,?)",
                row,
            )
            return cursor.rowcount == 1

        return await self._database.run(work)

    async def all(self) -> list[StoredEvidence]:
        """Everything stored, oldest first."""

        def work(
            connection: sqlite3.Connection,
        ) -> list[tuple[int, int, bytes, str, bytes, bytes, bytes, bytes, bytes, int, str, int]]:
            return connection.execute(_ALL).fetchall()

        return [
            StoredEvidence(InstanceId(row[0], row[1]), *row[2:10], EvidenceState(row[10]), row[11])
            for row in await self._database.run(work)
        ]

    async def open(self) -> list[StoredEvidence]:
        """What the chain does not know of yet, oldest first."""
        return [one for one in await self.all() if one.state is EvidenceState.OPEN]

    async def set_state(self, number: int, state: EvidenceState) -> None:
        """Write down what became of evidence."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE evidence SET state=? WHERE id=?", (state.value, number))

        await self._database.run(work)
