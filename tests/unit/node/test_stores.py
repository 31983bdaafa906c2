"""Tasks, certificates, evidence: what a node remembers over a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from consensus.hashing import keccak256
from consensus.types import InstanceId
from p2pavs.storage import CertificateStore, Database, EvidenceStore, StorageError, TaskStore
from p2pavs.storage.evidence import EvidenceState, StoredEvidence
from p2pavs.storage.input_log import InputLog
from p2pavs.storage.tasks import StoredTask, TaskState
from tests.unit.consensus import factory
from tests.unit.node.disk import break_disk, mend_disk
from tests.unit.node.test_input_log import INPUTS, SCOPE, stored

OF = factory.committee()


def task(number: int, block: int, state: TaskState = TaskState.OPEN) -> StoredTask:
    return StoredTask(number, block, keccak256(b"block %d" % block), state)


async def test_tasks_are_kept_over_a_restart(tmp_path: Path) -> None:
    first = Database(tmp_path / "node.sqlite")
    store = TaskStore(first)
    assert await store.followed_to() is None
    assert await store.open_tasks() == []
    await store.put(task(2, 11))
    await store.put(task(1, 10))
    await store.put(task(3, 12))
    await store.put(task(3, 12, TaskState.CERTIFIED))
    await store.set_followed_to(12)
    await store.set_followed_to(14)
    first.close()

    second = Database(tmp_path / "node.sqlite")
    again = TaskStore(second)
    assert await again.open_tasks() == [task(1, 10), task(2, 11)]
    assert await again.followed_to() == 14
    await again.remove(1)
    assert await again.open_tasks() == [task(2, 11)]
    second.close()


async def test_rewinding_forgets_what_the_chain_will_tell_anew(database: Database) -> None:
    store = TaskStore(database)
    await store.put(task(1, 10, TaskState.CERTIFIED))
    await store.put(task(2, 11))
    await store.put(task(7, 12, TaskState.EXPIRED))
    log = InputLog(database, SCOPE)  # of task 7, which was over when the node died
    await log.replay()
    await log.append(INPUTS)
    await store.set_followed_to(20)
    await store.rewind(11)
    assert await store.open_tasks() == []
    assert await store.followed_to() == 11
    assert stored(database) == 0


async def test_rewinding_keeps_the_logs_of_open_tasks(database: Database) -> None:
    store = TaskStore(database)
    await store.put(task(7, 11))
    log = InputLog(database, SCOPE)
    await log.replay()
    await log.append(INPUTS)
    await store.rewind(11)
    assert await log.replay() == list(INPUTS)


async def test_a_failed_write_changes_nothing(database: Database) -> None:
    store = TaskStore(database)
    await store.put(task(1, 10))
    await store.set_followed_to(10)
    break_disk(database)
    for write in (
        store.put(task(1, 10, TaskState.EXPIRED)),
        store.remove(1),
        store.set_followed_to(11),
        store.rewind(5),
    ):
        with pytest.raises(StorageError):
            await write
    mend_disk(database)
    assert (await store.open_tasks(), await store.followed_to()) == ([task(1, 10)], 10)


async def test_certificates_are_kept(database: Database) -> None:
    store = CertificateStore(database)
    commit = factory.commit(OF, (0, 1, 2))
    assert await store.get(7) is None
    await store.put(SCOPE, commit)
    await store.put(SCOPE, commit)
    assert await CertificateStore(database).get(7) == commit
    assert await store.get(7, SCOPE.committee_root) == commit
    assert await store.get(7, keccak256(b"another")) is None
    assert await store.get(8) is None
    assert await store.count() == 1


async def test_each_offence_is_kept_once(database: Database) -> None:
    store = EvidenceStore(database)
    offence = StoredEvidence(InstanceId(7, 0), b"\x09" * 32, "equivocation", b"\x01" * 20, b"one", b"two")
    assert await store.put(offence)
    assert not await store.put(offence)
    assert not await store.put(
        StoredEvidence(InstanceId(7, 0), b"\x09" * 32, "equivocation", b"\x01" * 20, b"three", b"four")
    )
    other = StoredEvidence(InstanceId(7, 0), b"\x09" * 32, "lazy-vote", b"\x01" * 20, b"one", b"two")
    assert await store.put(other)
    found = await EvidenceStore(database).all()
    assert [replace(one, id=0, found_at=0) for one in found] == [offence, other]
    assert [one.id for one in found] == [1, 2]
    assert all(one.found_at for one in found)
    assert await store.open() == found
    await store.set_state(1, EvidenceState.BOOKED)
    assert [one.id for one in await store.open()] == [2]
    assert [one.state for one in await store.all()] == [EvidenceState.BOOKED, EvidenceState.OPEN]
