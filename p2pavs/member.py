"""Drives one instance of the consensus core: logs its inputs, applies them, carries out its effects."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import structlog
import trio

from consensus.collecting import Collectors
from consensus.committee import Committee
from consensus.effects import (
    Decided,
    Effect,
    EnteredRound,
    Equivocation,
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
from consensus.gossip_rules import Seen
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
from consensus.verification import Holds, MessageVerifier
from p2pavs.computing import Computing
from p2pavs.echo import Echo
from p2pavs.execution import Execution
from p2pavs.journal import Json
from p2pavs.log import entered_round
from p2pavs.member_ports import MemberPorts
from p2pavs.repair import Repair
from p2pavs.scrutiny import Scrutiny
from p2pavs.statements import Statements
from p2pavs.storage import ConflictingSignature, until_stored
from p2pavs.telling import Telling
from p2pavs.vetting import Vetting
from p2pavs.voice import Voice

INBOX = 1024
"""Inputs that may wait for the instance; when it is full the sources wait."""

BATCH = 64
"""Inputs that are written to the log at once."""

log = structlog.get_logger()


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
        collectors: Collectors,
    ) -> None:
        self.scope = scope
        self.committee = committee
        self.own = own
        self._instance = instance
        self._ports = ports
        self._send_input, self._inbox = trio.open_memory_channel[Input](INBOX)
        self._own_messages: deque[Input] = deque()
        self._telling = Telling(committee, ports.peer_of, self._note)
        self._joined: set[RoundCertificate] = set()  # applied since the current round began
        operator = committee.member(own).operator
        self._statements = Statements(ports.guard, scope, own, operator)
        self._decided = False
        self._vetting = Vetting(committee, verifier, ports.check, ports.blame, self.task_id)
        self._computing = Computing(ports.execute, ports.execution_limit, self._note, self._send_input.send)
        self._repair = Repair(self, ports)
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
        self._voice = Voice(committee, own, instance, collectors, ports.publish, ports.tell)
        self._echo = Echo(
            committee, lambda: self.seen, lambda: self._decided, ports.publish, collectors.rank(own)
        )

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
    def seen(self) -> Seen:
        """What was passed on in this period."""
        return self._vetting.seen

    @property
    def dropped(self) -> int:
        """How many messages found the queue full."""
        return self._vetting.dropped

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
        self._vetting.deliver(message, peer)

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
        with self._inbox, self._vetting.waiting:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._vetting.run, self._take)
                nursery.start_soon(self._repair.repeat, self._say_again)
                nursery.start_soon(self._repair.catch_up, bool(past))
                nursery.start_soon(self._scrutiny.run)
                if self._statements.trace_secret is None:
                    nursery.start_soon(self._computing.run, self._computed)
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

    def _computed(self, execution: Execution) -> None:
        self._scrutiny.execution = execution

    async def _take(self, said: Holds) -> None:
        if isinstance(said.message, DivergenceReport):
            await self._keep_divergence(said.message)
        else:
            await self._send_input.send(Received(said))

    async def _keep_divergence(self, report: DivergenceReport) -> None:
        if not self._telling.heard(report):
            return
        self._scrutiny.reported(report)
        await until_stored(
            lambda: self._ports.evidence.divergence(self.scope, self.committee, report), task=self.task_id
        )

    async def _say_again(self, due: RebroadcastDue) -> None:
        self._vetting.new_period()
        await self._send_input.send(due)

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
        await self._voice.say(message, self._nursery)
        if not isinstance(message, DivergenceReport):
            self._vetting.learn(message)
            self._own_messages.append(_received(message))

    async def _decide(self, effect: Decided) -> None:
        self._decided = True
        self._nursery.start_soon(self._computing.stop_soon)
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
