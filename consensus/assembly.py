"""Certificates made out of counted votes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consensus.messages import Certificate, Message, RoundCertificate, Vote, VoteGroup
from consensus.signing import SignatureScheme
from consensus.types import InstanceId, Kind, Result, ValueId
from consensus.vote_keeper import VOTE_KINDS, Electorate, VoteKeeper


class Assembler:
    """Makes certificates from what a vote keeper holds."""

    def __init__(
        self, instance: InstanceId, electorate: Electorate, votes: VoteKeeper, scheme: SignatureScheme
    ) -> None:
        self._instance = instance
        self._electorate = electorate
        self._votes = votes
        self._scheme = scheme

    def quorum(self, kind: Kind, round_: int, value: ValueId) -> VoteGroup | None:
        """Return a quorum for one value: of the votes counted here, else one that came whole."""
        votes = self._votes.votes_for(kind, round_, value)
        if self._electorate.quorum(self._weigh(votes)):
            return self._group(votes)
        return self._votes.certified(kind, round_, value)

    def polka(self, round_: int, value: ValueId) -> RoundCertificate | None:
        """Return a quorum of prevotes for this value in this round."""
        group = self.quorum(Kind.PREVOTE, round_, value)
        return None if group is None else self._certificate(Kind.PREVOTE, round_, (group,))

    def decision(self, round_: int, value: ValueId, result: Result) -> Certificate | None:
        """Return the certificate for a result whose value has a quorum of precommits."""
        group = self.quorum(Kind.PRECOMMIT, round_, value)
        if group is None:
            return None
        return Certificate(self._instance, round_, result, group.signers, group.signature)

    def entry(self, round_: int) -> tuple[Message, ...]:
        """Return what justifies being in a round above 0; empty where that is not held.

        A quorum of precommits of the round before (lines 47 and 65), else a weak quorum of votes of one
        kind of this round (line 55), else the parts that only together are one of these.
        """
        previous = self._mixed(Kind.PRECOMMIT, round_ - 1, quorum=True)
        if previous is not None:
            return (previous,)
        for kind in VOTE_KINDS:
            skip = self._mixed(kind, round_, quorum=False)
            if skip is not None:
                return (skip,)
        if self._votes.has_any(round_ - 1, Kind.PRECOMMIT):
            return self._parts(Kind.PRECOMMIT, round_ - 1)
        return tuple(part for kind in VOTE_KINDS for part in self._parts(kind, round_))

    def _parts(self, kind: Kind, round_: int) -> tuple[Message, ...]:
        whole = self._votes.heaviest(kind, round_)
        votes: tuple[Message, ...] = self._votes.votes(kind, round_)
        return votes if whole is None else (whole, *votes)

    def _mixed(self, kind: Kind, round_: int, *, quorum: bool) -> RoundCertificate | None:
        """Return votes of one slot, whatever for, that make the quorum (or weak quorum)."""
        enough = self._electorate.quorum if quorum else self._electorate.weak_quorum
        votes = self._votes.votes(kind, round_)
        if enough(self._weigh(votes)):
            values = sorted({vote.value_id for vote in votes})
            groups = tuple(
                self._group([vote for vote in votes if vote.value_id == value]) for value in values
            )
            return self._certificate(kind, round_, groups)
        whole = self._votes.heaviest(kind, round_)
        if whole is not None:
            signers = [signer for group in whole.groups for signer in group.signers]
            if enough(sum(map(self._electorate.weight_of, signers))):
                return whole
        return None

    def _certificate(self, kind: Kind, round_: int, groups: tuple[VoteGroup, ...]) -> RoundCertificate:
        return RoundCertificate(self._instance, kind, round_, groups)

    def _group(self, votes: Sequence[Vote]) -> VoteGroup:
        """Join equal votes, which the keeper gives ascending by sender."""
        signature = self._scheme.aggregate([vote.signature for vote in votes])
        return VoteGroup(votes[0].value_id, tuple(vote.sender for vote in votes), signature)

    def _weigh(self, votes: Iterable[Vote]) -> int:
        return sum(self._electorate.weight_of(vote.sender) for vote in votes)
