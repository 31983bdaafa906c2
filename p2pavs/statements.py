"""Signs what the consensus core asks for: through the sign guard, and only what the member computed."""

from __future__ import annotations

from consensus.effects import OwnResult, SignDivergence, SignProposal, SignVote
from consensus.messages import DivergenceReport, Proposal, Vote, WorkTag
from consensus.signing import proposal_id, value_id, work_tag
from consensus.types import NIL, Kind, Scope
from p2pavs.storage import KeyGuard, SignGuard, Slot


class Statements:
    """The signed statements of one member in one instance."""

    def __init__(self, guard: SignGuard | KeyGuard, scope: Scope, own: int, operator: bytes) -> None:
        """`own` is the member's index in its committee, `operator` its account (20 bytes)."""
        self._guard = guard
        self._scope = scope
        self._own = own
        self._operator = operator
        self.trace_secret: bytes | None = None
        """Proof of the own computation, once there is a result."""

    def computed(self, own: OwnResult) -> None:
        """Take over what shows that the model was run."""
        self.trace_secret = own.trace_secret

    async def sign(
        self, effect: SignProposal | SignVote | SignDivergence, first_chunk: int
    ) -> Proposal | Vote | DivergenceReport:
        """The signed message. `first_chunk` tells where a diverging result parts from the certified one.

        Raises ``ConflictingSignature`` where another statement was signed for the same slot.
        """
        instance = self._scope.instance
        match effect:
            case SignProposal(round_, pol_round, result, output):
                slot = Slot(self._scope, Kind.PROPOSAL, round_)
                signature = await self._guard.sign(slot, proposal_id(value_id(result), pol_round))
                return Proposal(instance, round_, pol_round, result, output, self._own, signature)
            case SignVote(kind, round_, value):
                work = await self._work_tag() if kind is Kind.PREVOTE and value != NIL else None
                signature = await self._guard.sign(Slot(self._scope, kind, round_), value)
                return Vote(instance, kind, round_, value, self._own, signature, work)
            case SignDivergence(own):
                signature = await self._guard.sign(Slot(self._scope, Kind.OUTPUT, 0), value_id(own))
                return DivergenceReport(instance, own, first_chunk, self._own, signature)

    async def _work_tag(self) -> WorkTag:
        if self.trace_secret is None:
            raise RuntimeError("asked to prevote a value that this member has not computed")
        tag = work_tag(self._scope.domain, self._scope.instance, self._operator, self.trace_secret)
        return WorkTag(tag, await self._guard.sign(Slot(self._scope, Kind.WORK_TAG, 0), tag))
