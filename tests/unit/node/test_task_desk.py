"""From the chain's changes to members: tasks that come, go, come back, and a desk that survives it all."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from consensus.committee import OperatorSet
from consensus.hashing import keccak256
from consensus.types import InstanceId
from inference.errors import EngineError, QueueFull
from p2pavs import task_desk, turns
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ReorgTooDeep, RpcUnreachable, WrongChain
from p2pavs.chain.events import TaskCertified
from p2pavs.chain.follower import BlockRemoved
from p2pavs.chain.records import TaskHeader
from p2pavs.divergence import DivergenceBook
from p2pavs.evidence_book import EvidenceBook
from p2pavs.execution import Execution
from p2pavs.guard_check import GuardIsOlder
from p2pavs.journal import Journal
from p2pavs.open_task import DeskParts
from p2pavs.routing import Router
from p2pavs.settings import NodeSettings
from p2pavs.storage import Database, EvidenceStore, SignGuard, TaskStore
from p2pavs.storage.protection import raise_below
from p2pavs.storage.tasks import StoredTask, TaskState
from p2pavs.task_desk import TaskDesk
from p2pavs.vetting import check_alone
from tests.unit.consensus import factory
from tests.unit.node.chain_double import (
    DEPLOYMENT,
    GENESIS_TIME,
    FollowerDouble,
    SenderDouble,
    block,
    block_hash,
    certified,
    refunded,
    requested,
)
from tests.unit.node.disk import break_disk, mend_disk
from tests.unit.node.parliament import SETTINGS, RealSigner, until
from tests.unit.node.test_input_log import stored

pytestmark = pytest.mark.usefixtures("no_threads")

OWN = factory.address(0)
OTHER_SEED = keccak256(b"prevrandao of another block")
AT_ONCE = replace(SETTINGS, confirmations=0)
RULING = (1000, 1, 1, 1)
"""Stakes with which operator 0 decides alone."""


SIGNED_BY_OWN, SIGNED_BY_OTHERS = 0b0111, 0b0110


def by_others(task: int) -> TaskCertified:
    """A certificate without the signature of this operator, which was away."""
    return replace(certified(task), bitmap=SIGNED_BY_OTHERS)


@dataclass
class ExecutorDouble:
    """The model: answers at once, or does what a test wants first."""

    before: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    asked: list[bytes] = field(default_factory=list)

    async def execute(self, task: Any, progress: Any, guide: Any = None) -> Execution:
        self.asked.append(task.header.task_seed)
        await self.before()
        return Execution(factory.result(), factory.OUTPUT, factory.SECRET)


@dataclass
class Office:
    """A desk with everything around it."""

    database: Database
    stakes: tuple[int, ...] = RULING
    operator: bytes = OWN
    settings: NodeSettings = AT_ONCE
    served: bool = True
    deadline: int = 0  # as the gateway has it: what pauses made of it
    chain_down: bool = False
    follower: FollowerDouble = field(default_factory=FollowerDouble)
    sender: SenderDouble = field(default_factory=SenderDouble)
    executor: ExecutorDouble = field(default_factory=ExecutorDouble)
    journal: Journal = field(default_factory=Journal)
    router: Router = field(default_factory=Router)

    epochs_read: list[int] = field(default_factory=list)
    certified: list[TaskHeader] = field(default_factory=list)
    drawn: list[tuple[int, bool]] = field(default_factory=list)
    published: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TaskDesk]:
        """Run the desk on the scripted chain."""
        async with trio.open_nursery() as nursery:
            desk = TaskDesk(self._parts(), nursery)
            nursery.start_soon(desk.run, cast(Any, self.follower))
            yield desk
            nursery.cancel_scope.cancel()

    def has_room(self, task_id: int) -> bool:
        return True

    @asynccontextmanager
    async def joined(self, task_id: int, *, drawn: bool) -> AsyncIterator[None]:
        self.drawn.append((task_id, drawn))
        yield

    def _parts(self) -> DeskParts:
        async def publish(_: object) -> None:
            await trio.lowlevel.checkpoint()
            self.published += 1

        async def ask(_: InstanceId, peers: object) -> list[Any]:
            await trio.lowlevel.checkpoint()
            return []

        catch_up: Any = type("CatchUpDouble", (), {"ask": staticmethod(ask)})()
        return DeskParts(
            chain=Chain(cast(Any, None), DEPLOYMENT),
            sender=cast(Any, self.sender),
            operator=self.operator,
            database=self.database,
            guard=SignGuard(self.database, RealSigner(0)),
            evidence=EvidenceBook(EvidenceStore(self.database), self.journal),
            journal=self.journal,
            router=self.router,
            catch_up=catch_up,
            topics=cast(Any, self),
            publish=publish,
            author_of=lambda peer: None,
            peer_of=lambda operator: None,
            traces=cast(Any, None),
            divergences=DivergenceBook(),
            check=check_alone,
            blame=lambda peer, offence: None,
            certified=self.certified.append,
            reorganised=lambda: None,
            executors={requested(1).header.model_id: self.executor} if self.served else {},
            settings=self.settings,
            randomness=factory.Coefficients(),
            peers_of=lambda committee: (),
        )

    async def read_operator_set(self, _: Chain, epoch: int) -> OperatorSet:
        await trio.lowlevel.checkpoint()
        self.epochs_read.append(epoch)
        return factory.operator_set(self.stakes, epoch)

    def kinds(self, task_id: int = 1) -> list[str]:
        return [event.kind for event in self.journal.events(task_id)]

    async def tasks(self) -> list[StoredTask]:
        def work(connection: Any) -> list[StoredTask]:
            rows = connection.execute("SELECT * FROM tasks ORDER BY task_id").fetchall()
            return [StoredTask(a, b, bytes(c), TaskState(d)) for a, b, c, d in rows]

        return self.database.transaction(work)


@pytest.fixture
def office(database: Database, monkeypatch: pytest.MonkeyPatch) -> Office:
    database._connection.execute("PRAGMA synchronous=OFF")
    made = Office(database)

    async def read(chain: Chain, epoch: int) -> OperatorSet:
        return await made.read_operator_set(chain, epoch)

    async def deadline(_chain: Chain, _task: int) -> int:
        if made.chain_down:
            raise RpcUnreachable("http://127.0.0.1", "a test says so")
        return made.deadline

    monkeypatch.setattr(task_desk, "read_operator_set", read)
    monkeypatch.setattr(task_desk, "deadline_of", deadline)
    monkeypatch.setattr(time, "time", lambda: GENESIS_TIME + 100.0)
    return made


async def test_a_task_is_worked_on_posted_and_put_away(office: Office, autojump_clock: MockClock) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
        assert desk.tasks[1].member is not None and desk.tasks[1].member.decided
        assert stored(office.database) > 0
        office.sender.answer = RpcUnreachable("http://127.0.0.1", "this test posts once")
        await office.follower.give(block(11, certified(1)))
        for number in range(12, 16):
            await office.follower.give(block(number))
            assert 1 in desk.tasks
        await office.follower.give(block(16))
        assert desk.tasks == {}
        await until(lambda: stored(office.database) == 0)
        assert await office.tasks() == [StoredTask(1, 10, block_hash(10), TaskState.CERTIFIED)]
        calls = len(office.sender.calls)
        await trio.sleep(1000)
        assert len(office.sender.calls) == calls, "the ladder of a task that is over stands still"
    assert office.kinds()[:2] == ["task", "committee"]
    assert "certificate" in office.kinds() and office.kinds()[-2:] == ["certified", "task_over"]
    over = office.journal.events(1)[-1]
    assert over.fields == {"state": "certified", "signed": True}
    assert office.router._over == {InstanceId(1, 0): None}


async def test_many_tasks_at_once_are_begun_a_few_at_a_time_in_the_order_of_the_chain(
    office: Office, autojump_clock: MockClock
) -> None:
    go_on, many = trio.Event(), turns.AT_ONCE + 2
    office.executor.before = go_on.wait
    async with office.open() as desk:
        await office.follower.give(block(10, *(requested(number) for number in range(1, many + 1))))
        await until(lambda: len(office.executor.asked) == turns.AT_ONCE)
        begun = [desk.tasks[number].member is not None for number in range(1, many + 1)]
        assert begun == [True] * turns.AT_ONCE + [False] * 2
        assert desk.queued == 2
        assert "queued" not in office.kinds(turns.AT_ONCE)
        assert office.journal.events(many)[-1].fields == {"before": 1}
        go_on.set()
        await office.sender.wait_for(many)
        assert desk.queued == 0


async def test_a_task_whose_model_is_not_served_waits_for_nobody(
    office: Office, autojump_clock: MockClock
) -> None:
    office.served, many = False, turns.AT_ONCE + 2
    async with office.open() as desk:
        await office.follower.give(block(10, *(requested(number) for number in range(1, many + 1))))
        await until(lambda: all(task.member is not None for task in desk.tasks.values()))
        assert desk.queued == 0


async def test_confirmations_are_waited_for(office: Office, autojump_clock: MockClock) -> None:
    office.settings = replace(SETTINGS, confirmations=2)
    async with office.open() as desk:
        for number in (10, 11):
            await office.follower.give(block(number, *([requested(1)] if number == 10 else [])))
            assert desk.tasks[1].scope is None
        await office.follower.give(block(12))
        assert desk.tasks[1].scope is not None


async def test_a_task_that_moves_to_another_block_gets_a_new_member(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
        old = desk.tasks[1]
        assert old.member is not None and old.scope is not None
        await office.follower.give(BlockRemoved(10, block_hash(10)))
        assert desk.tasks == {} and await office.tasks() == []
        assert old.scope.cancel_called
        await office.follower.give(block(10, fork="b"), block(11, requested(1, OTHER_SEED), fork="b"))
        await until(lambda: len(office.executor.asked) == 2)
        await until(lambda: desk.tasks[1].member is not None and desk.tasks[1].member.decided)
        new = desk.tasks[1].member
        assert new is not None and new.scope.committee_root != old.member.scope.committee_root
        assert desk.signatures_refused == 0
        assert await office.tasks() == [StoredTask(1, 11, block_hash(11, "b"), TaskState.OPEN)]
    assert office.executor.asked == [factory.TASK_SEED, OTHER_SEED]
    assert office.kinds().count("task_undone") == 1


async def test_a_task_that_comes_back_as_it_was_goes_on_where_it_was(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
        await office.follower.give(
            BlockRemoved(10, block_hash(10)), block(10, fork="b"), block(11, requested(1), fork="b")
        )
        await office.sender.wait_for(2)
        assert desk.signatures_refused == 0
    assert len(office.executor.asked) == 1
    assert "resumed" in office.kinds()


async def test_a_certificate_that_is_undone_is_posted_again(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        office.sender.then = lambda: setattr(desk.tasks[1].view, "certified", True)
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
        await office.follower.give(block(11, certified(1)))
        await office.follower.give(block(12), block(13))
        await office.follower.give(BlockRemoved(13, block_hash(13)), BlockRemoved(12, block_hash(12)))
        assert desk.tasks[1].view.certified
        await office.follower.give(BlockRemoved(11, block_hash(11)), block(11, fork="b"))
        await office.sender.wait_for(2)
        # The wait for finality begins anew.
        await office.follower.give(block(12, certified(1), fork="b"))
        await office.follower.give(*(block(number, fork="b") for number in range(13, 17)))
        assert 1 in desk.tasks
        await office.follower.give(block(17, fork="b"))
        assert desk.tasks == {}
    assert office.kinds().count("settlement_undone") == 1


async def test_an_expired_task_is_put_away_when_nothing_can_bring_it_back(
    office: Office, autojump_clock: MockClock
) -> None:
    office.stakes = (1, 1, 1, 1)  # alone it decides nothing
    task = requested(1, deadline=GENESIS_TIME + 125)
    async with office.open() as desk:
        await office.follower.give(block(10, task), block(12))
        assert "expired" not in office.kinds()
        await office.follower.give(block(13))
        assert office.kinds().count("expired") == 1
        # Another block takes its place, and the time goes back: it is not expired any more.
        await office.follower.give(
            BlockRemoved(13, block_hash(13)),
            replace(block(13, fork="b"), timestamp=GENESIS_TIME + 125),
            block(14, fork="b"),
        )
        await office.follower.give(*(block(number, fork="b") for number in range(15, 19)))
        assert 1 in desk.tasks
        await office.follower.give(block(19, fork="b"))
        assert desk.tasks == {}
        await until(lambda: stored(office.database) == 0)
    assert [task.state for task in await office.tasks()] == [TaskState.EXPIRED]
    assert office.kinds().count("expired") == 2


async def test_a_task_whose_deadline_a_pause_moved_goes_on(office: Office, autojump_clock: MockClock) -> None:
    office.stakes = (1, 1, 1, 1)
    office.deadline = GENESIS_TIME + 155
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1, deadline=GENESIS_TIME + 125)), block(13), block(15))
        assert 1 in desk.tasks and desk.tasks[1].scope is not None
        assert "expired" not in office.kinds()
        office.chain_down = True
        await office.follower.give(block(16))
        assert "expired" not in office.kinds(), "nothing is known of a pause, so nothing is given up"
        office.chain_down = False
        await office.follower.give(block(17))
        assert office.kinds().count("expired") == 1


async def test_a_refunded_task_is_put_away(office: Office, autojump_clock: MockClock) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)), block(11, refunded(1)))
        await office.follower.give(*(block(number) for number in range(12, 17)))
        assert desk.tasks == {}
    assert [task.state for task in await office.tasks()] == [TaskState.EXPIRED]
    assert office.journal.events(1)[-1].fields == {"state": "refunded", "signed": None}


async def test_an_expired_task_is_not_begun(office: Office, autojump_clock: MockClock) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1, deadline=GENESIS_TIME + 50)))
        assert desk.tasks[1].scope is None
    assert office.executor.asked == []


async def test_catching_up_starts_nothing_that_is_settled_further_on(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        # The follower has read up to block 40, and hands over what it read block by block.
        blocks = [
            block(10, requested(1)),
            block(11, requested(2)),
            block(12, by_others(1)),
            block(13, requested(3)),
            *(block(number) for number in range(14, 40)),
            block(40, refunded(3)),
        ]
        await office.follower.give(*blocks, head=40)
        assert set(desk.tasks) == {2, 3}
        await office.sender.wait_for(1)
    assert len(office.executor.asked) == 1
    assert "committee" in office.kinds(2)
    assert "committee" not in office.kinds(1) + office.kinds(3)


async def test_nothing_is_started_before_the_endpoint_has_answered(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        office.follower.head = None
        await office.follower._send.send(block(10, requested(1)))
        await wait_all_tasks_blocked()
        assert desk.tasks[1].scope is None


async def test_a_restart_begins_before_every_open_task(office: Office, autojump_clock: MockClock) -> None:
    async with office.open() as desk:
        assert await desk.start_block(5) == 5
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
        await office.follower.give(*(block(number) for number in range(11, 40)))
    before = office.database
    office.follower, office.journal = FollowerDouble(), Journal()
    async with office.open() as desk:
        assert await desk.start_block(5) == 10
        await office.follower.give(*([block(10, requested(1))] + [block(n) for n in range(11, 41)]))
        await office.sender.wait_for(2)
        assert desk.signatures_refused == 0
    assert office.database is before
    assert len(office.executor.asked) == 1, "the result was in the log"
    assert "resumed" in office.kinds()


async def test_a_restart_goes_back_a_little_and_not_before_the_deployment(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        await office.follower.give(block(30))
        assert await desk.start_block(5) == 25
        assert await desk.start_block(28) == 28


async def test_a_task_that_was_undone_while_the_node_was_away_is_forgotten(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
    office.follower = FollowerDouble()
    async with office.open() as desk:
        assert await desk.start_block(5) == 5
        await office.follower.give(*(block(number, fork="b") for number in range(5, 60)))
        assert desk.tasks == {}
        assert await desk.start_block(5) == 54, "it does not hold the start back for ever"


@pytest.mark.parametrize("failure", [WrongChain(1, 2), ReorgTooDeep(128)], ids=["wrong chain", "reorg"])
async def test_what_the_follower_cannot_mend_ends_the_desk_by_name(
    office: Office, autojump_clock: MockClock, failure: Exception
) -> None:
    caught: list[BaseException] = []

    async def watch() -> None:
        try:
            async with office.open():
                await office.follower.give(block(10, requested(1)))
                await office.follower.give(failure)
                await trio.sleep_forever()
        except* (WrongChain, ReorgTooDeep) as group:
            caught.append(group)

    with trio.fail_after(100):
        await watch()
    found = caught[0]
    while isinstance(found, BaseExceptionGroup):
        assert len(found.exceptions) == 1
        found = found.exceptions[0]
    assert found is failure


@pytest.mark.parametrize(
    "change",
    [
        block(11, requested(2)),
        block(11),
        BlockRemoved(10, block_hash(10)),
        block(100, fork="long after the deadline"),
    ],
    ids=["a task", "no event", "a block undone", "a task over"],
)
async def test_a_full_disk_holds_the_desk_up_and_does_not_end_it(
    office: Office, autojump_clock: MockClock, change: Any
) -> None:
    office.stakes = (1, 1, 1, 1)
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1, deadline=GENESIS_TIME + 500)), block(60))
        break_disk(office.database)
        await office.follower.give(change, head=change.number + 10)
        await office.follower.give(block(110))
        await trio.sleep(60)
        assert desk.head < 110
        assert office.database.failure is not None
        mend_disk(office.database)
        await until(lambda: desk.head == 110)
        await wait_all_tasks_blocked()
    assert office.database.failure is None
    assert await TaskStore(office.database).followed_to() == 110
    known = {task.task_id: task.state for task in await office.tasks()}
    match change:
        case BlockRemoved():
            assert known == {}
        case _:
            assert known[1] is TaskState.EXPIRED or change.number < 100
            assert (2 in known) == bool(change.events)


@pytest.mark.usefixtures("no_log")
async def test_a_member_that_fails_begins_again(office: Office, autojump_clock: MockClock) -> None:
    failures = 3

    async def fail() -> None:
        nonlocal failures
        await trio.lowlevel.checkpoint()
        if failures:
            failures -= 1
            raise RuntimeError("a defect")

    office.executor.before = fail
    async with office.open():
        await office.follower.give(block(10, requested(1)), block(10, requested(2), fork="b"))
        await office.sender.wait_for(1)
    assert len(office.executor.asked) >= 4


async def test_a_member_whose_error_has_a_remedy_is_no_defect(
    office: Office, autojump_clock: MockClock
) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        if len(office.executor.asked) < 3:
            raise RpcUnreachable("http://127.0.0.1:1", "refused")

    office.executor.before = fail
    with capture_logs() as log:
        async with office.open():
            await office.follower.give(block(10, requested(1)), block(10, requested(2), fork="b"))
            await office.sender.wait_for(1)
    said = [entry for entry in log if entry["event"].startswith("member_")]
    assert [entry["event"] for entry in said] == ["member_waits"] * len(said) and said
    assert "does not answer" in said[0]["error"] or "refused" in said[0]["error"]


async def test_what_fails_while_it_is_cancelled_does_not_end_the_node(
    office: Office, autojump_clock: MockClock
) -> None:
    async def fail_at_the_end() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise RuntimeError("the worker is gone")

    office.executor.before = fail_at_the_end
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await until(lambda: office.executor.asked)
        office.executor.before = trio.lowlevel.checkpoint
        await office.follower.give(BlockRemoved(10, block_hash(10)), block(10, requested(2), fork="b"))
        await until(lambda: 2 in desk.tasks and desk.tasks[2].member and desk.tasks[2].member.decided)


async def test_an_epoch_that_cannot_be_read_is_read_again(office: Office, autojump_clock: MockClock) -> None:
    tries = 0
    honest = office.read_operator_set

    async def flaky(chain: Chain, epoch: int) -> OperatorSet:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise RpcUnreachable("http://127.0.0.1:1", "refused")
        return await honest(chain, epoch)

    office.read_operator_set = flaky  # type: ignore[method-assign, assignment]
    async with office.open():
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
    assert tries == 4


async def test_tasks_of_old_epochs_can_be_worked_on_whatever_is_remembered(
    office: Office, autojump_clock: MockClock
) -> None:
    count = task_desk.SETS_KEPT + 2
    async with office.open() as desk:
        for n in range(1, count + 1):  # each of an older epoch than the one before
            await office.follower.give(block(9 + n, requested(n, epoch=100 - n)))
            await until(lambda n=n: desk.tasks[n].member is not None)  # type: ignore[misc]
        assert len(desk._sets) == task_desk.SETS_KEPT
    assert office.epochs_read == [100 - n for n in range(1, count + 1)]


async def test_a_set_that_a_reorganisation_may_have_changed_is_read_again(
    office: Office, autojump_clock: MockClock
) -> None:
    """With the old one this node would sign for another committee, and take others' votes for its own."""
    async with office.open() as desk:
        await office.follower.give(block(9), block(10, requested(1)))
        await until(lambda: desk.tasks[1].member is not None)
        office.stakes = (1, 1, 1, 1000)
        await office.follower.give(
            BlockRemoved(10, block_hash(10)),
            BlockRemoved(9, block_hash(9)),
            block(9, fork="b"),
            block(10, requested(1), fork="b"),
        )
        await until(lambda: 1 in desk.tasks and desk.tasks[1].member is not None)
        member = desk.tasks[1].member
        assert member is not None
        assert [one.weight for one in member.committee.members] == [1, 1, 1, 1000]
    assert office.epochs_read == [1, 1]


async def test_who_is_not_drawn_watches(office: Office, autojump_clock: MockClock) -> None:
    office.operator = b"\x99" * 20
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await trio.sleep(100)
        assert office.kinds() == ["task", "committee", "not_drawn"]
        assert desk.running(InstanceId(1, 0)) == []
        await office.follower.give(block(11, certified(1)), *(block(n) for n in range(12, 17)))
        assert desk.tasks == {}
    assert InstanceId(1, 0) in office.router._over
    assert office.published == 0


async def test_a_model_that_is_not_served_costs_the_own_vote_only(
    office: Office, autojump_clock: MockClock
) -> None:
    office.served = False
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await until(lambda: desk.tasks[1].member is not None and desk.tasks[1].member.round >= 1)
        assert not desk.tasks[1].member.decided  # type: ignore[union-attr]


async def test_a_full_queue_of_the_model_is_waited_for(office: Office, autojump_clock: MockClock) -> None:
    async def busy() -> None:
        await trio.lowlevel.checkpoint()
        if len(office.executor.asked) < 5:
            raise QueueFull("64 requests wait already")

    office.executor.before = busy
    async with office.open():
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
    assert len(office.executor.asked) == 5


async def test_a_model_that_fails_is_a_vote_for_nothing(office: Office, autojump_clock: MockClock) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise EngineError("llama.cpp refuses")

    office.executor.before = fail
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await until(lambda: desk.tasks[1].member is not None and desk.tasks[1].member.round >= 1)
    assert len(office.executor.asked) == 1


async def test_a_task_is_opened_once(office: Office, autojump_clock: MockClock) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)), block(11, requested(1, OTHER_SEED)))
        assert desk.tasks[1].block_number == 10
    assert office.kinds().count("task") == 1


async def test_events_of_unknown_tasks_are_told_and_change_nothing(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, certified(77), refunded(78)))
        assert desk.tasks == {}
    assert (office.kinds(77), office.kinds(78)) == (["certified"], ["refunded"])


async def test_a_peer_that_asks_gets_the_running_instance(office: Office, autojump_clock: MockClock) -> None:
    async with office.open() as desk:
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
        (commit,) = desk.running(InstanceId(1, 0))
        assert commit == desk.tasks[1].member.messages()[0]  # type: ignore[union-attr]
        assert desk.running(InstanceId(1, 1)) == []
        assert desk.running(InstanceId(9, 0)) == []


async def test_far_behind_the_head_much_is_written_at_once_and_nothing_is_lost(
    office: Office, autojump_clock: MockClock
) -> None:
    """Forty tasks, each certified three blocks later, read in one go up to a head that is far away."""
    async with office.open() as desk:
        for number in range(1, 41):
            events = [requested(number), *([by_others(number - 3)] if number > 3 else [])]
            await office.follower.give(block(100 + number, *events), head=1000)
        assert desk.head == 140
        stored = {task.task_id: task.state for task in await office.tasks()}
        assert max(stored) == 28, "what came since block 128 is not written down"
        assert await TaskStore(office.database).followed_to() == 128
        await office.follower.give(block(141), head=150)  # near the head everything is
        stored = {task.task_id: task.state for task in await office.tasks()}
        assert set(stored) == set(range(1, 41))
        assert stored[1] is TaskState.CERTIFIED and stored[40] is TaskState.OPEN
        assert await TaskStore(office.database).followed_to() == 141
    assert [header.id for header in office.certified] == list(range(1, 34))


async def test_a_missed_attempt_is_given_up_and_the_next_one_begun(
    office: Office, autojump_clock: MockClock
) -> None:
    office.stakes = (1, 1, 1, 1)  # alone it decides nothing
    task = requested(1, attempts=2, requested_at=GENESIS_TIME + 100, deadline=GENESIS_TIME + 301)
    async with office.open() as desk:
        await office.follower.give(block(10, task))
        await until(lambda: desk.tasks[1].member is not None)
        first = desk.tasks[1].member
        await office.follower.give(block(20))
        assert desk.tasks[1].member is first and desk.tasks[1].attempt == 0
        await office.follower.give(block(21))
        await until(lambda: desk.tasks[1].member not in (None, first))
        second = desk.tasks[1].member
        assert first is not None and second is not None
        assert (first.scope.instance, second.scope.instance) == (InstanceId(1, 0), InstanceId(1, 1))
        assert first.scope.committee_root != second.scope.committee_root
        await until(lambda: office.kinds().count("inference_done") == 2)
        await office.follower.give(block(30))
        assert desk.tasks[1].member is second
    assert len(office.executor.asked) == 1, "the answer is the same in every attempt"
    assert office.kinds().count("attempt_missed") == 1
    assert InstanceId(1, 0) in office.router._over


async def test_a_decided_attempt_is_not_given_up(office: Office, autojump_clock: MockClock) -> None:
    task = requested(1, attempts=4, requested_at=GENESIS_TIME + 100, deadline=GENESIS_TIME + 500)
    office.sender.answer = RpcUnreachable("http://127.0.0.1", "this test posts nothing")
    async with office.open() as desk:
        await office.follower.give(block(10, task))
        await office.sender.wait_for(1)
        await office.follower.give(block(30))
        assert desk.tasks[1].attempt == 0 and desk.tasks[1].decided
    assert "attempt_missed" not in office.kinds()


async def test_after_a_restart_the_running_attempt_is_begun(
    office: Office, autojump_clock: MockClock
) -> None:
    office.stakes = (1, 1, 1, 1)
    task = requested(1, attempts=4, requested_at=GENESIS_TIME + 100, deadline=GENESIS_TIME + 500)
    async with office.open() as desk:
        await office.follower.give(block(10, task), block(35), head=35)
        await until(lambda: desk.tasks[1].member is not None)
        assert desk.tasks[1].attempt == 2
    assert "attempt_missed" not in office.kinds()


@pytest.mark.parametrize("far", [False, True])
async def test_a_guard_that_does_not_know_of_an_own_signature_ends_the_node(
    office: Office, autojump_clock: MockClock, far: bool
) -> None:
    office.follower.head = 500 if far else 11
    await office.follower.give(
        block(10, requested(1)), block(11, replace(certified(1), bitmap=SIGNED_BY_OWN))
    )
    with pytest.raises(BaseExceptionGroup) as caught:
        async with office.open():
            await trio.sleep(60)
    assert caught.group_contains(GuardIsOlder, match="task 1 was certified with this operator's signature")
    restored = office.database.transaction(lambda c: c.execute("SELECT * FROM meta").fetchall())
    assert "restored_at" in dict(restored), "the next start waits, and signs for later tasks only"
    assert "committee" not in office.kinds(), "and nothing was signed"


async def test_certificates_that_the_guard_knows_of_or_that_others_signed(
    office: Office, autojump_clock: MockClock
) -> None:
    async with office.open() as desk:  # it takes part in task 1
        await office.follower.give(block(10, requested(1)))
        await office.sender.wait_for(1)
        assert desk.tasks[1].member is not None
    office.follower = FollowerDouble()
    office.follower.head = 12
    own = replace(certified(1), bitmap=SIGNED_BY_OWN, round=0)
    await office.follower.give(block(10, requested(1)), block(11, own, requested(2)), block(12, by_others(2)))
    async with office.open():  # the same node again: both were certified while it was away
        await trio.sleep(60)
    assert office.kinds().count("certified") == 1


async def test_what_must_not_be_signed_any_more_is_sat_out(office: Office, autojump_clock: MockClock) -> None:
    office.database.transaction(lambda connection: raise_below(connection, 2))
    async with office.open() as desk:
        await desk.start_block(0)
        await office.follower.give(block(10, requested(1), requested(2)))
        await office.sender.wait_for(1)
        assert desk.tasks[1].member is None and desk.tasks[2].member is not None
