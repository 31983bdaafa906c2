"""The write-ahead log: what was applied, in order, whole batches only."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from consensus.effects import (
    ExecutionTimeout,
    Input,
    OwnResult,
    RebroadcastDue,
    Received,
    TimerFired,
    Verified,
)
from consensus.hashing import keccak256
from consensus.types import Kind, Step
from p2pavs.storage import Database, InputLog, StorageError, TaskStore
from tests.unit.consensus import factory
from tests.unit.node.disk import fill_up, make_room

OF = factory.committee()
SCOPE = factory.scope(OF)
INPUTS: tuple[Input, ...] = (
    ExecutionTimeout(),
    OwnResult(factory.result(), factory.OUTPUT, factory.SECRET),
    Received(Verified(factory.proposal(OF))),
    Received(Verified(factory.vote(OF, 1))),
    TimerFired(Step.PREVOTE, 2),
    RebroadcastDue(),
    RebroadcastDue(),
    Received(Verified(factory.round_certificate(OF, [(factory.vote(OF, 0).value_id, (0, 1, 2))]))),
    Received(Verified(factory.commit(OF, (0, 1, 3)))),
)


def stored(database: Database) -> int:
    return database.transaction(
        lambda connection: int(connection.execute("SELECT COUNT(*) FROM inputs").fetchone()[0])
    )


async def test_replay_gives_what_was_appended_in_order(database: Database) -> None:
    log = InputLog(database, SCOPE)
    assert await log.replay() == []
    await log.append(INPUTS[:3])
    await log.append(INPUTS[3:4])
    again = InputLog(database, SCOPE)
    assert await again.replay() == list(INPUTS[:4])
    await again.append(INPUTS[4:])
    assert await InputLog(database, SCOPE).replay() == list(INPUTS)


async def test_instances_do_not_mix(database: Database) -> None:
    other = replace(SCOPE, committee_root=keccak256(b"another committee of the same task"))
    for scope, inputs in ((SCOPE, INPUTS[:2]), (other, INPUTS[2:4])):
        log = InputLog(database, scope)
        await log.replay()
        await log.append(inputs)
    assert await InputLog(database, SCOPE).replay() == list(INPUTS[:2])
    assert await InputLog(database, other).replay() == list(INPUTS[2:4])


async def test_a_batch_is_all_or_nothing(database: Database) -> None:
    log = InputLog(database, SCOPE)
    await log.replay()
    await log.append(INPUTS[:2])
    fill_up(database)
    batch = [Received(Verified(factory.vote(OF, i, Kind.PRECOMMIT))) for i in range(4)] * 50
    with pytest.raises(StorageError, match="disk is full"):
        await log.append(batch)
    assert stored(database) == 2
    make_room(database)
    await log.append(batch)
    assert await InputLog(database, SCOPE).replay() == [*INPUTS[:2], *batch]


async def test_a_damaged_entry_is_a_named_error(database: Database) -> None:
    log = InputLog(database, SCOPE)
    await log.replay()
    await log.append(INPUTS[:3])
    database.transaction(lambda connection: connection.execute("UPDATE inputs SET input=x'00' WHERE seq=1"))
    with pytest.raises(StorageError, match=r"log of task 7 .* is damaged"):
        await InputLog(database, SCOPE).replay()


async def test_two_writers_of_one_log_do_not_wait_for_each_other_for_ever(database: Database) -> None:
    one, two = InputLog(database, SCOPE), InputLog(database, SCOPE)
    await one.replay()
    await two.replay()
    await one.append(INPUTS[:1])
    with pytest.raises(sqlite3.IntegrityError):
        await two.append(INPUTS[1:2])
    await two.replay()
    await two.append(INPUTS[1:2])
    assert await one.replay() == list(INPUTS[:2])


async def test_it_is_dropped_with_its_task_for_every_committee(database: Database) -> None:
    for root in (SCOPE.committee_root, keccak256(b"from before the reorganisation")):
        log = InputLog(database, replace(SCOPE, committee_root=root))
        await log.replay()
        await log.append(INPUTS[:2])
    other = InputLog(database, replace(SCOPE, instance=replace(SCOPE.instance, task_id=8)))
    await other.replay()
    await other.append(INPUTS[:1])
    await TaskStore(database).forget_inputs(SCOPE.instance.task_id)
    assert stored(database) == 1
    assert await other.replay() == list(INPUTS[:1])
