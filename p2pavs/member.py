"""Drives one instance of the consensus core: logs its inputs, applies them, carries out its effects."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
import trio

from consensus.committee import Committee
from consensus.effects import (
    Decided,
    Effect,
    EnteredRound,
    Equivocation,
    ExecutionTimeout,
    FalseWorkTag,
    Input,
    OwnResult,
    Publish,
    RebroadcastDue,
    Received,
    SetTimer,
    SignDivergence,
    SignProposal,
    SignVote,
    TimerFired,
    Verified,
    WrongOutput,
)
from consensus.gossip_rules import Ignore, Reject, Running, Seen, check
from consensus.instance import Instance
from consensus.messages import (
    Commit,
    DivergenceReport,
    Message,
    OutputChunk,
    Proposal,
    RoundCertificate,
    Vote,
)
from consensus.signing import value_id
from consensus.types import Scope, Step, ValueId
from consensus.verification import Invalid, MessageVerifier, Outcome
from p2pavs.divergence import DivergenceBook
from p2pavs.echo import Echo
from p2pavs.evidence_book import EvidenceBook
from p2pavs.execution import Execution
from p2pavs.journal import Journal, Json
from p2pavs.log import entered_round
from p2pavs.network import Offence
from p2pavs.scrutiny import Compare, Scrutiny, nobody
from p2pavs.seldom import Seldom
from p2pavs.settings import NodeSettings
from p2pavs.statements import Statements
from p2pavs.storage import (
    CertificateStore,
    ConflictingSignature,
    InputLog,
    KeyGuard,
    SignGuard,
    until_stored,
)
from p2pavs.streaming import Stream
from p2pavs.telling import Telling

INBOX = 1024
"""Inputs that may wait for the instance; when it is full the sources wait."""

UNVERIFIED = 2048
"""Messages of peers that may wait for their signature check; more are dropped (and repeated by gossip)."""

BATCH = 64

LATE_RESULT = 10.0
"""Seconds after the decision for which a member that was slower than the others still computes."""

GATHER = 0.0005
"""Seconds for each member of the committee that the first of a batch of messages waits for more.

Votes checked one by one cost three times what they cost together; with 64 members this makes 32 ms.
"""

REPEATED_AS_SET = 10
"""Members up to which the rebroadcast period is the one that is set. With more it grows in proportion: each
repetition costs every member something, and what is missed is also asked for."""

FIRST_LOOK = 1.0
"""Seconds after which peers are first asked for what was missed, where there is no certificate by then."""

LEAST_GATHER = 0.008
"""The votes of a small committee are a few ms apart."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MemberPorts:
    """What a member needs from its node."""

    guard: SignGuard | KeyGuard
    inputs: InputLog
    certificates: CertificateStore
    evidence: EvidenceBook
    journal: Journal
    settings: NodeSettings
    publish: Callable[[Message], Awaitable[None]]
    """Sends a message to the committee's topic."""
    has_room: Callable[[], bool]
    """Whether a repetition may be published, or other tasks need the room for what is new."""
    catch_up: Callable[[], Awaitable[Sequence[tuple[Message, str]]]]
    """Asks peers for what they know of this instance; each message with the peer it came from."""
    execute: Callable[[], Awaitable[Execution | None]]
    """Computes the own result, or None where this operator cannot."""
    execution_limit: float
    """Seconds from now after which the member takes part without an own result."""
    decided: Callable[[Commit], Awaitable[None]]
    """Takes over a certificate: posts it when it is this operator's turn."""
    author_of: Callable[[str], bytes | None] = lambda peer: None
    """Tells which operator (20 bytes) a peer is."""
    peer_of: Callable[[bytes], str | None] = lambda operator: None
    """Tells an operator's peer id."""
    stream: Stream | None = None
    """The part of the execution that members share, where the task asks for that."""
    compare: Compare = nobody
    """Asks an operator where its result parts from the own one."""
    divergences: DivergenceBook = field(default_factory=DivergenceBook)
    verified: Callable[[float], None] = lambda seconds: None
    """Told what checking a batch of signatures took, in seconds of the processor."""
    blame: Callable[[str, Offence], None] = lambda peer, offence: None
    """Told which peer sent a message whose signatures do not hold."""


class Member:
    """One operator's part in one instance, from the task's block to the decision and beyond.

    ``run`` goes on after the decision, so that members that missed it can still be helped; cancel it when
    the chain holds the certificate.
    """

    def __init__(
        self,
        instance: Instance,
        committee: Committee,
        scope: Scope,
        own: int,
        verifier: MessageVerifier,
        ports: MemberPorts,
    ) -> None:
        self.scope = scope
        self.committee = committee
        self.own = own
        self._instance = instance
        self._verifier = verifier
        self._ports = ports
        self._send_input, self._inbox = trio.open_memory_channel[Input](INBOX)
        self._send_raw, self._raw = trio.open_memory_channel[tuple[Message, str]](UNVERIFIED)
        self._own_messages: deque[Input] = deque()
        self._telling = Telling(committee, ports.peer_of, self._note)
        self._joined: set[RoundCertificate] = set()  # applied since the current round began
        operator = committee.member(own).operator
        self._statements = Statements(ports.guard, scope, own, operator)
        self._decided = False
        self._computing = trio.CancelScope()
        self._seldom = Seldom()
        self._scrutiny = Scrutiny(
            self.task_id,
            committee,
            own,
            self._note,
            ports.divergences,
            ports.compare,
            lambda index: None if ports.stream is None else ports.stream.refusal(index),
            ports.settings.rebroadcast_every,
        )
        self.seen = Seen()
        self._echo = Echo(committee, lambda: self.seen, lambda: self._decided, ports.publish)
        self.dropped = 0

    @property
    def task_id(self) -> int:
        """The task this member works on."""
        return self.scope.instance.task_id

    @property
    def decided(self) -> bool:
        """Whether the instance has decided."""
        return self._decided

    @property
    def round(self) -> int:
        """The current round, -1 before the first."""
        return self._instance.round

    @property
    def chunks(self) -> int:
        """How many chunks the answer can have; 0 where members do not stream."""
        return 0 if self._ports.stream is None else self._ports.stream.max_chunks

    @property
    def trace(self) -> Execution | None:
        """The own result with its trace, as far as others may see it: not before the decision."""
        return self._scrutiny.trace

    def deliver(self, message: Message, peer: str = "") -> None:
        """Take a message that `peer` answers for.

        Never blocks; drops when the queue is full, because gossip repeats.
        """
        if isinstance(message, OutputChunk):
            if self._ports.stream is not None:
                self._ports.stream.hear(message)
            return
        try:
            self._send_raw.send_nowait((message, peer))
        except trio.WouldBlock:
            self.dropped += 1
        except trio.BrokenResourceError:  # the member has just ended
            pass

    def fullest(self) -> Commit | None:
        """The decision, signed by all whose precommits have arrived."""
        return self._instance.fullest()

    def precommits(self, round_: int, value: bytes) -> tuple[Vote, ...]:
        """The precommits for a value that have arrived, ascending by sender."""
        return self._instance.precommits(round_, ValueId(value))

    def messages(self) -> Sequence[Message]:
        """What a peer that catches up should be given."""
        stream = self._ports.stream
        chunks = [] if stream is None or self._decided else stream.chunks()
        return (*self._instance.messages(), *chunks)

    async def run(self) -> None:
        """Replay the log, then work until cancelled."""
        past = await self._ports.inputs.replay()
        effects: list[Effect] = []
        for one in past:
            self._note_secret(one)
            # What was published before the crash is repeated by the rebroadcast timer.
            effects += [effect for effect in self._instance.apply(one) if not isinstance(effect, Publish)]
        if past:
            self._note("resumed", inputs=len(past))
        # Closed without a checkpoint: one in a cancelled scope would hide what failed.
        with self._inbox, self._raw:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._verify)
                nursery.start_soon(self._repeat)
                nursery.start_soon(self._catch_up, bool(past))
                nursery.start_soon(self._scrutiny.run)
                if self._statements.trace_secret is None:
                    nursery.start_soon(self._compute)
                for effect in effects:
                    await self._carry_out(effect)
                while True:
                    await self._step()

    async def _step(self) -> None:
        """Take what waits, write it to the log, apply it, carry out the effects."""
        batch: list[Input] = list(self._own_messages)
        self._own_messages.clear()
        if not batch:
            batch.append(await self._inbox.receive())
        while len(batch) < BATCH:
            try:
                batch.append(self._inbox.receive_nowait())
            except trio.WouldBlock:
                break
        batch = self._news(batch)
        if not batch:
            return
        await until_stored(lambda: self._ports.inputs.append(batch), task=self.task_id)
        for one in batch:
            self._note_secret(one)
            match one:
                case Received():
                    self._tell(one.message.message)
                case TimerFired():
                    self._tell_timeout(one)
            effects = self._instance.apply(one)
            if any(isinstance(effect, EnteredRound) for effect in effects):
                self._joined.clear()
            if isinstance(one, Received) and isinstance(one.message.message, RoundCertificate):
                self._joined.add(one.message.message)
            for effect in effects:
                await self._carry_out(effect)

    def _news(self, batch: Sequence[Input]) -> list[Input]:
        """Leave out repetitions of what the instance holds: they change nothing, and would fill the log."""
        held: set[Message] = {m for m in self._instance.messages() if not isinstance(m, RoundCertificate)}
        held |= self._joined
        return [one for one in batch if not (isinstance(one, Received) and one.message.message in held)]

    # --- sources of inputs --------------------------------------------------------------------------------

    async def _compute(self) -> None:
        """Run the model. Past the limit the member votes without a result, and takes it when it comes."""
        self._note("inference_started")
        execution: Execution | None = None
        with self._computing:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._give_up_waiting)
                execution = await self._ports.execute()
                nursery.cancel_scope.cancel()
        if self._computing.cancelled_caught:
            self._note("inference_stopped")
            return
        if execution is None:
            await self._send_input.send(ExecutionTimeout())
            return
        self._scrutiny.execution = execution
        self._note(
            "inference_done",
            tokens=execution.result.token_count,
            status=execution.result.status.name.lower(),
            value=value_id(execution.result).hex(),
        )
        await self._send_input.send(OwnResult(execution.result, execution.output, execution.trace_secret))

    async def _stop_computing(self) -> None:
        """The others decided. What comes soon still shows whether this machine computes the same bits."""
        await trio.sleep(LATE_RESULT)
        self._computing.cancel()

    async def _give_up_waiting(self) -> None:
        await trio.sleep(self._ports.execution_limit)
        self._note("inference_late")
        await self._send_input.send(ExecutionTimeout())

    async def _verify(self) -> None:
        async for first in self._raw:
            if self._raw.statistics().current_buffer_used < BATCH - 1:
                await trio.sleep(max(LEAST_GATHER, GATHER * len(self.committee.members)))
            batch = [first]
            while len(batch) < BATCH:
                try:
                    batch.append(self._raw.receive_nowait())
                except trio.WouldBlock:
                    break
            messages = [message for message, _ in batch]
            verdicts, seconds = await trio.to_thread.run_sync(self._verify_many, messages)
            self._ports.verified(seconds)
            for (_, peer), verdict in zip(batch, verdicts, strict=True):
                if isinstance(verdict, Invalid):
                    self._refuse(peer, verdict.reason)
                    continue
                self.seen.remember(verdict.message, self.committee)
                if isinstance(verdict.message, DivergenceReport):
                    await self._keep_divergence(verdict.message)
                else:
                    await self._send_input.send(Received(verdict))

    def _verify_many(self, messages: Sequence[Message]) -> tuple[list[Outcome], float]:
        """In a thread; also the seconds of the processor that it took."""
        begin = time.thread_time()
        verdicts = self._verifier.verify_many(messages)
        return verdicts, time.thread_time() - begin

    def _refuse(self, peer: str, reason: str) -> None:
        self._ports.blame(peer, Offence.FORGED)
        if (unsaid := self._seldom.due(peer)) is not None:
            log.warning("message_refused", task=self.task_id, peer=peer, reason=reason, unsaid=unsaid)

    async def _keep_divergence(self, report: DivergenceReport) -> None:
        if not self._telling.heard(report):
            return
        self._scrutiny.reported(report)
        await until_stored(
            lambda: self._ports.evidence.divergence(self.scope, self.committee, report), task=self.task_id
        )

    async def _repeat(self) -> None:
        """Repeat the last words: gossip loses messages."""
        size = len(self.committee.members) / REPEATED_AS_SET
        pause = self._ports.settings.rebroadcast_every * max(1.0, size)
        while True:
            if self._decided:
                pause *= 2  # those who missed the certificate also ask for it, and find it on the chain
            await trio.sleep(pause)
            if not self._ports.has_room():
                continue  # what is new goes first; who misses something also asks for it
            self.seen = Seen()
            await self._send_input.send(RebroadcastDue())

    async def _catch_up(self, resumed: bool) -> None:
        """Ask peers for what was missed until the instance has decided. They may be slow, or lie."""
        if not resumed:
            await trio.sleep(FIRST_LOOK)
        while not self._decided:
            for message, peer in await self._ports.catch_up():
                running = Running(self.committee, self.round, self.chunks)
                try:
                    check(message, running, False, self.seen, self._ports.author_of(peer))
                except (Ignore, Reject):
                    continue
                if isinstance(message, OutputChunk) and self._ports.stream is not None:
                    self._ports.stream.hear(message, asked=True)
                else:
                    self.deliver(message, peer)
            await trio.sleep(self._ports.settings.rebroadcast_every)

    async def _timer(self, effect: SetTimer) -> None:
        milliseconds = self._ports.settings.timeouts.duration(effect.step, effect.round)
        await trio.sleep(milliseconds / 1000)
        await self._send_input.send(TimerFired(effect.step, effect.round))

    # --- effects ------------------------------------------------------------------------------------------

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SignProposal() | SignVote() | SignDivergence():
                await self._sign(effect)
            case Publish(message):
                if isinstance(message, Proposal | Vote) and message.sender == self.own:
                    await self._ports.publish(message)
                else:
                    self._nursery.start_soon(self._echo.say, message)
            case SetTimer():
                self._nursery.start_soon(self._timer, effect)
            case EnteredRound(round_, proposer):
                entered_round(round_)
                self._note("round", round=round_, proposer=self._telling.name(proposer))
            case Decided():
                await self._decide(effect)
            case Equivocation() | FalseWorkTag() | WrongOutput():
                await until_stored(
                    lambda: self._ports.evidence.offence(
                        self.scope, self.committee, effect, self._statements.trace_secret
                    ),
                    task=self.task_id,
                )

    async def _sign(self, effect: SignProposal | SignVote | SignDivergence) -> None:
        try:
            message = await until_stored(
                lambda: self._statements.sign(effect, self._scrutiny.first_chunk), task=self.task_id
            )
        except ConflictingSignature as error:
            log.error("signature_refused", task=self.task_id, error=error.message, remedy=error.remedy)
            return
        await self._ports.publish(message)
        if not isinstance(message, DivergenceReport):
            self._own_messages.append(_received(message))

    async def _decide(self, effect: Decided) -> None:
        self._decided = True
        self._nursery.start_soon(self._stop_computing)
        certificate = effect.certificate
        self._scrutiny.decided(certificate)
        weight = sum(self.committee.weight_of(signer) for signer in certificate.signers)
        self._note(
            "certificate",
            round=certificate.round,
            value=value_id(certificate.result).hex(),
            signers=[self._telling.name(signer) for signer in certificate.signers],
            weight=weight,
            total=self.committee.total_weight,
        )
        if effect.output is not None:
            commit = Commit(certificate, effect.output)
            await until_stored(lambda: self._ports.certificates.put(self.scope, commit), task=self.task_id)
            await self._ports.decided(commit)

    # --- the operator's eyes ------------------------------------------------------------------------------

    def _note_secret(self, one: Input) -> None:
        if isinstance(one, OwnResult):
            self._statements.computed(one)
            self._scrutiny.computed(one)

    def _tell(self, message: Proposal | Vote | RoundCertificate | Commit) -> None:
        if self._telling.heard(message) and isinstance(message, Proposal):
            self._scrutiny.proposed(message)

    def _tell_timeout(self, timer: TimerFired) -> None:
        """Only of timers that change something: most fire when their step is over."""
        status = self._instance.status()
        waiting = timer.step == Step.PRECOMMIT or timer.step == status.step
        if timer.round == status.round and waiting and not self._decided:
            self._note("timeout", round=timer.round, step=timer.step.name.lower())

    def _note(self, kind: str, **fields: Json) -> None:
        self._ports.journal.add(self.task_id, kind, **fields)


def _received(message: Proposal | Vote) -> Received:
    """An own message, which its signer need not verify."""
    match message:
        case Proposal():
            return Received(Verified(message))
        case Vote():
            return Received(Verified(message))
