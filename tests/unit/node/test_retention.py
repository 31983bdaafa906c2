"""Forgetting old tasks: the database stays small, and nothing forgotten is signed again."""

from __future__ import annotations

import pytest

from consensus.types import InstanceId, Kind, Scope
from p2pavs.storage import CertificateStore, ConflictingSignature, Database, InputLog, SignGuard, Slot
from p2pavs.storage.retention import forget_old
from p2pavs.storage.tasks import StoredTask, TaskState, TaskStore
from tests.unit.consensus import factory
from tests.unit.node.parliament import RealSigner

OF = factory.committee()
VALUE = b"\x01" * 32


def slot(task_id: int) -> Slot:
    return Slot(Scope(factory.DOMAIN, InstanceId(task_id, 0), OF.root), Kind.PRECOMMIT, 0)


async def fill(database: Database, count: int, open_task: int | None = None) -> SignGuard:
    guard = SignGuard(database, RealSigner(0))
    commit = factory.commit(OF, (0, 1, 2))
    for task_id in range(1, count + 1):
        await guard.sign(slot(task_id), VALUE)
        state = TaskState.OPEN if task_id == open_task else TaskState.CERTIFIED
        await TaskStore(database).put(StoredTask(task_id, task_id, bytes(32), state))
        await CertificateStore(database).put(slot(task_id).scope, commit)
    return guard


def tasks_in(database: Database, table: str) -> list[int]:
    rows = database.transaction(
        lambda connection: connection.execute(f"SELECT task_id FROM {table} ORDER BY task_id").fetchall()
    )
    return [row[0] for row in rows]


TABLES = ("signatures", "certificates", "tasks")


async def test_the_newest_tasks_stay(database: Database) -> None:
    await fill(database, 20)
    assert await forget_old(database, 5) == 3 * 15
    for table in TABLES:
        assert tasks_in(database, table) == [16, 17, 18, 19, 20]
    assert await forget_old(database, 5) == 0


async def test_what_is_not_older_than_an_open_task_stays(database: Database) -> None:
    await fill(database, 20, open_task=3)
    await forget_old(database, 5)
    for table in TABLES:
        assert tasks_in(database, table) == list(range(3, 21))


async def test_nothing_is_forgotten_in_an_empty_database(database: Database) -> None:
    assert await forget_old(database, 5) == 0
    guard = SignGuard(database, RealSigner(0))
    await guard.sign(slot(1), VALUE)


async def test_what_is_forgotten_is_never_signed_again(database: Database) -> None:
    guard = await fill(database, 20)
    await forget_old(database, 5)
    with pytest.raises(ConflictingSignature):
        await guard.sign(slot(15), b"\x02" * 32)
    with pytest.raises(ConflictingSignature):
        await guard.sign(slot(15), VALUE)
    await guard.sign(slot(16), VALUE)
    await guard.sign(slot(21), VALUE)


async def test_the_floor_never_sinks(database: Database) -> None:
    """A reorganisation may take the newest tasks out again; what was forgotten stays forgotten."""
    guard = await fill(database, 20)
    await forget_old(database, 5)
    for task_id in range(10, 21):
        await TaskStore(database).remove(task_id)
    await TaskStore(database).put(StoredTask(6, 1, bytes(32), TaskState.OPEN))
    await forget_old(database, 5)
    with pytest.raises(ConflictingSignature):
        await guard.sign(slot(15), VALUE)


async def test_many_rows_go_in_several_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pavs.storage.retention.ROWS_AT_ONCE", 4)
    await fill(database, 20)
    await InputLog(database, slot(1).scope).append([])
    await forget_old(database, 2)
    assert tasks_in(database, "signatures") == [19, 20]
