"""What members did wrong in one instance, each told once: to the host as evidence, to the others as votes."""

from __future__ import annotations

from consensus.committee import Committee
from consensus.effects import Equivocation, FalseWorkTag, OwnResult, WrongOutput
from consensus.messages import Certificate, Proposal, Vote
from consensus.signing import work_tag
from consensus.types import NIL, NO_ROUND, Kind, Scope, ValueId
from consensus.vote_keeper import VoteKeeper


class OffenceKeeper:
    """Judges messages whose signatures have been verified. Excludes liars from the votes that it shares."""

    def __init__(self, committee: Committee, scope: Scope, votes: VoteKeeper) -> None:
        self._committee = committee
        self._scope = scope
        self._votes = votes
        self._equivocators: set[int] = set()
        self._wrong: set[int] = set()
        self._shown: set[Vote] = set()

    @property
    def equivocators(self) -> tuple[int, ...]:
        """Who signed two messages for one slot, ascending."""
        return tuple(sorted(self._equivocators))

    def equivocation(self, first: Proposal | Vote, second: Proposal | Vote) -> Equivocation:
        """Report two messages for one slot."""
        self._equivocators.add(first.sender)
        return Equivocation(first, second)

    def contradicted(self, votes: tuple[Vote, ...]) -> tuple[Vote, ...]:
        """Return, once, those votes whose sender has voted otherwise in a certificate.

        A certificate shows no single signature. Who holds the other vote has evidence with this one.
        """
        found = tuple(v for v in votes if v not in self._shown and self._votes.contradicted(v))
        self._shown.update(found)
        return found

    def false_tag(self, vote: Vote, own: OwnResult, own_value: ValueId) -> FalseWorkTag | None:
        """Exclude and report the sender of a prevote for the own value under a false work tag, once."""
        if vote.kind is not Kind.PREVOTE or vote.value_id != own_value:
            return None
        operator = self._committee.member(vote.sender).operator
        expected = work_tag(self._scope.domain, self._scope.instance, operator, own.trace_secret)
        if vote.work is None or vote.work.tag == expected or vote.sender in self._votes.excluded:
            return None
        self._votes.exclude(vote.sender)
        return FalseWorkTag(vote, expected)

    def wrong(
        self, message: Proposal | Vote, value: ValueId, certificate: Certificate, certified: ValueId
    ) -> WrongOutput | None:
        """Report a signed value that differs from the certified one, once a member.

        A proposal with a proof of lock is none: the algorithm obliges its proposer to repeat the value.
        """
        if value in (NIL, certified) or message.sender in self._wrong:
            return None
        if isinstance(message, Proposal) and message.pol_round != NO_ROUND:
            return None
        self._wrong.add(message.sender)
        return WrongOutput(message, certificate)
