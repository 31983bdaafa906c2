"""Turns the offences an instance reports into stored evidence and a line an operator can read."""

from __future__ import annotations

from consensus.committee import Committee
from consensus.effects import Equivocation, FalseWorkTag, WrongOutput
from consensus.messages import Commit, DivergenceReport
from consensus.types import Scope
from consensus.wire import encode_message
from p2pavs.journal import Journal
from p2pavs.storage.evidence import EvidenceStore, StoredEvidence


class EvidenceBook:
    """Keeps what others signed and should not have; each offence of an operator in an instance once."""

    def __init__(self, store: EvidenceStore, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    async def offence(
        self,
        scope: Scope,
        committee: Committee,
        effect: Equivocation | FalseWorkTag | WrongOutput,
        trace_secret: bytes | None = None,
    ) -> None:
        """Store an offence with all that proves it: a false work tag takes the own trace secret."""
        match effect:
            case Equivocation(one, two):
                await self._put(
                    scope, committee, "equivocation", one.sender, encode_message(one), encode_message(two)
                )
            case FalseWorkTag(vote, expected_tag):
                await self._put(
                    scope,
                    committee,
                    "lazy-vote",
                    vote.sender,
                    encode_message(vote),
                    expected_tag,
                    trace_secret or b"",
                )
            case WrongOutput(message, certificate):
                proof = encode_message(Commit(certificate, b""))
                await self._put(
                    scope, committee, "wrong-output", message.sender, encode_message(message), proof
                )

    async def divergence(self, scope: Scope, committee: Committee, report: DivergenceReport) -> None:
        """Keep a member's signed statement that it computed something else."""
        await self._put(scope, committee, "divergence", report.sender, encode_message(report), b"")

    async def _put(
        self,
        scope: Scope,
        committee: Committee,
        offence: str,
        sender: int,
        first: bytes,
        second: bytes,
        secret: bytes = b"",
    ) -> None:
        accused = committee.member(sender)
        evidence = StoredEvidence(
            scope.instance,
            scope.committee_root,
            offence,
            accused.operator,
            first,
            second,
            accused.key,
            secret,
        )
        if await self._store.put(evidence):
            name = "0x" + accused.operator.hex()
            self._journal.add(scope.instance.task_id, "evidence", offence=offence, operator=name)
