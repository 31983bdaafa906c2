"""Never sign twice (protocol, section 9): a signature is on disk before it leaves the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

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


class KeyNotHeld(P2pavsError):
    """An epoch counts this operator with a key that the node does not have."""


@dataclass(frozen=True, slots=True)
class KeyGuard:
    """The guard, for one of the operator's keys."""

    guard: SignGuard
    signer: Signer

    async def sign(self, slot: Slot, value: bytes) -> bytes:
        """As ``SignGuard.sign``."""
        return await self.guard.sign(slot, value, self.signer)


class SignGuard:
    """Signs statements, each slot once. Its database belongs to one operator on one chain.

    A slot names its committee, and in one committee an operator has one key: no slot is signed by two.

    ``refused`` counts second statements that were asked for.
    """

    def __init__(
        self, database: Database, signer: Signer, keyring: Mapping[bytes, Signer] | None = None
    ) -> None:
        self._database = database
        self._signer = signer
        self._keyring = keyring
        self.refused = 0

    def for_key(self, key: bytes) -> KeyGuard:
        """Return the guard for what is signed with one key (48 bytes): that of an epoch's set.

        Without a keyring there is but one. Raises ``KeyNotHeld``.
        """
        if self._keyring is None:
            return KeyGuard(self, self._signer)
        signer = self._keyring.get(key)
        if signer is None:
            raise KeyNotHeld(
                f"the epoch's set has this operator with the key {key.hex()[:16]}…, which is not here",
                "Start the node with the key directory that holds it (p2pavs operator rotate-key made it).",
            )
        return KeyGuard(self, signer)

    async def sign(self, slot: Slot, value: bytes, signer: Signer | None = None) -> bytes:
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
            signature = (signer or self._signer).sign(message)
            connection.execute("INSERT INTO signatures VALUES (?,?,?,?,?,?,?)", (*key, message, signature))
            return signature

        try:
            return await self._database.run(
                work
            )
        except ConflictingSignature:
            self.refused += 1
            raise
