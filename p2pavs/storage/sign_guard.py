"""Never sign twice (protocol, section 9): a signature is on disk before it leaves the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import trio

from consensus.signing import Signer, statement
from consensus.types import Kind, Scope
from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode
from p2pavs.storage.copying import distrust
from p2pavs.storage.database import Database, Unavailable
from p2pavs.storage.protection import sign_nothing_below


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


class SignerUnavailable(Unavailable):
    """The signer of a consensus key does not answer, or not with a signature."""

    event = "signer_unavailable"
    exit_code = ExitCode.UNREACHABLE


@runtime_checkable
class SlotSigner(Protocol):
    """Holds a consensus key in another place and guards it there too: it must hear what it signs."""

    async def sign_slot(self, slot: Slot, value: bytes) -> bytes:
        """Return the signature (96 B) of a slot's statement.

        Raises ``SignerUnavailable``, or ``ConflictingSignature`` where it signed another one.
        """
        ...


class KeyNotHeld(P2pavsError):
    """An epoch counts this operator with a key that the node does not have."""


@dataclass(frozen=True, slots=True)
class KeyGuard:
    """The guard, for one of the operator's keys."""

    guard: SignGuard
    signer: Signer | SlotSigner

    async def sign(self, slot: Slot, value: bytes) -> bytes:
        """As ``SignGuard.sign``."""
        return await self.guard.sign(slot, value, self.signer)


class SignGuard:
    """Signs statements, each slot once. Its database belongs to one operator on one chain.

    A slot names its committee, and in one committee an operator has one key: no slot is signed by two.

    ``refused`` counts second statements that were asked for. What a ``SlotSigner`` is to sign is on disk
    before it is asked. While the guard is held (``hold``) everybody who wants a signature waits.
    """

    def __init__(
        self,
        database: Database,
        signer: Signer | SlotSigner,
        keyring: Mapping[bytes, Signer | SlotSigner] | None = None,
    ) -> None:
        self._database = database
        self._signer = signer
        self._keyring = keyring
        self._free = trio.Event()
        self._free.set()
        self.refused = 0

    def hold(self) -> None:
        """Sign nothing until ``release``."""
        self._free = trio.Event()

    def release(self) -> None:
        """Let those go on who wait."""
        self._free.set()

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

    async def sign(self, slot: Slot, value: bytes, signer: Signer | SlotSigner | None = None) -> bytes:
        """The signature over ``statement(slot, value)``, synced to disk.

        An equal statement is released again. A different one raises ``ConflictingSignature``; a failed
        write raises ``StorageError``, a signer that does not answer ``SignerUnavailable``; none lets a
        signature out.
        """
        signer = signer or self._signer
        local = None if isinstance(signer, SlotSigner) else signer
        message = statement(slot.scope, slot.kind, slot.round, value)
        key = (
            slot.scope.instance.task_id,
            slot.scope.instance.attempt,
            slot.scope.committee_root,
            int(slot.kind),
            slot.round,
        )

        def work(connection: sqlite3.Connection) -> bytes:
            if key[0] < (below := sign_nothing_below(connection)):
                raise ConflictingSignature(
                    f"refused to sign for task {key[0]}: nothing is signed below task {below}, because what "
                    "was signed there is forgotten or came as minimal slashing protection",
                    "Nothing was signed and nothing is lost: the node takes part from the next tasks on.",
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
                if row[1]:
                    return bytes(row[1])
                signature = b"" if local is None else local.sign(message)
                connection.execute(_COMPLETE, (signature, *key))
                return signature
            signature = b"" if local is None else local.sign(message)
            connection.execute("INSERT INTO signatures VALUES (?,?,?,?,?,?,?)", (*key, message, signature))
            return signature

        await self._free.wait()
        try:
            signature = await self._database.run(work)
            if not signature and isinstance(signer, SlotSigner):
                signature = found = await signer.sign_slot(slot, value)
                await self._database.run(lambda connection: connection.execute(_COMPLETE, (found, *key)))
        except ConflictingSignature:
            self.refused += 1
            raise
        return signature

    async def distrust(self) -> None:
        """Note on the disk that something was signed that this guard does not know of. See ``copying.py``."""
        await self._database.run(distrust)

    async def has_signature(self, task_id: int, signature: bytes) -> bool:
        """Whether this guard let out a signature, or may have: for a task that it has forgotten.

        Where a statement of the task has no signature here (it was imported), it may be of that one.
        """

        def work(connection: sqlite3.Connection) -> bool:
            if task_id < sign_nothing_below(connection):
                return True
            rows = connection.execute(
                "SELECT signature FROM signatures WHERE task_id=?", (task_id,)
            ).fetchall()
            return any(bytes(row[0]) in (b"", signature) for row in rows)

        return await self._database.run(work)


_COMPLETE = (
    "UPDATE signatures SET signature=? "
    "WHERE task_id=? AND attempt=? AND committee_root=? AND kind=? AND round=?"
)
