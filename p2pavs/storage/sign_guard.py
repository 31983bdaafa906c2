"""Never sign twice (protocol, section 9): a signature is on disk before it leaves the process."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import trio

from consensus.signing import Signer, statement
from consensus.types import Kind, Scope
from p2pavs.errors import P2pavsError
from p2pavs.storage.database import Database
from p2pavs.storage.retention import floor


class ConflictingSignature(P2pavsError):
    """The guard refused to sign a second, different statement for one slot."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where at most one statement may ever be signed.

    The committee root is part of it: after a chain reorganisation the same task id can come back with
    another seed and so another committee; statements for the two can never be held against each other.
    """

    scope: Scope
    kind: Kind
    round: int


class SignGuard:
    """Signs statements, each slot once. Its database belongs to one key on one chain.

    ``refused`` counts second statements that were asked for.
    """

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer
        self._turn = trio.Lock()
        self.refused = 0

    async def sign(self, slot: Slot, value: bytes) -> bytes:
        """The signature over ``statement(slot, value)``, synced to disk.

        An equal statement is released again. A different one raises ``ConflictingSignature``; a failed
        write raises ``StorageError``; neither lets a signature out.
        """
        message = statement(slot.scope, slot.kind, slot.round, value)
        key = (
            slot.scope.instance.task_id,
            slot.scope.instance.attempt,
            slot.scope.committee_root,
            int(slot.kind),
            slot.round,
        )

        def work(connection: sqlite3.Connection) -> bytes:
            if key[0] < floor(connection):
                raise ConflictingSignature(
                    f"refused to sign for task {key[0]}: what was signed for it is forgotten",
                    "Nothing was signed and nothing is lost: the task was over long ago.",
                )
            row = connection.execute(
                "SELECT statement, signature FROM signatures "
                "WHERE task_id=? AND attempt=? AND committee_root=? AND kind=? AND round=?",
                key,
            ).fetchone()
            if row is not None:
                if bytes(row[0]) != message:
                    raise ConflictingSignature(
                        f"refused to sign a second {slot.kind.name.lower()} "
                        f"for task {key[0]} attempt {key[1]} round {slot.round}",
                        "Nothing was signed and nothing is lost. If this repeats, the data directory may be "
                        "older than the node's last run: keep the node stopped until the task is over.",
                    )
                return bytes(row[1])
            signature = self._signer.sign(message)
            connection.execute("INSERT INTO signatures VALUES (?,?,?,?,?,?,?)", (*key, message, signature))
            return signature

        async with self._turn:
            try:
                return await self._database.run(work)
            except ConflictingSignature:
                self.refused += 1
                raise
