"""From the chain's events to running members: which tasks are open, which are over, which were undone."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import structlog
import trio

from consensus.committee import OperatorSet
from consensus.messages import Message
from consensus.types import InstanceId
from p2pavs.attempt import run_attempt
from p2pavs.chain.errors import ChainError
from p2pavs.chain.events import LoggedEvent, TaskCertified, TaskRefunded, TaskRequested, TaskSupplemented
from p2pavs.chain.follower import BlockAdded, BlockRemoved, Follower
from p2pavs.chain.reader import deadline_of, read_operator_set
from p2pavs.errors import P2pavsError, only_error
from p2pavs.execution import Execution
from p2pavs.guard_check import check_guard
from p2pavs.open_task import DeskParts, OpenTask
from p2pavs.storage import until_stored
from p2pavs.storage.protection import sign_nothing_below
from p2pavs.storage.tasks import StoredTask, TaskState, TaskStore
from p2pavs.turns import Turn, Turns

SETS_KEPT = 16
TRACES_KEPT = 32  # 140 kB each at most
FAR_BEHIND = 32  # blocks
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds until a member that failed begins again

log = structlog.get_logger()


class TaskDesk:
    """Follows the chain and keeps one member running for each open task this operator was drawn for."""

    def __init__(self, parts: DeskParts, nursery: trio.Nursery) -> None:
        self._parts = parts
        self._nursery = nursery
        self._store = TaskStore(parts.database)
        self._sets: dict[int, OperatorSet] = {}
        self._traces: OrderedDict[InstanceId, Execution] = OrderedDict()  # of tasks that are over
        self._turns = Turns()
        self.tasks: dict[int, OpenTask] = {}
        self._follower: Follower | None = None
        self._far_behind = False
        self._sits_out_below = 0
        """For these tasks the sign guard signs nothing any more."""
        self._unsaved: dict[int, StoredTask] = {}
        self.head = 0
        self.head_time = 0

    @property
    def queued(self) -> int:
        """How many tasks wait for their turn."""
        return self._turns.waiting

    @property
    def signatures_refused(self) -> int:
        """How often the sign guard refused a second statement."""
        return self._parts.guard.refused

    async def start_block(self, deployed_at: int) -> int:
        """The block to follow from, so that no open task is missed after a restart."""
        self._sits_out_below = await self._parts.database.run(sign_nothing_below)
        followed = await self._store.followed_to()
        opened = [task.block_number for task in await self._store.open_tasks()]
        if followed is None:
            return deployed_at
        # A little before the last seen block: it may have been undone while this node was away.
        first = max(deployed_at, min([followed - self._parts.settings.finality_depth, *opened]))
        await self._store.rewind(first)
        return first

    def running(self, instance: InstanceId) -> list[Message]:
        """What can be handed to a peer that catches up with an instance."""
        task = self.tasks.get(instance.task_id)
        if task is None or task.member is None or task.member.scope.instance != instance:
            return []
        return list(task.member.messages())

    def trace(self, instance: InstanceId) -> Execution | None:
        """What a peer may see of the own computation of an instance: nothing before its decision."""
        task = self.tasks.get(instance.task_id)
        if task is None or task.member is None or task.member.scope.instance != instance:
            return self._traces.get(instance)
        return task.member.trace

    async def run(self, follower: Follower) -> None:
        """Work through the chain's changes for as long as the node runs.

        Raises what ends the follower: ``WrongChain`` or ``ReorgTooDeep``. A disk that does not write holds
        everything up, and ends nothing.
        """
        self._follower = follower
        async for change in follower:
            match change:
                case BlockAdded():
                    await self._added(change)
                    # Not while blocks wait that may have settled what this one leaves open.
                    if self._is_head(change.number):
                        self._start_due()
                case BlockRemoved():
                    await self._removed(change)

    def _is_head(self, number: int) -> bool:
        follower = self._follower
        return follower is not None and follower.head is not None and number >= follower.head

    async def _added(self, block: BlockAdded) -> None:
        self.head, self.head_time = block.number, block.timestamp
        self._far_behind = not self._is_head(block.number + FAR_BEHIND)
        if not self._far_behind and self._unsaved:
            await self._save(block.number - 1)
        for logged in block.events:
            await self._event(logged)
        for task in list(self.tasks.values()):
            task.view.head = block.number
            await self._close_if_over(task, block)
        if block.number % FAR_BEHIND == 0 or not self._far_behind:
            await self._save(block.number)

    async def _event(self, logged: LoggedEvent) -> None:
        match logged.event:
            case TaskRequested() as event:
                await self._open(event, logged)
            case TaskCertified() as event:
                task = self.tasks.get(event.id)
                if task is not None:
                    task.view.certified = True
                    task.view.certificate, task.view.bitmap = event, event.bitmap
                    task.settled_number, task.settled_hash = logged.block_number, logged.block_hash
                    if event.id >= self._sits_out_below:
                        await self._compare_with_guard(task, event)
                self._parts.journal.add(
                    event.id,
                    "certified",
                    poster="0x" + event.poster.hex(),
                    block=logged.block_number,
                    round=event.round,
                    weight=event.signed_weight,
                    total=event.total_weight,
                    transaction="0x" + logged.transaction_hash.hex(),
                )
            case TaskSupplemented() as event:
                task = self.tasks.get(event.id)
                if task is not None:
                    task.view.bitmap = event.bitmap
            case TaskRefunded(task_id):
                task = self.tasks.get(task_id)
                if task is not None:
                    task.view.refunded = True
                    task.settled_number, task.settled_hash = logged.block_number, logged.block_hash
                self._parts.journal.add(task_id, "refunded")
            case _:
                log.info("chain_event", name=type(logged.event).__name__, block=logged.block_number)

    async def _compare_with_guard(self, task: OpenTask, certified: TaskCertified) -> None:
        """Raise ``GuardIsOlder`` if it has an own signature that the guard does not know of.

        What cannot be read is asked for again: nothing is started meanwhile.
        """
        header, parts = task.event.header, self._parts
        pause = FIRST_PAUSE
        while True:
            try:
                operators = await self.operator_set(header.epoch)
                break
            except ChainError as error:
                log.warning("guard_check_waits", task=header.id, error=error.message, remedy=error.remedy)
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        await check_guard(parts.database, parts.operator, operators, header, certified)

    async def _open(self, event: TaskRequested, logged: LoggedEvent) -> None:
        known = self.tasks.get(event.id)
        if known is not None:
            return
        task = OpenTask(event, logged.block_number, logged.block_hash)
        self.tasks[event.id] = task
        await self._keep(task, TaskState.OPEN)
        self._parts.journal.add(
            event.id,
            "task",
            block=logged.block_number,
            requester="0x" + event.header.requester.hex(),
            model="0x" + event.header.model_id.hex(),
            deadline=event.header.deadline,
            input_bytes=len(event.input),
        )

    async def _removed(self, block: BlockRemoved) -> None:
        self._parts.reorganised()
        self._sets = {}  # the epoch may have been frozen in it, and be frozen anew with others
        for task in list(self.tasks.values()):
            if task.settled_hash == block.hash:
                task.view.certified = task.view.refunded = False
                task.view.certificate, task.view.bitmap = None, 0
                task.settled_number, task.settled_hash = 0, b""
                self._parts.journal.add(task.event.id, "settlement_undone", block=block.number)
            if task.block_hash == block.hash:
                self._parts.journal.add(task.event.id, "task_undone", block=block.number)
                self._stop(task)
                self._parts.router.remove(task.instance)
                self._unsaved.pop(task.event.id, None)
                await until_stored(partial(self._store.remove, task.event.id), task=task.event.id)

    async def _close_if_over(self, task: OpenTask, head: BlockAdded) -> None:
        depth = self._parts.settings.finality_depth
        if task.view.certified or task.view.refunded:
            if head.number - task.settled_number < depth or task.view.busy:
                return
            state = TaskState.CERTIFIED if task.view.certified else TaskState.EXPIRED
        elif head.timestamp > task.deadline:
            # Nothing can be certified after the deadline; wait until no reorganisation brings it back.
            if task.settled_number == 0:
                if not await self._is_over(task, head):
                    return
                task.settled_number, task.settled_hash = head.number, head.hash
                self._parts.journal.add(task.event.id, "expired", deadline=task.deadline)
            if head.number - task.settled_number < depth:
                return
            state = TaskState.EXPIRED
        else:
            return
        await self._keep(task, state)
        if state is TaskState.CERTIFIED:
            self._parts.certified(task.event.header)
        task.view.over = True
        self._stop(task)
        self._parts.router.close(task.instance)
        if task.scope is None and not self._far_behind:
            # Else its member does it, once nothing writes to the log any more, or it goes with the others.
            await self._forget_inputs(task)
        self._parts.journal.add(task.event.id, "task_over", state=_state(task, state), signed=_signed(task))

    async def _is_over(self, task: OpenTask, head: BlockAdded) -> bool:
        """Whether no pause of the gateway moved the deadline beyond this block."""
        try:
            task.extended = await deadline_of(self._parts.chain, task.event.id)
        except ChainError as error:  # the next block asks again
            log.warning("deadline_unknown", task=task.event.id, error=error.message, remedy=error.remedy)
            return False
        return head.timestamp > task.deadline

    async def _keep(self, task: OpenTask, state: TaskState) -> None:
        stored = StoredTask(task.event.id, task.block_number, task.block_hash, state)
        if self._far_behind:
            self._unsaved[stored.task_id] = stored
            return
        await until_stored(lambda: self._store.put(stored), task=task.event.id)

    async def _save(self, followed_to: int) -> None:
        """Write down the last block, and with it what was put off.

        Far behind the head that is not done after each block, for every write waits for the disk. After a
        crash the blocks since the last one written down are read again.
        """
        tasks = list(self._unsaved.values())
        await until_stored(lambda: self._store.save(tasks, followed_to))
        self._unsaved.clear()

    async def _forget_inputs(self, task: OpenTask) -> None:
        await until_stored(lambda: self._store.forget_inputs(task.event.id), task=task.event.id)

    def _stop(self, task: OpenTask) -> None:
        if task.scope is not None:
            task.scope.cancel()
        self.tasks.pop(task.event.id, None)
        if task.member is not None and task.member.trace is not None:
            self._traces[task.instance] = task.member.trace
            if len(self._traces) > TRACES_KEPT:
                self._traces.popitem(last=False)

    # --- members ------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        # Who pays a tip is served first where the model has to choose.
        for task in sorted(self.tasks.values(), key=lambda task: -task.event.header.reward):
            if task.event.id < self._sits_out_below:
                continue
            deep = self.head - task.block_number >= self._parts.settings.confirmations
            settled = task.view.certified or task.view.refunded
            if not deep or settled or self.head_time > task.deadline:
                continue
            attempt = task.event.header.attempt_at(self.head_time)
            if task.scope is not None and attempt > task.attempt and not task.decided:
                self._give_up(task)
            if task.scope is None:
                task.attempt, task.scope = attempt, trio.CancelScope()
                task.turn = self._next_turn(task)
                self._nursery.start_soon(self._take_part, task, task.scope, task.turn)

    def _next_turn(self, task: OpenTask) -> Turn | None:
        """Its place where many tasks come at once; a task whose model is not served needs none."""
        if task.event.header.model_id not in self._parts.executors:
            return None
        turn = self._turns.next()
        if turn.waits:
            self._parts.journal.add(task.event.id, "queued", before=self._turns.waiting - 1)
        return turn

    def _give_up(self, task: OpenTask) -> None:
        """The time of an attempt is over: the next one has another committee."""
        if task.scope is not None:
            task.scope.cancel()
        self._parts.router.close(task.instance)
        self._parts.journal.add(task.event.id, "attempt_missed", attempt=task.attempt)
        task.scope, task.member = None, None

    async def _take_part(self, task: OpenTask, scope: trio.CancelScope, turn: Turn | None) -> None:
        """Keep the task's member running until the task is over or undone."""
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    if turn is not None:
                        await turn.come()
                        nursery.start_soon(turn.expire)
                    await self._persist(task)
                    nursery.cancel_scope.cancel()
        except* Exception:
            # What fails while it is cancelled comes out here, and must not end the node.
            log.exception("member_failed_at_end", task=task.event.id)
        finally:
            if turn is not None:
                turn.over()
        if task.view.over:
            await self._forget_inputs(task)

    async def _persist(self, task: OpenTask) -> None:
        """Run the task's member. After a fault it resumes from its log."""
        pause = FIRST_PAUSE
        while True:
            try:
                operator_set = await self.operator_set(task.event.header.epoch)
                await run_attempt(self._parts, task, operator_set)
                return
            except Exception as error:
                named = _named(error)
                if named is None:
                    log.exception("member_failed", task=task.event.id, again_in=pause)
                else:
                    log.warning(
                        "member_waits",
                        task=task.event.id,
                        again_in=pause,
                        error=named.message,
                        remedy=named.remedy,
                    )
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def operator_set(self, epoch: int) -> OperatorSet:
        """The operators of an epoch, read from the chain once. Raises ``ChainError``."""
        sets = self._sets  # what is read while a block is undone is not kept
        found = sets.get(epoch)
        if found is None:
            found = sets[epoch] = await read_operator_set(self._parts.chain, epoch)
            if len(sets) > SETS_KEPT:
                sets.pop(min(sets))
        return found


def _named(error: Exception) -> P2pavsError | None:
    """The error with a remedy that this is, or that a member's tasks made a group of."""
    if isinstance(error, BaseExceptionGroup):
        return only_error(error, P2pavsError)
    return error if isinstance(error, P2pavsError) else None


def _state(task: OpenTask, state: TaskState) -> str:
    return "refunded" if task.view.refunded else state.value


def _signed(task: OpenTask) -> bool | None:
    """Whether the certificate has this operator's signature; None where it had no seat, or there is none."""
    certificate, member = task.view.certificate, task.member
    if certificate is None or member is None or member.scope.instance.attempt != certificate.attempt:
        return None
    bits = member.committee.bitmap_of([member.own])
    return bool(bits & task.view.bitmap)
