"""Committees and everything their members could sign, under the simulator's fast signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from consensus.committee import Committee, Member
from consensus.hashing import keccak256
from consensus.messages import Certificate, Commit, Proposal, RoundCertificate, Vote, VoteGroup, WorkTag
from consensus.signing import proposal_id, statement, work_tag
from consensus.types import (
    NIL,
    NO_ROUND,
    Domain,
    InstanceId,
    Kind,
    Scope,
    ValueId,
)
from p2pavs.sim.answers import own_result, value_of
from p2pavs.sim.signatures import KeyedScheme

__all__ = ["INSTANCE", "SCHEME", "World", "own_result", "value_of"]

DOMAIN = Domain(31337, b"\x11" * 20)
INSTANCE = InstanceId(1, 0)
SCHEME = KeyedScheme()


@dataclass(frozen=True)
class World:
    """A committee of ``len(weights)`` members and everything they could sign."""

    weights: tuple[int, ...]
    seed: int = 0

    @property
    def committee(self) -> Committee:
        return _committee(self.weights, self.seed)

    @property
    def scope(self) -> Scope:
        return Scope(DOMAIN, INSTANCE, self.committee.root)

    def sign(self, sender: int, kind: Kind, round_: int, value: bytes) -> bytes:
        return SCHEME.sign(_key(sender), statement(self.scope, kind, round_, value))

    def proposal(self, round_: int, output: bytes, pol_round: int = NO_ROUND) -> Proposal:
        """The proposal of a round's proposer."""
        own, sender = own_result(output), self.committee.proposer(round_)
        signature = self.sign(sender, Kind.PROPOSAL, round_, proposal_id(value_of(output), pol_round))
        return Proposal(INSTANCE, round_, pol_round, own.result, output, sender, signature)

    def tag(self, sender: int, secret: bytes) -> WorkTag:
        tag = work_tag(DOMAIN, INSTANCE, _address(sender), secret)
        return WorkTag(tag, self.sign(sender, Kind.WORK_TAG, 0, tag))

    def vote(self, kind: Kind, round_: int, value: ValueId, sender: int, secret: bytes = b"") -> Vote:
        """A vote; one that needs a work tag gets the one made from ``secret``."""
        needs_tag = kind is Kind.PREVOTE and value != NIL
        work = self.tag(sender, secret) if needs_tag else None
        return Vote(INSTANCE, kind, round_, value, sender, self.sign(sender, kind, round_, value), work)

    def prevote(self, round_: int, output: bytes | None, sender: int) -> Vote:
        """An honest prevote for an output, or for nil."""
        if output is None:
            return self.vote(Kind.PREVOTE, round_, NIL, sender)
        return self.vote(Kind.PREVOTE, round_, value_of(output), sender, own_result(output).trace_secret)

    def precommit(self, round_: int, output: bytes | None, sender: int) -> Vote:
        return self.vote(Kind.PRECOMMIT, round_, NIL if output is None else value_of(output), sender)

    def group(self, votes: Sequence[Vote]) -> VoteGroup:
        ordered = sorted(votes, key=lambda vote: vote.sender)
        signature = SCHEME.aggregate([vote.signature for vote in ordered])
        return VoteGroup(ordered[0].value_id, tuple(vote.sender for vote in ordered), signature)

    def certificate(self, votes: Sequence[Vote]) -> RoundCertificate:
        """A round certificate of votes of one slot."""
        values = sorted({vote.value_id for vote in votes})
        groups = tuple(self.group([vote for vote in votes if vote.value_id == value]) for value in values)
        return RoundCertificate(INSTANCE, votes[0].kind, votes[0].round, groups)

    def commit(self, round_: int, output: bytes, signers: Sequence[int]) -> Commit:
        group = self.group([self.precommit(round_, output, signer) for signer in signers])
        result = own_result(output).result
        return Commit(Certificate(INSTANCE, round_, result, group.signers, group.signature), output)


@cache
def _key(index: int) -> bytes:
    return b"key" + index.to_bytes(45, "big")


@cache
def _address(index: int) -> bytes:
    return keccak256(_key(index))[:20]


@cache
def _committee(weights: tuple[int, ...], seed: int) -> Committee:
    members = tuple(
        Member(index, _address(index), _key(index), weight) for index, weight in enumerate(weights)
    )
    task_seed = keccak256(b"seed %d" % seed)
    return Committee(members, sum(weights), keccak256(task_seed), (), task_seed, 0)
