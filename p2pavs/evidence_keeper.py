"""Reports offences to the chain and has them punished. Operators take turns, so that not all of them pay."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
import trio

from consensus.hashing import keccak256
from p2pavs.absence import AbsenceWatch
from p2pavs.accusation import SUBMITTED, NoProof, accuse
from p2pavs.chain import reader, slashing
from p2pavs.chain.contracts import Call, Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.evidence import ChainEvidence
from p2pavs.chain.poster import Sender
from p2pavs.errors import P2pavsError
from p2pavs.storage import CertificateStore
from p2pavs.storage.evidence import EvidenceState, EvidenceStore
from p2pavs.task_facts import TaskFacts

CHECK_EVERY = 3.0  # seconds
ABSENCE_EVERY = 60.0  # seconds
TURN = 12.0  # seconds that each operator has before the next one reports too

log = structlog.get_logger()


class EvidenceKeeper:
    """Reports what this node holds, and executes the cases whose veto window is over.

    For each offence the operators of the current set, without the accused, are ranked by a hash of offence
    and account; rank i waits i times ``TURN``. Anyone may report; the ranking only keeps the operators from
    paying for the same report twice.
    """

    def __init__(
        self,
        chain: Chain,
        sender: Sender,
        operator: bytes,
        store: EvidenceStore,
        certificates: CertificateStore,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._chain = chain
        self._sender = sender
        self._operator = operator
        self._store = store
        self._certificates = certificates
        self._now = now
        self._absence = AbsenceWatch(chain)
        self._absence_due = 0.0
        self._absent_since: dict[tuple[bytes, int], float] = {}
        self._closed: set[int] = set()
        self.reported = 0
        self.executed = 0
        self.accused = False
        """Whether a case against this operator is open."""

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await trio.sleep(CHECK_EVERY)
            try:
                await self.step()
            except P2pavsError as error:  # the chain or the disk: both come back
                log.warning("evidence_not_reported", error=error.message, remedy=error.remedy)
            except ValueError as error:
                log.warning("evidence_unreadable", error=str(error))

    async def step(self) -> None:
        """Report and execute what is this operator's to do now. Raises ``ChainError``."""
        await self._report_stored()
        await self._report_absences()
        await self._execute_cases()

    # --- reports ------------------------------------------------------------------------------------------

    async def _report_stored(self) -> None:
        facts = TaskFacts(self._chain)
        for stored in await self._store.open():
            if stored.offence not in SUBMITTED or stored.operator == self._operator:
                continue
            try:
                evidence = await accuse(self._chain, self._certificates, stored, facts)
            except NoProof as reason:
                log.warning("evidence_useless", task=stored.instance.task_id, reason=str(reason))
                await self._store.set_state(stored.id, EvidenceState.REFUSED)
                continue
            if evidence is None:
                continue
            if await slashing.is_booked(self._chain, evidence):
                await self._store.set_state(stored.id, EvidenceState.BOOKED)
            elif await self._is_my_turn(evidence.data, stored.operator, stored.found_at):
                taken = await self._report(evidence)
                await self._store.set_state(
                    stored.id, EvidenceState.BOOKED if taken else EvidenceState.REFUSED
                )

    async def _report_absences(self) -> None:
        if self._now() < self._absence_due:
            return
        self._absence_due = self._now() + ABSENCE_EVERY
        for evidence in await self._absence.find():
            key = (evidence.operator, evidence.first_task)
            since = self._absent_since.setdefault(key, self._now())
            if evidence.operator == self._operator or await slashing.is_booked(self._chain, evidence):
                continue
            if await self._is_my_turn(repr(key).encode(), evidence.operator, since):
                await self._report(evidence)

    async def _report(self, evidence: ChainEvidence) -> bool:
        """Send a report; whether the chain took it. Raises ``ChainError`` for all but a refusal."""
        refusal = await self._send(slashing.report_call(self._chain, evidence))
        if refusal is None:
            self.reported += 1
            log.warning(
                "offence_reported",
                verifier=evidence.verifier,
                operator="0x" + evidence.operator.hex(),
                task=evidence.first_task,
            )
        return refusal in (None, "OffenceKnown")

    # --- cases --------------------------------------------------------------------------------------------

    async def _execute_cases(self) -> None:
        accused = False
        for number in range(1, await slashing.case_count(self._chain) + 1):
            if number in self._closed:
                continue
            case = await slashing.read_case(self._chain, number)
            if case.closed:
                self._closed.add(number)
                continue
            accused = accused or case.operator == self._operator
            turn = await self._is_my_turn(number.to_bytes(32, "big"), case.operator, case.executable_from)
            if case.operator == self._operator or not turn:
                continue
            call = await slashing.execute_call(self._chain, number)
            refusal = None if call is None else await self._send(call)
            if refusal == "StillContestable":
                continue  # the chain's clock is behind ours
            if call is None or refusal is not None:
                self._closed.add(number)  # the operator cleared itself, or the evidence cannot be read
                continue
            self.executed += 1
            log.warning("case_executed", case=number, operator="0x" + case.operator.hex())
        self.accused = accused

    # --- small parts --------------------------------------------------------------------------------------

    async def _send(self, call: Call) -> str | None:
        """Send a call if a simulation lets it pass; returns the error that refuses it, None if none does."""
        try:
            await self._chain.simulate(call, self._operator)
            await self._sender.send(call)
        except ContractRevert as error:
            if error.name not in ("OffenceKnown", "StillContestable"):
                log.warning("report_refused", call=call.what, error=error.message)
            return error.name
        return None

    async def _is_my_turn(self, offence: bytes, accused: bytes, since: float) -> bool:
        current = await reader.current_epoch(self._chain)
        if not current:
            return False
        operators = (await reader.read_operator_set(self._chain, current)).operators
        accounts = [one.operator for one in operators if one.operator != accused]
        ranking = sorted(accounts, key=lambda account: keccak256(offence + account))
        # Who is not in the set may report, after everyone who is.
        rank = ranking.index(self._operator) if self._operator in ranking else len(ranking)
        return self._now() >= since + rank * TURN
