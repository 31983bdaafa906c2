"""Tallies of votes by round, kind and value: which thresholds are reached, and who voted twice.

Of each member the first vote for a slot (kind, round) counts; a second one for another value is evidence
and nothing more. A certificate enters whole: it proves its quorum by itself, even where it holds votes
that came second to us. Both matter: counted one by one, an equivocator's votes could hide a polka from
some members for ever.

Memory is bounded by the sender: of rounds above the current one the ``FUTURE_ROUNDS`` highest that a
sender spoke in are kept, and single votes more than ``PAST_ROUNDS`` below it are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Protocol

from consensus.messages import RoundCertificate, Vote, VoteGroup
from consensus.types import MAX_ROUND, NIL, Kind, ValueId

FUTURE_ROUNDS = 4
PAST_ROUNDS = 64

VOTE_KINDS = (Kind.PREVOTE, Kind.PRECOMMIT)


class Electorate(Protocol):
    """Who may vote and what it weighs; ``Committee`` is one."""

    def weight_of(self, index: int) -> int:
        """Return a member's weight, 0 for who is no member."""
        ...

    def quorum(self, weight: int) -> bool:
        """Whether this is more than 2/3."""
        ...

    def weak_quorum(self, weight: int) -> bool:
        """Whether this is more than 1/3."""
        ...


@unique
class ThresholdKind(IntEnum):
    """What enough weight can say about a round."""

    SKIP = 1
    """A weak quorum speaks in a round above the current one (line 55)."""
    POLKA_VALUE = 2
    """A quorum prevotes one value (lines 28, 36)."""
    POLKA_NIL = 3
    """A quorum prevotes nil (line 44)."""
    POLKA_ANY = 4
    """A quorum prevotes (line 34)."""
    PRECOMMIT_VALUE = 5
    """A quorum precommits one value (line 49)."""
    PRECOMMIT_ANY = 6
    """A quorum precommits (line 47); a quorum of precommits for nil means no more than that."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold that was just reached. ``value`` is ``NIL`` where the threshold names no value."""

    kind: ThresholdKind
    round: int
    value: ValueId = NIL


@dataclass(frozen=True, slots=True)
class Added:
    """What adding votes changed: thresholds reached for the first time, and evidence."""

    thresholds: tuple[Threshold, ...] = ()
    conflict: tuple[Vote, Vote] | None = None  # first and second, reported once per slot and member


_NOTHING = Added()


def _names(certificate: RoundCertificate | None, sender: int) -> bool:
    return certificate is not None and any(sender in group.signers for group in certificate.groups)


def _is_slot(kind: Kind, round_: int) -> bool:
    return kind in VOTE_KINDS and 0 <= round_ <= MAX_ROUND


@dataclass(slots=True)
class _Tally:
    """The votes of one kind in one round."""

    votes: dict[int, Vote] = field(default_factory=dict)  # the first of each sender
    conflicts: dict[int, Vote] = field(default_factory=dict)  # the second of each sender that has one
    weights: dict[ValueId, int] = field(default_factory=dict)  # of ``votes`` but for excluded members'
    certified: dict[ValueId, VoteGroup] = field(default_factory=dict)  # quorums that came whole
    voters: dict[int, None] = field(default_factory=dict)  # everyone known to have voted, in order
    voters_weight: int = 0
    heaviest: RoundCertificate | None = None  # of those that came whole
    heaviest_weight: int = 0


@dataclass(slots=True)
class _Round:
    prevotes: _Tally = field(default_factory=_Tally)
    precommits: _Tally = field(default_factory=_Tally)
    voters: dict[int, None] = field(default_factory=dict)  # of either kind
    voters_weight: int = 0
    emitted: dict[Threshold, None] = field(default_factory=dict)

    def tally(self, kind: Kind) -> _Tally:
        return self.prevotes if kind is Kind.PREVOTE else self.precommits


class VoteKeeper:
    """Counts the verified votes of one instance. Not thread-safe; deterministic."""

    def __init__(self, electorate: Electorate) -> None:
        self._electorate = electorate
        self._rounds: dict[int, _Round] = {}
        self._future: dict[int, set[int]] = {}  # sender -> rounds above the current one it voted in
        self._excluded: dict[int, None] = {}
        self._decidable: dict[tuple[int, ValueId], None] = {}

    # --- adding -----------------------------------------------------------------------------------------

    def add(self, vote: Vote, current_round: int) -> Added:
        """Count a vote. Those of members without weight and those out of bounds count nothing."""
        weight = self._electorate.weight_of(vote.sender)
        if weight <= 0 or not _is_slot(vote.kind, vote.round):
            return _NOTHING
        if not self._admit(vote.sender, vote.round, current_round):
            return _NOTHING
        held = self._rounds.setdefault(vote.round, _Round())
        tally = held.tally(vote.kind)
        first = tally.votes.get(vote.sender)
        if first is not None:
            if first.value_id == vote.value_id or vote.sender in tally.conflicts:
                return _NOTHING
            tally.conflicts[vote.sender] = vote
            return Added(conflict=(first, vote))
        tally.votes[vote.sender] = vote
        if vote.sender not in self._excluded:
            tally.weights[vote.value_id] = tally.weights.get(vote.value_id, 0) + weight
        self._add_voter(held, tally, vote.sender, weight)
        return Added(self._reached(vote.round, vote.kind, vote.value_id, current_round))

    def add_certificate(self, certificate: RoundCertificate, current_round: int) -> Added:
        """Count a certificate whole. One that names less than a weak quorum is ignored."""
        groups = [(group, self._weigh(group.signers)) for group in certificate.groups]
        everyone = tuple(dict.fromkeys(index for group in certificate.groups for index in group.signers))
        if not _is_slot(certificate.kind, certificate.round):
            return _NOTHING
        total = self._weigh(everyone)
        if not self._electorate.weak_quorum(total):
            return _NOTHING
        held = self._rounds.setdefault(certificate.round, _Round())
        tally = held.tally(certificate.kind)
        if total > tally.heaviest_weight:
            tally.heaviest, tally.heaviest_weight = certificate, total
        for index in everyone:
            weight = self._electorate.weight_of(index)
            if weight > 0:
                self._add_voter(held, tally, index, weight)
        reached: list[Threshold] = []
        for group, weight in groups:
            if self._electorate.quorum(weight):
                tally.certified.setdefault(group.value_id, group)
            reached += self._reached(certificate.round, certificate.kind, group.value_id, current_round)
        return Added(tuple(reached))

    def exclude(self, sender: int) -> None:
        """Let no single vote of a member count for any value, nor for nil. Certificates stay whole.

        Its votes still say that it spoke in a round (lines 34, 47, 55). Otherwise a member that entered a
        round before it knew of the offence could not prove it to those that knew.
        """
        if sender in self._excluded:
            return
        for held in self._rounds.values():
            for tally in (held.prevotes, held.precommits):
                if sender in tally.votes:
                    self._uncount(tally, tally.votes[sender])
        self._excluded[sender] = None

    # --- asking -----------------------------------------------------------------------------------------

    def has_polka(self, round_: int, value: ValueId) -> bool:
        """Whether a quorum prevoted this value (or nil) in this round."""
        held = self._rounds.get(round_)
        return held is not None and self._has_quorum(held.prevotes, value)

    def polkas(self, round_: int) -> tuple[ValueId, ...]:
        """Return the values with a polka in this round: one, unless more than 1/3 equivocate."""
        held = self._rounds.get(round_)
        return () if held is None else self._quorum_values(held.prevotes)

    def has_any(self, round_: int, kind: Kind) -> bool:
        """Whether a quorum cast votes of this kind in this round, whatever for."""
        held = self._rounds.get(round_)
        return held is not None and self._has_quorum_any(held.tally(kind))

    def decidable(self) -> tuple[tuple[int, ValueId], ...]:
        """Return each (round, value) with a quorum of precommits, in the order they were reached."""
        return tuple(
            (round_, value)
            for round_, value in self._decidable
            if round_ in self._rounds and self._has_quorum(self._rounds[round_].precommits, value)
        )

    def skip_to(self, current_round: int) -> int | None:
        """Return the highest round above the current one in which a weak quorum spoke."""
        rounds = [
            round_
            for round_, held in self._rounds.items()
            if round_ > current_round and self._electorate.weak_quorum(held.voters_weight)
        ]
        return max(rounds, default=None)

    def vote_of(self, kind: Kind, round_: int, sender: int) -> Vote | None:
        """Return the first vote of this member in a slot."""
        held = self._rounds.get(round_)
        return None if held is None else held.tally(kind).votes.get(sender)

    def votes(self, kind: Kind, round_: int) -> tuple[Vote, ...]:
        """Return the first votes of all members in a slot, ascending by sender."""
        held = self._rounds.get(round_)
        return (
            ()
            if held is None
            else tuple(held.tally(kind).votes[sender] for sender in sorted(held.tally(kind).votes))
        )

    def votes_for(self, kind: Kind, round_: int, value: ValueId) -> tuple[Vote, ...]:
        """Return the votes that count for a value (or nil), ascending by sender."""
        return tuple(
            vote
            for vote in self.votes(kind, round_)
            if vote.value_id == value and vote.sender not in self._excluded
        )

    def all_votes(self) -> Iterator[Vote]:
        """Return every vote held, evidence included: by round, prevotes first, ascending by sender."""
        for round_ in self.rounds:
            held = self._rounds[round_]
            for tally in (held.prevotes, held.precommits):
                for sender in sorted(tally.votes):
                    yield tally.votes[sender]
                    if sender in tally.conflicts:
                        yield tally.conflicts[sender]

    def contradicted(self, vote: Vote) -> bool:
        """Whether a certificate that came whole names a vote's sender for another value in its slot."""
        held = self._rounds.get(vote.round)
        if held is None:
            return False
        tally = held.tally(vote.kind)
        groups = [*tally.certified.values(), *(() if tally.heaviest is None else tally.heaviest.groups)]
        return any(vote.value_id != group.value_id and vote.sender in group.signers for group in groups)

    def certified(self, kind: Kind, round_: int, value: ValueId) -> VoteGroup | None:
        """Return the quorum for this value that arrived whole, if one did."""
        held = self._rounds.get(round_)
        return None if held is None else held.tally(kind).certified.get(value)

    def heaviest(self, kind: Kind, round_: int) -> RoundCertificate | None:
        """Return the certificate of this slot that came whole with the most weight."""
        held = self._rounds.get(round_)
        return None if held is None else held.tally(kind).heaviest

    def weights(self, kind: Kind, round_: int) -> tuple[tuple[ValueId, int], ...]:
        """Return the weight per value, ascending by value id; a whole certificate counts where it is more."""
        held = self._rounds.get(round_)
        if held is None:
            return ()
        tally = held.tally(kind)
        known = dict(tally.weights)
        for value, group in tally.certified.items():
            known[value] = max(known.get(value, 0), self._weigh(group.signers))
        return tuple(sorted(known.items()))

    @property
    def excluded(self) -> tuple[int, ...]:
        """Members whose votes count for no value, ascending."""
        return tuple(sorted(self._excluded))

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds of which anything is held, ascending."""
        return tuple(sorted(self._rounds))

    # --- inside -----------------------------------------------------------------------------------------

    def _admit(self, sender: int, round_: int, current_round: int) -> bool:
        """Apply the memory bounds; makes room by forgetting the sender's lowest future round."""
        if round_ <= current_round:
            return round_ >= current_round - PAST_ROUNDS
        future = self._future.setdefault(sender, set())
        future.difference_update([held for held in future if held <= current_round])
        if round_ in future:
            return True
        if len(future) >= FUTURE_ROUNDS:
            lowest = min(future)
            if round_ < lowest:
                return False
            future.remove(lowest)
            self._drop(self._rounds[lowest], sender)
            self._forget_if_empty(lowest)
        future.add(round_)
        return True

    def _forget_if_empty(self, round_: int) -> None:
        held = self._rounds[round_]
        if not held.voters and held.prevotes.heaviest is None and held.precommits.heaviest is None:
            del self._rounds[round_]

    def _add_voter(self, held: _Round, tally: _Tally, sender: int, weight: int) -> None:
        if sender not in tally.voters:
            tally.voters[sender] = None
            tally.voters_weight += weight
        if sender not in held.voters:
            held.voters[sender] = None
            held.voters_weight += weight

    def _drop(self, held: _Round, sender: int) -> None:
        weight = self._electorate.weight_of(sender)
        for tally in (held.prevotes, held.precommits):
            vote = tally.votes.pop(sender, None)
            tally.conflicts.pop(sender, None)
            if vote is not None:
                self._uncount(tally, vote)
            if sender in tally.voters and not _names(tally.heaviest, sender):
                del tally.voters[sender]
                tally.voters_weight -= weight
        known = sender in held.prevotes.voters or sender in held.precommits.voters
        if sender in held.voters and not known:
            del held.voters[sender]
            held.voters_weight -= weight

    def _uncount(self, tally: _Tally, vote: Vote) -> None:
        if vote.sender in self._excluded:
            return  # it never counted
        left = tally.weights[vote.value_id] - self._electorate.weight_of(vote.sender)
        if left:
            tally.weights[vote.value_id] = left
        else:
            del tally.weights[vote.value_id]

    def _weigh(self, signers: tuple[int, ...]) -> int:
        return sum(map(self._electorate.weight_of, signers))

    def _has_quorum(self, tally: _Tally, value: ValueId) -> bool:
        return value in tally.certified or self._electorate.quorum(tally.weights.get(value, 0))

    def _has_quorum_any(self, tally: _Tally) -> bool:
        return bool(tally.certified) or self._electorate.quorum(tally.voters_weight)

    def _quorum_values(self, tally: _Tally) -> tuple[ValueId, ...]:
        values = dict.fromkeys([*tally.certified, *tally.weights])
        return tuple(sorted(value for value in values if value != NIL and self._has_quorum(tally, value)))

    def _reached(self, round_: int, kind: Kind, value: ValueId, current_round: int) -> tuple[Threshold, ...]:
        """Return the thresholds that hold now and were not reported before: a skip, then the strongest."""
        held = self._rounds[round_]
        tally = held.tally(kind)
        found: list[Threshold] = []
        if round_ > current_round and self._electorate.weak_quorum(held.voters_weight):
            found.append(Threshold(ThresholdKind.SKIP, round_))
        if value != NIL and self._has_quorum(tally, value):
            if kind is Kind.PREVOTE:
                found.append(Threshold(ThresholdKind.POLKA_VALUE, round_, value))
            else:
                found.append(Threshold(ThresholdKind.PRECOMMIT_VALUE, round_, value))
                self._decidable[round_, value] = None
        elif kind is Kind.PREVOTE and self._has_quorum(tally, NIL) and value == NIL:
            found.append(Threshold(ThresholdKind.POLKA_NIL, round_))
        elif self._has_quorum_any(tally):
            any_ = ThresholdKind.POLKA_ANY if kind is Kind.PREVOTE else ThresholdKind.PRECOMMIT_ANY
            found.append(Threshold(any_, round_))
        fresh = tuple(threshold for threshold in found if threshold not in held.emitted)
        held.emitted.update(dict.fromkeys(fresh))
        return fresh
