"""What a member makes of results that are not its own: why it refuses them, and where they part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from consensus.committee import Committee
from consensus.effects import OwnResult
from consensus.messages import Certificate, DivergenceReport, Proposal
from consensus.signing import value_id
from consensus.types import Result
from p2pavs.divergence import Divergence, DivergenceBook, mismatch
from p2pavs.execution import Execution
from p2pavs.journal import Note
from p2pavs.relay import Refused
from p2pavs.traces import Parting, TraceRefused

TRIES = 5
"""How often a member is asked for its trace, which it shows once it has decided."""

WAITING = 16
"""Proposals that are kept until there is an own result to compare them with."""

REMEDY = (
    "This machine computed something else than the committee. Run 'p2pavs doctor'; if all checks pass, "
    "test the memory and the processor."
)

log = structlog.get_logger()

Compare = Callable[[bytes, Execution, Result], Awaitable[Parting | None]]
"""Asks an operator where its result parts from the own one. Raises ``TraceRefused``."""


async def nobody(operator: bytes, own: Execution, theirs: Result) -> Parting | None:
    """Compare where there is no network."""
    raise TraceRefused("nobody can be asked")


class Scrutiny:
    """Compares others' results with the own one. It explains and never decides."""

    def __init__(
        self,
        task_id: int,
        committee: Committee,
        own: int,
        note: Note,
        book: DivergenceBook,
        compare: Compare,
        refusal: Callable[[int], Refused | None],
        pause: float,
    ) -> None:
        """``refusal`` tells where a member's chunks were wrong; ``pause`` is in seconds, between tries."""
        self._task_id = task_id
        self._committee = committee
        self._own = own
        self._note = note
        self._book = book
        self._compare = compare
        self._refusal = refusal
        self._pause = pause
        self._result: OwnResult | None = None
        self._waiting: list[Proposal] = []  # for the own result
        self._doubtful: dict[int, Result] = {}  # results of others that are not the own one
        self._certificate: Certificate | None = None
        self._decided = trio.Event()
        self._news = trio.Event()
        self.execution: Execution | None = None
        """With its trace; None after a restart."""

    @property
    def trace(self) -> Execution | None:
        """What others may see: nothing before the decision."""
        return self.execution if self._decided.is_set() else None

    @property
    def first_chunk(self) -> int:
        """The first chunk in which another member's answer was not the own one; -1 if none was."""
        found = [self._refusal(member.index) for member in self._committee.members]
        return min((one.chunk for one in found if one is not None), default=-1)

    def computed(self, own: OwnResult) -> None:
        """Take the own result."""
        self._result = own
        for proposal in self._waiting:
            self._judge(proposal)
        self._waiting = []

    def proposed(self, proposal: Proposal) -> None:
        """Take a proposal whose signature holds."""
        if self._result is None:
            self._waiting = [*self._waiting[-WAITING + 1 :], proposal]
        else:
            self._judge(proposal)

    def reported(self, report: DivergenceReport) -> None:
        """Take a member's signed word that it computed something else."""
        self._doubt(report.sender, report.own)

    def decided(self, certificate: Certificate) -> None:
        """Take the certified result."""
        self._certificate = certificate
        self._decided.set()

    async def run(self) -> None:
        """Find out where results part, once the instance has decided and members show their traces."""
        await self._decided.wait()
        if self._result is None or self._certificate is None:
            return
        if value_id(self._result.result) != value_id(self._certificate.result):
            await self._examine_own(self._certificate)
            return
        done: set[int] = set()
        while True:
            self._news = trio.Event()
            for member, result in list(self._doubtful.items()):
                if member not in done:
                    done.add(member)
                    await self._examine([member], result, member)
            await self._news.wait()

    def _judge(self, proposal: Proposal) -> None:
        if self._result is None or value_id(proposal.result) == value_id(self._result.result):
            return
        why = mismatch(
            self._result.result,
            self._result.output,
            proposal.result,
            proposal.output,
            self._refusal(proposal.sender),
        )
        self._note(
            "proposal_refused",
            round=proposal.round,
            operator=self._name(proposal.sender),
            reason=why.reason,
            byte=why.byte,
            position=why.position,
        )
        self._doubt(proposal.sender, proposal.result)

    def _doubt(self, member: int, result: Result) -> None:
        own = None if self._result is None else value_id(self._result.result)
        if member != self._own and value_id(result) != own:
            self._doubtful[member] = result
            self._news.set()

    async def _examine_own(self, certificate: Certificate) -> None:
        """Ask those who signed; one honest answer suffices, and any answer must fit the certified root."""
        signers = [signer for signer in certificate.signers if signer != self._own]
        await self._examine(signers, certificate.result, self._own)

    async def _examine(self, asked: Sequence[int], result: Result, about: int) -> None:
        found: Parting | str | None = "unknown: the task was over before anybody answered"
        try:
            found = await self._ask(asked, result)
        finally:
            self._record(found, about, result, own=about == self._own)

    async def _ask(self, members: Sequence[int], result: Result) -> Parting | str | None:
        """Where the results part, None for nowhere, or why nobody can tell."""
        if self.execution is None:
            return "the own trace is gone with a restart"
        reason = "nobody can be asked"
        for tried in range(TRIES):
            if tried:
                await trio.sleep(self._pause)
            for member in members:
                operator = self._committee.member(member).operator
                try:
                    return await self._compare(operator, self.execution, result)
                except TraceRefused as error:
                    reason = str(error)
        return f"unknown: {reason}"

    def _record(self, found: Parting | str | None, member: int, result: Result, *, own: bool) -> None:
        if self._result is None:
            return
        refused = None if own else self._refusal(member)
        chunk, position, detail = -1, -1, "the traces are equal"
        match found:
            case Parting():
                chunk, position, detail = found.chunk, found.position, str(found)
            case str():
                detail = found
                if refused is not None:
                    chunk, position, detail = refused.chunk, refused.position, str(refused)
            case None:
                pass
        divergence = Divergence(
            self._task_id,
            self._committee.member(member).operator,
            own,
            chunk,
            position,
            detail,
            result.runtime_profile != self._result.result.runtime_profile,
        )
        self._book.add(divergence)
        self._note("diverged", **divergence.fields())
        if own:
            log.warning("own_result_diverged", task=self._task_id, remedy=REMEDY, **divergence.fields())

    def _name(self, index: int) -> str:
        return "0x" + self._committee.member(index).operator.hex()
