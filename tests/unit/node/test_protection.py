"""Slashing protection as a file: an import never makes anything signable again, whenever it stops."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio.testing

from consensus.hashing import keccak256
from consensus.signing import statement
from consensus.types import InstanceId, Kind
from p2pavs.storage import ConflictingSignature, Database, DataDirectory, SignGuard, Slot, StorageError
from p2pavs.storage import protection as files
from p2pavs.storage.protection import BadProtection, Protection
from tests.unit.node.disk import fill_up, make_room
from tests.unit.node.test_sign_guard import NO, SCOPE, SLOT, YES, Signer

BINDING = {"chain": "31337", "gateway": "0x" + "11" * 20, "genesis": "aa" * 32, "operator": "0x" + "22" * 20}


def slot(task: int, round_: int = 0, kind: Kind = Kind.PREVOTE) -> Slot:
    return Slot(replace(SCOPE, instance=InstanceId(task, 0)), kind, round_)


def opened(path: Path, binding: dict[str, str] = BINDING) -> DataDirectory:
    directory = DataDirectory(path)
    directory.bind(binding)
    return directory


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[DataDirectory]:
    with opened(tmp_path / "old") as directory:
        yield directory


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[DataDirectory]:
    with DataDirectory(tmp_path / "new") as directory:
        yield directory


async def sign_some(directory: DataDirectory) -> list[Slot]:
    guard = SignGuard(directory.database, Signer())
    votes = (Kind.PREVOTE, Kind.PRECOMMIT)
    slots = [slot(task, round_, kind) for task in (7, 8) for round_ in (0, 1) for kind in votes]
    for one in slots:
        await guard.sign(one, YES)
    return slots


def text(protection: Protection) -> bytes:
    return json.dumps(protection.to_json()).encode()


async def test_what_was_signed_is_protected_elsewhere(signed: DataDirectory, fresh: DataDirectory) -> None:
    slots = await sign_some(signed)
    found = Protection.parse(text(files.export(signed.database)))
    assert found == files.export(signed.database)
    assert (found.binding, found.below, len(found.rows)) == (BINDING, 0, 8)
    done = files.import_(fresh.database, found)
    assert (done.added, done.known) == (8, 0)
    guard, signer = SignGuard(fresh.database, local := Signer()), Signer()
    for one in slots:
        with pytest.raises(ConflictingSignature):
            await guard.sign(one, NO)
    assert not local.signed
    # The same statement is signed again, once, and is the same signature.
    again = await guard.sign(slots[0], YES)
    assert again == signer.sign(statement(slots[0].scope, slots[0].kind, slots[0].round, YES))
    assert await guard.sign(slots[0], YES) == again
    assert len(local.signed) == 1
    await guard.sign(slot(9), NO)


async def test_the_minimal_form_protects_all_tasks_signed_for(
    signed: DataDirectory, fresh: DataDirectory
) -> None:
    await sign_some(signed)
    minimal = Protection.parse(text(files.export(signed.database).minimal()))
    assert (minimal.below, minimal.rows) == (9, ())
    files.import_(fresh.database, minimal)
    guard = SignGuard(fresh.database, Signer())
    for task in (1, 7, 8):
        with pytest.raises(ConflictingSignature, match="below task 9"):
            await guard.sign(slot(task, 5), YES)
    await guard.sign(slot(9), YES)
    assert files.export(fresh.database).minimal().below == 10


async def test_an_import_never_lowers_protection(signed: DataDirectory) -> None:
    slots = await sign_some(signed)
    files.import_(signed.database, Protection(BINDING, 8))
    for weaker in (Protection(BINDING, 0), Protection(BINDING, 3)):
        assert files.import_(signed.database, weaker).below == 8
    with pytest.raises(ConflictingSignature, match="below task 8"):
        await SignGuard(signed.database, Signer()).sign(slots[0], YES)
    assert len(files.export(signed.database).rows) == 8


async def test_importing_twice_changes_nothing(signed: DataDirectory) -> None:
    await sign_some(signed)
    before = files.export(signed.database)
    done = files.import_(signed.database, before)
    assert (done.added, done.known) == (0, 8)
    assert files.export(signed.database) == before
    guard = SignGuard(signed.database, local := Signer())
    await guard.sign(slot(7), YES)
    assert not local.signed, "its signature was kept"


async def test_two_statements_for_one_slot_are_refused_whole(signed: DataDirectory) -> None:
    await sign_some(signed)
    found = files.export(signed.database)
    other = (*found.rows[0][:5], keccak256(b"another"))
    new = (99, 0, *found.rows[0][2:])
    with pytest.raises(BadProtection, match="two nodes have signed") as refused:
        files.import_(signed.database, replace(found, below=50, rows=(new, other)))
    assert "--minimal" in refused.value.remedy
    assert files.export(signed.database) == found


@pytest.mark.parametrize("name", BINDING)
def test_protection_of_another_network_is_refused(signed: DataDirectory, name: str) -> None:
    with pytest.raises(BadProtection, match=name):
        files.import_(signed.database, Protection({**BINDING, name: "0xother"}, 5))
    assert files.export(signed.database).below == 0


def test_a_new_directory_is_bound_by_an_import(fresh: DataDirectory) -> None:
    files.import_(fresh.database, Protection(BINDING, 5))
    with pytest.raises(BadProtection, match="operator"):
        files.import_(fresh.database, Protection({**BINDING, "operator": "0xother"}, 5))
    assert files.export(fresh.database).binding == BINDING


def test_a_directory_that_no_node_used_has_nothing_to_export(fresh: DataDirectory) -> None:
    with pytest.raises(BadProtection, match="started once"):
        files.export(fresh.database)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "p2pavs/slashing-protection/2"),
        ("chain", 5),
        ("operator", "x" * 200),
        ("signNothingBelow", -1),
        ("signNothingBelow", 2**63),
        ("signNothingBelow", True),
        ("signed", {}),
        ("signed", [5]),
        ("signed", [{"task": 1}]),
        ("signed", [{"task": 1, "attempt": 0, "committeeRoot": "0x00", "statements": []}]),
        ("more", 1),
    ],
)
def test_a_malformed_file_is_refused(name: str, value: Any) -> None:
    content = Protection(BINDING, 5).to_json() | {name: value}
    with pytest.raises(BadProtection):
        Protection.parse(json.dumps(content).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"format": "p2pavs/slashing-protection/1"}'])
def test_what_is_no_protection_is_refused(data: bytes) -> None:
    with pytest.raises(BadProtection):
        Protection.parse(data)


@pytest.mark.parametrize("statements", [[(2, 0, "aa"), (2, 0, "bb")], [(77, 0, "aa")], [(2, -1, "aa")]])
def test_bad_statements_are_refused(statements: list[tuple[int, int, str]]) -> None:
    content = Protection(BINDING, 5).to_json()
    listed = [{"kind": kind, "round": number, "statement": "0x" + x * 32} for kind, number, x in statements]
    content["signed"] = [{"task": 1, "attempt": 0, "committeeRoot": "0x" + "cc" * 32, "statements": listed}]
    with pytest.raises(BadProtection):
        Protection.parse(json.dumps(content).encode())


class Power(Exception):
    """It went off."""


class DiesAt:
    """A connection whose process dies at one of its statements."""

    def __init__(self, connection: sqlite3.Connection, point: int) -> None:
        self._connection = connection
        self.left = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if sql != "ROLLBACK":
            if self.left == 0:
                raise Power
            self.left -= 1
        return self._connection.execute(sql, *arguments)


async def test_a_crash_at_any_point_of_an_import_leaves_all_or_nothing(
    signed: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_some(signed)
    found = replace(files.export(signed.database), below=6)
    point, crashed = 0, True
    while crashed:
        path = tmp_path / f"crash-{point}"
        with DataDirectory(path) as directory, monkeypatch.context() as broken:
            broken.setattr(directory.database, "_connection", DiesAt(directory.database._connection, point))
            try:
                files.import_(directory.database, found)
                crashed = False
            except Power:
                pass
            broken.undo()
        database = Database(path / "node.sqlite")
        count, meta = database.transaction(
            lambda connection: (
                connection.execute("SELECT COUNT(*) FROM signatures").fetchone()[0],
                connection.execute("SELECT COUNT(*) FROM meta").fetchone()[0],
            )
        )
        assert (count, meta) == ((0, 0) if crashed else (8, 5)), f"at point {point}"
        done = files.import_(database, found)  # running it again mends it
        assert (done.added + done.known, done.below) == (8, 6)
        database.close()
        point += 1
    assert point > 20


async def test_a_full_disk_leaves_nothing_of_an_import(signed: DataDirectory, fresh: DataDirectory) -> None:
    fill_up(fresh.database)
    row = (1, 0, keccak256(b"root"), 2, 0, keccak256(b"statement"))
    many = tuple((task, *row[1:]) for task in range(1, 500))
    with pytest.raises(StorageError):
        files.import_(fresh.database, Protection(BINDING, 5, many))
    make_room(fresh.database)
    assert files.import_(fresh.database, Protection(BINDING, 0)).below == 0
    assert not files.export(fresh.database).rows


async def test_a_held_guard_signs_nothing_until_it_is_released(database: Database) -> None:
    guard = SignGuard(database, signer := Signer())
    guard.hold()
    got: list[bytes] = []

    async def ask() -> None:
        got.append(await guard.sign(SLOT, YES))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert not got and not signer.signed
        guard.release()
    assert len(got) == 1


async def test_a_guard_knows_its_own_signatures(database: Database) -> None:
    guard = SignGuard(database, Signer())
    own = await guard.sign(SLOT, YES)
    task = SLOT.scope.instance.task_id
    assert await guard.has_signature(task, own)
    assert not await guard.has_signature(task, bytes(96))
    assert not await guard.has_signature(task + 1, own)
