"""One attempt of a task on this node: committee, execution, member, posting."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from functools import partial

import structlog
import trio

from consensus.collecting import Collectors
from consensus.committee import Committee, OperatorSet
from consensus.instance import Instance
from consensus.messages import Commit, Message
from consensus.types import Mode, Result, Scope
from consensus.verification import MessageVerifier
from inference.errors import InferenceError, QueueFull
from inference.request import Progress
from inference.worker import Guide
from p2pavs.chain.events import TaskRequested
from p2pavs.execution import Execution, OnProgress
from p2pavs.log import working_on
from p2pavs.member import Member
from p2pavs.member_ports import MemberPorts
from p2pavs.open_task import DeskParts, OpenTask
from p2pavs.posting import PosterLadder
from p2pavs.relay import Relay, stream_order
from p2pavs.storage import CertificateStore, InputLog
from p2pavs.streaming import Stream
from p2pavs.supplement import Latecomer
from p2pavs.task_post import TaskPost
from p2pavs.traces import Parting, TraceRefused

QUEUE_PAUSE = 1.0  # seconds until a request that found the model's queue full asks again

log = structlog.get_logger()


async def run_attempt(parts: DeskParts, task: OpenTask, operator_set: OperatorSet) -> None:
    """Take part in a task's attempt until cancelled, or return at once where this operator was not drawn.

    Raises ``P2pavsError`` where something it needs does not answer.
    """
    header = task.event.header
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
    post = TaskPost(header, committee, own, task.view, parts.chain, parts.sender, parts.journal)
    ladder = PosterLadder(
        post,
        parts.settings.poster_delay,
        parts.settings.poster_gather,
        lambda: None if task.member is None else task.member.fullest(),
    )
    time_left = max(0.0, header.attempt_start(instance_id.attempt + 1) - time.time())

    async with trio.open_nursery() as nursery:

        async def decided(commit: Commit) -> None:
            if task.turn is not None:
                task.turn.over()
            nursery.start_soon(ladder.run, commit)

        execution_limit = time_left * parts.settings.execution_share
        stream = _stream(parts, task, committee, own, execution_limit) if header.mode == Mode.VERIFY else None

        async def execute() -> Execution | None:
            if task.execution is None or stream is not None:
                task.execution = await _execute(parts, task.event, stream)
            return task.execution

        async def catch_up() -> list[tuple[Message, str]]:
            found = await parts.catch_up.ask(instance_id, parts.peers_of(committee))
            if parts.doppelganger is not None:
                await parts.doppelganger.told((message for message, _ in found), scope, committee, own)
            return found

        async def compare(operator: bytes, own: Execution, theirs: Result) -> Parting | None:
            if (peer := parts.peer_of(operator)) is None:
                raise TraceRefused("its peer id is not known")
            return await parts.traces.parting(peer, instance_id, own, theirs)

        async def tell(message: Message, operators: Collection[bytes]) -> bool:
            peers = {parts.peer_of(operator) for operator in operators} - {None}
            return await parts.topics.tell(message, [peer for peer in peers if peer is not None])

        collectors = Collectors(committee)
        ports = MemberPorts(
            guard=parts.guard.for_key(committee.member(own).key),
            inputs=InputLog(parts.database, scope),
            certificates=CertificateStore(parts.database),
            evidence=parts.evidence,
            journal=parts.journal,
            settings=parts.settings,
            publish=parts.publish,
            tell=tell,
            has_room=partial(parts.topics.has_room, header.id),
            catch_up=catch_up,
            execute=execute,
            execution_limit=execution_limit,
            decided=decided,
            author_of=parts.author_of,
            peer_of=parts.peer_of,
            stream=stream,
            compare=compare,
            divergences=parts.divergences,
            check=parts.check,
            blame=parts.blame,
        )
        task.member = Member(
            instance=Instance(committee, scope, own, collectors.policy(own)),
            committee=committee,
            scope=scope,
            own=own,
            verifier=MessageVerifier(scope, committee, parts.randomness),
            ports=ports,
            collectors=collectors,
        )
        latecomer = Latecomer(
            post,
            parts.settings,
            task.member.precommits,
            parts.attendance,
            parts.publish if collectors.members else None,
        )
        nursery.start_soon(latecomer.run)
        async with parts.topics.joined(header.id, drawn=header.committee_size > 0):
            parts.router.add(instance_id, task.member)
            await task.member.run()


def _stream(parts: DeskParts, task: OpenTask, committee: Committee, own: int, limit: float) -> Stream:
    """The shared execution of a task in verify mode."""
    header, settings = task.event.header, parts.settings
    # Half of the time is left for this member to generate what others should have.
    patience = replace(settings.patience, total=limit / 2)
    return Stream(
        Relay(task.instance, stream_order(committee), own, patience, trio.current_time()),
        task.event.params.max_tokens,
        parts.publish,
        lambda index: "0x" + committee.member(index).operator.hex(),
        partial(parts.journal.add, header.id),
    )


async def _execute(parts: DeskParts, event: TaskRequested, stream: Stream | None = None) -> Execution | None:
    executor = parts.executors.get(event.header.model_id)
    if executor is None:
        log.warning(
            "model_not_served",
            task=event.id,
            model="0x" + event.header.model_id.hex(),
            remedy="Add the model's GGUF with --model; until then this node votes nil on such tasks.",
        )
        return None

    def progress(chunk: Progress) -> None:
        parts.journal.add(event.id, "inference", chunk=chunk.chunk, tokens=len(chunk.token_ids))

    async def compute(progress: OnProgress, guide: Guide | None = None) -> Execution | None:
        while True:
            try:
                return await executor.execute(event, progress, guide)
            except QueueFull:
                await trio.sleep(QUEUE_PAUSE)
            except InferenceError as error:
                log.error("inference_failed", task=event.id, error=str(error))
                return None

    return await (compute(progress) if stream is None else stream.run(compute))
