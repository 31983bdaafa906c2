"""From the chain's events to running members: which tasks are open, which are over, which were undone."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
import trio

from consensus.committee import Committee, OperatorSet
from consensus.instance import Instance
from consensus.messages import Commit, Message
from consensus.signing import Randomness
from consensus.types import InstanceId, Mode, Result, Scope
from consensus.verification import MessageVerifier
from inference.errors import InferenceError, QueueFull
from inference.request import Progress
from inference.worker import Guide
from p2pavs.catch_up import CatchUp
from p2pavs.chain.contracts import Chain
from p2pavs.chain.events import LoggedEvent, TaskCertified, TaskRefunded, TaskRequested, TaskSupplemented
from p2pavs.chain.follower import BlockAdded, BlockRemoved, Follower
from p2pavs.chain.poster import Sender
from p2pavs.chain.reader import read_operator_set
from p2pavs.chain.records import TaskHeader
from p2pavs.committee_topics import CommitteeTopics
from p2pavs.divergence import DivergenceBook
from p2pavs.errors import P2pavsError
from p2pavs.evidence_book import EvidenceBook
from p2pavs.execution import Execution, Executor, OnProgress
from p2pavs.journal import Journal
from p2pavs.log import working_on
from p2pavs.member import Member, MemberPorts
from p2pavs.posting import ChainView, PosterLadder
from p2pavs.relay import Relay, stream_order
from p2pavs.routing import Blame, Router
from p2pavs.settings import NodeSettings
from p2pavs.storage import CertificateStore, InputLog, SignGuard, until_stored
from p2pavs.storage.database import Database
from p2pavs.storage.tasks import StoredTask, TaskState, TaskStore
from p2pavs.streaming import Stream
from p2pavs.supplement import Latecomer
from p2pavs.traces import Parting, TraceRefused, Traces

SETS_KEPT = 16
TRACES_KEPT = 32  # 140 kB each at most
FAR_BEHIND = 32  # blocks
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds until a member that failed begins again

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeskParts:
    """What the desk works with."""

    chain: Chain
    sender: Sender
    operator: bytes  # own account, 20 bytes
    database: Database
    guard: SignGuard
    evidence: EvidenceBook
    journal: Journal
    router: Router
    catch_up: CatchUp
    topics: CommitteeTopics
    publish: Callable[[Message], Awaitable[None]]
    author_of: Callable[[str], bytes | None]
    """Tells which operator (20 bytes) a peer is."""
    peer_of: Callable[[bytes], str | None]
    """Tells an operator's peer id."""
    traces: Traces
    divergences: DivergenceBook
    blame: Blame
    certified: Callable[[TaskHeader], None]
    """Told of each task that the chain holds a certificate of, for good."""
    reorganised: Callable[[], None]
    """Told that a block was undone: honest peers may sign for what was in it a while longer."""
    executors: Mapping[bytes, Executor]  # by model id
    settings: NodeSettings
    randomness: Randomness
    peers_of: Callable[[Committee], Collection[str]]
    """The peer ids of a committee's members."""


@dataclass(slots=True)
class OpenTask:
    """A task this node watches."""

    event: TaskRequested
    block_number: int
    block_hash: bytes
    view: ChainView = field(default_factory=ChainView)
    settled_number: int = 0
    """The block that settled it: with a certificate, a refund, or the first one after the deadline."""
    settled_hash: bytes = b""
    attempt: int = 0
    scope: trio.CancelScope | None = None
    member: Member | None = None
    execution: Execution | None = None
    """What was computed in an earlier attempt: a later one has the same answer."""

    @property
    def decided(self) -> bool:
        """Whether its committee has decided, as far as this node took part."""
        return self.member is not None and self.member.decided

    @property
    def instance(self) -> InstanceId:
        """The attempt that this node works on."""
        return InstanceId(self.event.id, self.attempt)


class TaskDesk:
    """Follows the chain and keeps one member running for each open task this operator was drawn for."""

    def __init__(self, parts: DeskParts, nursery: trio.Nursery) -> None:
        self._parts = parts
        self._nursery = nursery
        self._store = TaskStore(parts.database)
        self._certificates = CertificateStore(parts.database)
        self._sets: dict[int, OperatorSet] = {}
        self._traces: OrderedDict[InstanceId, Execution] = OrderedDict()  # of tasks that are over
        self.tasks: dict[int, OpenTask] = {}
        self._follower: Follower | None = None
        self._far_behind = False
        self._unsaved: dict[int, StoredTask] = {}
        self.head = 0
        self.head_time = 0

    @property
    def signatures_refused(self) -> int:
        """How often the sign guard refused a second statement."""
        return self._parts.guard.refused

    async def start_block(self, deployed_at: int) -> int:
        """The block to follow from, so that no open task is missed after a restart."""
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
        elif head.timestamp > task.event.header.deadline:
            # Nothing can be certified after the deadline; wait until no reorganisation brings it back.
            if task.settled_number == 0:
                task.settled_number, task.settled_hash = head.number, head.hash
                self._parts.journal.add(task.event.id, "expired", deadline=task.event.header.deadline)
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
            deep = self.head - task.block_number >= self._parts.settings.confirmations
            settled = task.view.certified or task.view.refunded
            if not deep or settled or self.head_time > task.event.header.deadline:
                continue
            attempt = task.event.header.attempt_at(self.head_time)
            if task.scope is not None and attempt > task.attempt and not task.decided:
                self._give_up(task)
            if task.scope is None:
                task.attempt, task.scope = attempt, trio.CancelScope()
                self._nursery.start_soon(self._take_part, task, task.scope)

    def _give_up(self, task: OpenTask) -> None:
        """The time of an attempt is over: the next one has another committee."""
        if task.scope is not None:
            task.scope.cancel()
        self._parts.router.close(task.instance)
        self._parts.journal.add(task.event.id, "attempt_missed", attempt=task.attempt)
        task.scope, task.member = None, None

    async def _take_part(self, task: OpenTask, scope: trio.CancelScope) -> None:
        """Keep the task's member running until the task is over or undone."""
        try:
            with scope:
                await self._persist(task)
        except* Exception:
            # What fails while it is cancelled comes out here, and must not end the node.
            log.exception("member_failed_at_end", task=task.event.id)
        if task.view.over:
            await self._forget_inputs(task)

    async def _persist(self, task: OpenTask) -> None:
        """Run the task's member. After a fault it resumes from its log."""
        pause = FIRST_PAUSE
        while True:
            try:
                operator_set = await self.operator_set(task.event.header.epoch)
                await self._run_member(task, operator_set)
                return
            except P2pavsError as error:
                log.warning(
                    "member_waits",
                    task=task.event.id,
                    again_in=pause,
                    error=error.message,
                    remedy=error.remedy,
                )
            except Exception:
                log.exception("member_failed", task=task.event.id, again_in=pause)
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def operator_set(self, epoch: int) -> OperatorSet:
        """The operators of an epoch, read from the chain once. Raises ``ChainError``."""
        found = self._sets.get(epoch)
        if found is None:
            found = self._sets[epoch] = await read_operator_set(self._parts.chain, epoch)
            if len(self._sets) > SETS_KEPT:
                self._sets.pop(min(self._sets))
        return found

    async def _run_member(self, task: OpenTask, operator_set: OperatorSet) -> None:
        parts, header = self._parts, task.event.header
        instance_id = task.instance
        working_on(header.id, instance_id.attempt)
        committee = Committee.select(
            operator_set, header.hash, header.task_seed, instance_id.attempt, header.committee_size
        )
        parts.journal.add(
            header.id,
            "committee",
            epoch=header.epoch,
            attempt=instance_id.attempt,
            total=committee.total_weight,
            members=[{"operator": "0x" + m.operator.hex(), "weight": m.weight} for m in committee.members],
            proposer="0x" + committee.member(committee.proposer(0)).operator.hex(),
            posters=["0x" + committee.member(i).operator.hex() for i in committee.poster_order()],
        )
        own = next((m.index for m in committee.members if m.operator == parts.operator), None)
        if own is None:
            parts.journal.add(header.id, "not_drawn")
            return
        scope = Scope(parts.chain.deployment.domain, instance_id, committee.root)
        ladder = PosterLadder(
            header,
            committee,
            own,
            task.view,
            parts.chain,
            parts.sender,
            parts.journal,
            parts.settings.poster_delay,
            parts.settings.poster_gather,
            lambda: None if task.member is None else task.member.fullest(),
        )
        time_left = max(0.0, header.attempt_start(instance_id.attempt + 1) - time.time())

        async with trio.open_nursery() as nursery:

            async def decided(commit: Commit) -> None:
                nursery.start_soon(ladder.run, commit)

            execution_limit = time_left * parts.settings.execution_share
            stream = (
                self._stream(task, committee, own, execution_limit) if header.mode == Mode.VERIFY else None
            )

            async def execute() -> Execution | None:
                if task.execution is None or stream is not None:
                    task.execution = await self._execute(task.event, stream)
                return task.execution

            async def catch_up() -> list[tuple[Message, str]]:
                return await parts.catch_up.ask(instance_id, parts.peers_of(committee))

            async def compare(operator: bytes, own: Execution, theirs: Result) -> Parting | None:
                if (peer := parts.peer_of(operator)) is None:
                    raise TraceRefused("its peer id is not known")
                return await parts.traces.parting(peer, instance_id, own, theirs)

            ports = MemberPorts(
                guard=parts.guard.for_key(committee.member(own).key),
                inputs=InputLog(parts.database, scope),
                certificates=self._certificates,
                evidence=parts.evidence,
                journal=parts.journal,
                settings=parts.settings,
                publish=parts.publish,
                catch_up=catch_up,
                execute=execute,
                execution_limit=execution_limit,
                decided=decided,
                author_of=parts.author_of,
                peer_of=parts.peer_of,
                stream=stream,
                compare=compare,
                divergences=parts.divergences,
                blame=parts.blame,
            )
            task.member = Member(
                instance=Instance(committee, scope, own),
                committee=committee,
                scope=scope,
                own=own,
                verifier=MessageVerifier(scope, committee, parts.randomness),
                ports=ports,
            )
            latecomer = Latecomer(
                header,
                committee,
                own,
                task.view,
                parts.chain,
                parts.sender,
                parts.journal,
                parts.settings,
                task.member.precommits,
            )
            nursery.start_soon(latecomer.run)
            async with parts.topics.joined(header.id, drawn=header.committee_size > 0):
                parts.router.add(instance_id, task.member)
                await task.member.run()

    def _stream(self, task: OpenTask, committee: Committee, own: int, limit: float) -> Stream:
        """The shared execution of a task in verify mode."""
        header, settings = task.event.header, self._parts.settings
        # Half of the time is left for this member to generate what others should have.
        patience = replace(settings.patience, total=limit / 2)
        return Stream(
            Relay(task.instance, stream_order(committee), own, patience, trio.current_time()),
            task.event.params.max_tokens,
            self._parts.publish,
            lambda index: "0x" + committee.member(index).operator.hex(),
            partial(self._parts.journal.add, header.id),
        )

    async def _execute(self, event: TaskRequested, stream: Stream | None = None) -> Execution | None:
        executor = self._parts.executors.get(event.header.model_id)
        if executor is None:
            log.warning(
                "model_not_served",
                task=event.id,
                model="0x" + event.header.model_id.hex(),
                remedy="Add the model's GGUF with --model; until then this node votes nil on such tasks.",
            )
            return None

        def progress(chunk: Progress) -> None:
            self._parts.journal.add(event.id, "inference", chunk=chunk.chunk, tokens=len(chunk.token_ids))

        async def compute(progress: OnProgress, guide: Guide | None = None) -> Execution | None:
            while True:
                try:
                    return await executor.execute(event, progress, guide)
                except QueueFull:
                    await trio.sleep(FIRST_PAUSE)
                except InferenceError as error:
                    log.error("inference_failed", task=event.id, error=str(error))
                    return None

        return await (compute(progress) if stream is None else stream.run(compute))


def _state(task: OpenTask, state: TaskState) -> str:
    return "refunded" if task.view.refunded else state.value


def _signed(task: OpenTask) -> bool | None:
    """Whether the certificate has this operator's signature; None where it had no seat, or there is none."""
    certificate, member = task.view.certificate, task.member
    if certificate is None or member is None or member.scope.instance.attempt != certificate.attempt:
        return None
    bits, _ = member.committee.bitmap_and_hints([member.own])
    return bool(bits & task.view.bitmap)
