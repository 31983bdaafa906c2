"""Never sign twice: whatever fails, no second statement and no signature that is not on disk."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from consensus import bls
from consensus.hashing import keccak256
from consensus.signing import statement
from consensus.types import InstanceId, Kind
from p2pavs.storage import ConflictingSignature, Database, KeyNotHeld, SignGuard, Slot, StorageError
from tests.unit.consensus import factory
from tests.unit.node.disk import break_disk, fill_up, make_room, mend_disk

SCOPE = factory.scope(factory.committee())
SLOT = Slot(SCOPE, Kind.PREVOTE, 3)
YES, NO = keccak256(b"yes"), keccak256(b"no")


class Signer:
    """The real scheme with operator 0's key; says what was asked of it."""

    def __init__(self) -> None:
        self.signed: list[bytes] = []

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return bls.sign(factory.secret(0), message)


class SignerThatAlters:
    """Signs, each time otherwise: what comes out twice came from the disk."""

    def __init__(self) -> None:
        self.calls = 0

    def sign(self, message: bytes) -> bytes:
        self.calls += 1
        return bytes([self.calls]) * 96


@pytest.fixture
def guard(database: Database) -> SignGuard:
    return SignGuard(database, Signer())


def rows(path: Path) -> list[tuple[int, int, bytes, bytes]]:
    """What another process sees in the file."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT kind, round, statement, signature FROM signatures").fetchall()
    connection.close()
    return found


async def test_it_signs_the_statement(guard: SignGuard) -> None:
    signature = await guard.sign(SLOT, YES)
    message = statement(SCOPE, Kind.PREVOTE, 3, YES)
    assert bls.fast_aggregate_verify([factory.key(0)], message, signature)


async def test_the_same_statement_is_released_again_as_it_was(database: Database) -> None:
    signer = SignerThatAlters()
    first = await SignGuard(database, signer).sign(SLOT, YES)
    again = await SignGuard(database, signer).sign(SLOT, YES)
    assert (first, signer.calls) == (again, 1)


async def test_another_statement_is_refused_and_nothing_is_signed(database: Database) -> None:
    signer = Signer()
    guard = SignGuard(database, signer)
    await guard.sign(SLOT, YES)
    with pytest.raises(ConflictingSignature, match="second prevote for task 7 attempt 0 round 3"):
        await guard.sign(SLOT, NO)
    assert len(signer.signed) == 1
    assert guard.refused == 1
    assert len(rows(database.path)) == 1
    await guard.sign(SLOT, YES)
    assert guard.refused == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(SLOT, round=4),
        replace(SLOT, kind=Kind.PRECOMMIT),
        replace(SLOT, scope=replace(SCOPE, instance=InstanceId(7, 1))),
        replace(SLOT, scope=replace(SCOPE, instance=InstanceId(8, 0))),
        replace(SLOT, scope=replace(SCOPE, committee_root=keccak256(b"drawn from another seed"))),
    ],
    ids=["round", "kind", "attempt", "task", "committee root"],
)
async def test_other_slots_do_not_conflict(guard: SignGuard, other: Slot) -> None:
    assert await guard.sign(SLOT, YES) != await guard.sign(other, NO)


async def test_a_signature_is_on_disk_before_it_is_returned(guard: SignGuard, database: Database) -> None:
    signature = await guard.sign(SLOT, YES)
    found = rows(database.path)
    assert found == [(int(Kind.PREVOTE), 3, statement(SCOPE, Kind.PREVOTE, 3, YES), signature)]


async def test_a_full_disk_lets_no_signature_out(guard: SignGuard, database: Database) -> None:
    fill_up(database)
    released = 0
    with pytest.raises(StorageError, match="disk is full"):
        for _ in range(1000):
            await guard.sign(replace(SLOT, round=released), YES)
            released += 1
    assert len(rows(database.path)) == released < 1000
    # The failed one left nothing behind: neither the slot taken, nor a broken transaction.
    make_room(database)
    await guard.sign(replace(SLOT, round=released), NO)
    with pytest.raises(ConflictingSignature):
        await guard.sign(replace(SLOT, round=released), YES)


async def test_a_disk_that_takes_no_write_lets_no_signature_out(guard: SignGuard, database: Database) -> None:
    released = await guard.sign(SLOT, YES)
    break_disk(database)
    with pytest.raises(StorageError):
        await guard.sign(replace(SLOT, round=4), YES)
    assert len(rows(database.path)) == 1
    mend_disk(database)
    assert await guard.sign(SLOT, YES) == released


async def test_a_failed_sync_lets_no_signature_out(
    guard: SignGuard, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FailsToCommit:
        """A connection whose disk breaks when the transaction is to be made durable."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def __getattr__(self, name: str) -> object:
            return getattr(self._connection, name)

        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self._connection.execute(sql, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(database, "_connection", FailsToCommit(database._connection))
        with pytest.raises(StorageError, match="disk I/O error"):
            await guard.sign(SLOT, YES)
    assert rows(database.path) == []
    await guard.sign(SLOT, NO)


async def test_two_callers_at_once_get_one_signature(database: Database) -> None:
    guard = SignGuard(database, SignerThatAlters())
    got: list[bytes] = []
    refused = 0

    async def ask(value: bytes) -> None:
        nonlocal refused
        try:
            got.append(await guard.sign(SLOT, value))
        except ConflictingSignature:
            refused += 1

    async with trio.open_nursery() as nursery:
        for value in (YES, NO) * 5:
            nursery.start_soon(ask, value)
    assert (len(got), len(set(got)), refused) == (5, 1, 5)


async def test_a_cancelled_caller_leaves_a_whole_row_or_none(database: Database) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await SignGuard(database, Signer()).sign(SLOT, YES)
    assert rows(database.path) == []
    await SignGuard(database, Signer()).sign(SLOT, NO)


CHILD = """
import sys, trio
from pathlib import Path
from p2pavs.storage import Database, SignGuard, Slot
from tests.unit.node.test_sign_guard import SCOPE, Signer, YES
from consensus.types import Kind

async def main():
    guard = SignGuard(Database(Path(sys.argv[1])), Signer())
    for round_ in range(1000):
        signature = await guard.sign(Slot(SCOPE, Kind.PREVOTE, round_), YES)
        print(round_, signature.hex(), flush=True)

trio.run(main)
"""


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, dict[int, bytes]]:
    """The file of a process that was killed while it signed, and what it had released."""
    path = tmp_path / "node.sqlite"
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(5)]
        finally:
            child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    released = {int(line.split()[0]): bytes.fromhex(line.split()[1]) for line in said if line.endswith("\n")}
    assert len(released) >= 5
    return path, released


async def test_what_was_released_survives_kill_9(killed: tuple[Path, dict[int, bytes]]) -> None:
    path, released = killed
    database = Database(path)
    guard = SignGuard(database, Signer())
    stored = {row[1]: row[3] for row in rows(path)}
    for round_, signature in released.items():
        assert stored[round_] == signature
        assert await guard.sign(Slot(SCOPE, Kind.PREVOTE, round_), YES) == signature
        with pytest.raises(ConflictingSignature):
            await guard.sign(Slot(SCOPE, Kind.PREVOTE, round_), NO)
    database.close()


async def test_each_key_signs_with_its_own_secret_and_no_slot_twice(database: Database) -> None:
    class Named:
        def __init__(self, name: bytes) -> None:
            self._name = name

        def sign(self, statement: bytes) -> bytes:
            return (self._name + statement).ljust(96, b"\0")

    guard = SignGuard(database, Named(b"old"), {b"old": Named(b"old"), b"new": Named(b"new")})
    assert (await guard.for_key(b"new").sign(SLOT, YES)).startswith(b"new")
    # The slot is taken, whatever key is asked: one committee has one key of an operator.
    assert (await guard.for_key(b"old").sign(SLOT, YES)).startswith(b"new")
    with pytest.raises(ConflictingSignature):
        await guard.for_key(b"old").sign(SLOT, NO)
    assert guard.refused == 1
    with pytest.raises(KeyNotHeld):
        guard.for_key(b"lost")
