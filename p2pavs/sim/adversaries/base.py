"""What misbehaving members have in common: their own key, and no scruples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from consensus.messages import Message, Proposal, Vote, WorkTag
from consensus.signing import proposal_id, work_tag
from consensus.types import NIL, NO_ROUND, Kind, ValueId
from p2pavs.sim.host import Host

if TYPE_CHECKING:
    from collections.abc import Sequence


class Byzantine(Host):
    """Follows the protocol except where a subclass does not. Its guard stops nothing."""

    honest: ClassVar[bool] = False

    @property
    def others(self) -> list[Host]:
        """All other processes."""
        return [host for host in self.simulation.hosts if host is not self]

    def vote_for(self, kind: Kind, round_: int, value: ValueId, secret: bytes | None = None) -> Vote:
        """Sign a vote, whatever was signed before; ``secret`` makes the tag of a prevote for a value."""
        work = None
        if kind is Kind.PREVOTE and value != NIL:
            work = self.free_work(self.simulation.secret_of(value) if secret is None else secret)
        signature = self.sign(kind, round_, value)
        return Vote(self.simulation.scope.instance, kind, round_, value, self.member, signature, work)

    def free_work(self, secret: bytes) -> WorkTag:
        """Sign a work tag, whatever was signed before."""
        made = self.simulation
        tag = work_tag(made.scope.domain, made.scope.instance, made.address(self.member), secret)
        return WorkTag(tag, self.sign(Kind.WORK_TAG, 0, tag))

    def proposal_of(self, round_: int, value: ValueId, pol_round: int = NO_ROUND) -> Proposal:
        """Sign a proposal for any known value."""
        result, output = self.simulation.result_of(value)
        signature = self.sign(Kind.PROPOSAL, round_, proposal_id(value, pol_round))
        return Proposal(
            self.simulation.scope.instance, round_, pol_round, result, output, self.member, signature
        )

    def tell(self, message: Message, receivers: Sequence[Host]) -> None:
        """Send a message to some."""
        self.simulation.spread(self, self.simulation.parcel(self, message), list(receivers))

    def halves(self) -> tuple[list[Host], list[Host]]:
        """Divide the others in two; all misbehaving members divide them the same way."""
        others = self.others
        even = [host for host in others if host.member % 2 == 0]
        return even, [host for host in others if host.member % 2]

    def tempting(self, round_: int) -> tuple[ValueId, ValueId]:
        """Return two values to stir up a round with: the one that is on offer, and any other."""
        known = self.simulation.known_values
        offer = self.instance.offer(round_)
        first = self.random.choice(known) if offer is None else offer.value
        others = [value for value in known if value != first]
        return first, self.random.choice(others) if others else NIL
