"""From untrusted messages to ``Verified`` ones: form, membership, then signatures, many at once.

What is checked here needs nothing but the message and its committee. Whether a value is the member's own
and whether a work tag is right is for the instance, which knows the trace secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from consensus import bls
from consensus.certificate import CertificateError, certificate_claim, check_signers
from consensus.committee import Committee
from consensus.effects import Verified
from consensus.hashing import keccak256
from consensus.known_signatures import KnownSignatures
from consensus.messages import (
    Commit,
    DivergenceReport,
    Message,
    OutputChunk,
    Proposal,
    RoundCertificate,
    Vote,
)
from consensus.signing import Randomness, SignatureCheck, SignatureScheme, proposal_id, statement, value_id
from consensus.types import MAX_OUTPUT_BYTES, MAX_ROUND, NIL, NO_ROUND, Kind, Result, Scope

BAD_SIGNATURE: Final = "a signature does not hold"


class VerificationError(ValueError):
    """A message breaks a rule that no honest member breaks."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A message that no honest member would have sent, and why."""

    reason: str


Holds: TypeAlias = (
    Verified[Proposal]
    | Verified[Vote]
    | Verified[RoundCertificate]
    | Verified[Commit]
    | Verified[DivergenceReport]
)
Outcome: TypeAlias = Holds | Invalid


def signature_cost(message: Message) -> int:
    """Return how many signatures a message makes its receiver check (each about 2 ms when alone)."""
    match message:
        case Vote():
            return 1 if message.work is None else 2
        case RoundCertificate():
            return len(message.groups)
        case Proposal() | Commit() | DivergenceReport():
            return 1
        case OutputChunk():
            return 0
        case _:
            assert_never(message)


@dataclass(frozen=True, slots=True)
class Examined:
    """Messages of which only some signatures are still to be checked."""

    messages: Sequence[Message]
    reasons: dict[int, str] = field(default_factory=dict)
    """Why some messages, by position, are invalid."""
    claims: list[SignatureCheck] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    """For each claim the position of its message."""


class MessageVerifier:
    """Checks the messages of one instance. ``rng`` gives unpredictable bytes for batches."""

    def __init__(
        self, scope: Scope, committee: Committee, rng: Randomness, scheme: SignatureScheme = bls.SCHEME
    ) -> None:
        """Raise ``VerificationError`` if the scope names another committee."""
        if scope.committee_root != committee.root:
            raise VerificationError("the scope names another committee")
        self._scope = scope
        self._committee = committee
        self._rng = rng
        self._scheme = scheme
        self._known = KnownSignatures(scheme)

    def verify(self, message: Message) -> Outcome:
        """Check one message."""
        return self.verify_many([message])[0]

    def verify_many(self, messages: Sequence[Message]) -> list[Outcome]:
        """Check messages, each on its own merits, at little more than the cost of one; same order out."""
        return verify_together([(self, messages)], self._rng, self._scheme)[0]

    def learn(self, message: Message) -> None:
        """Take an own message: its signatures need no check. One that breaks a rule teaches nothing."""
        try:
            claims = self.claims(message)
        except (VerificationError, CertificateError):
            return
        for claim in claims:
            self._known.learn(claim)

    def examine(self, messages: Sequence[Message]) -> Examined:
        """Check everything about messages but the signatures that are not known yet."""
        found = Examined(messages)
        for position, message in enumerate(messages):
            try:
                made = self.claims(message)
            except (VerificationError, CertificateError) as error:
                found.reasons[position] = str(error)
                continue
            for claim in made:
                match self._known.holds(claim):
                    case None:
                        found.claims.append(claim)
                        found.owners.append(position)
                    case False:
                        found.reasons[position] = BAD_SIGNATURE
        return found

    def conclude(self, found: Examined, bad: Collection[int]) -> list[Outcome]:
        """Say what holds, once it is known which of the claims (by position) do not."""
        for position, claim in enumerate(found.claims):
            if position in bad:
                found.reasons[found.owners[position]] = BAD_SIGNATURE
            else:
                self._known.learn(claim)
        return [
            Invalid(found.reasons[position]) if position in found.reasons else _verified(message)
            for position, message in enumerate(found.messages)
        ]

    def claims(self, message: Message) -> list[SignatureCheck]:
        """Return the signatures a message stands on, having checked everything else about it.

        Raises ``VerificationError`` or ``CertificateError``.
        """
        match message:
            case Proposal():
                return list(self._proposal(message))
            case Vote():
                return list(self._vote(message))
            case RoundCertificate():
                return list(self._round_certificate(message))
            case Commit():
                _check_output(message.certificate.result, message.output)
                return [certificate_claim(message.certificate, self._scope, self._committee)]
            case DivergenceReport():
                return list(self._divergence(message))
            case OutputChunk():
                raise VerificationError("a chunk is no statement and bears no signature")
            case _:
                assert_never(message)

    def _claim(self, sender: int, kind: Kind, round_: int, value: bytes, signature: bytes) -> SignatureCheck:
        key = self._committee.member(sender).key
        return SignatureCheck((key,), statement(self._scope, kind, round_, value), signature)

    def _check_place(self, message: Proposal | Vote | RoundCertificate) -> None:
        self._check_instance(message)
        if not 0 <= message.round <= MAX_ROUND:
            raise VerificationError(f"{message.round} is not a round")

    def _check_instance(self, message: Proposal | Vote | RoundCertificate | DivergenceReport) -> None:
        if message.instance != self._scope.instance:
            raise VerificationError(f"it is for {message.instance}, not for {self._scope.instance}")

    def _check_member(self, sender: int) -> None:
        if sender not in self._committee:
            raise VerificationError(f"sender {sender} is not on the committee")

    def _proposal(self, message: Proposal) -> Iterator[SignatureCheck]:
        self._check_place(message)
        self._check_member(message.sender)
        if message.sender != self._committee.proposer(message.round):
            raise VerificationError(f"member {message.sender} is not the proposer of round {message.round}")
        if not NO_ROUND <= message.pol_round < message.round:
            raise VerificationError(
                f"a proof of lock from round {message.pol_round} in round {message.round}"
            )
        _check_output(message.result, message.output)
        value = proposal_id(value_id(message.result), message.pol_round)
        yield self._claim(message.sender, Kind.PROPOSAL, message.round, value, message.signature)

    def _vote(self, message: Vote) -> Iterator[SignatureCheck]:
        self._check_place(message)
        self._check_member(message.sender)
        _check_vote_kind(message.kind)
        due = message.kind is Kind.PREVOTE and message.value_id != NIL
        if due != (message.work is not None):
            raise VerificationError("a work tag is missing" if due else "a work tag where none is due")
        yield self._claim(message.sender, message.kind, message.round, message.value_id, message.signature)
        if message.work is not None:
            yield self._claim(message.sender, Kind.WORK_TAG, 0, message.work.tag, message.work.signature)

    def _round_certificate(self, message: RoundCertificate) -> Iterator[SignatureCheck]:
        self._check_place(message)
        _check_vote_kind(message.kind)
        values = [group.value_id for group in message.groups]
        if any(left >= right for left, right in pairwise(values)):
            raise VerificationError("the groups are not strictly ascending by value")
        weight = sum(check_signers(group.signers, self._committee) for group in message.groups)
        signers = [signer for group in message.groups for signer in group.signers]
        if len(set(signers)) != len(signers):
            raise VerificationError("a member votes in two groups")
        # Fewer than this never means anything to anyone, and would let one member spam aggregates.
        if not self._committee.weak_quorum(weight):
            raise VerificationError(
                f"weight {weight} of {self._committee.total_weight} is not more than a third"
            )
        for group in message.groups:
            keys = tuple(self._committee.member(signer).key for signer in group.signers)
            signed = statement(self._scope, message.kind, message.round, group.value_id)
            yield SignatureCheck(keys, signed, group.signature)

    def _divergence(self, message: DivergenceReport) -> Iterator[SignatureCheck]:
        self._check_instance(message)
        self._check_member(message.sender)
        if message.first_chunk < -1:
            raise VerificationError(f"{message.first_chunk} is not a chunk")
        yield self._claim(message.sender, Kind.OUTPUT, 0, value_id(message.own), message.signature)


def verify_together(
    jobs: Sequence[tuple[MessageVerifier, Sequence[Message]]],
    rng: Randomness,
    scheme: SignatureScheme = bls.SCHEME,
) -> list[list[Outcome]]:
    """Check messages of several instances; for each instance what ``verify_many`` would return.

    One check for all signatures takes two thirds of what a check for each of four instances takes.
    """
    found = [verifier.examine(messages) for verifier, messages in jobs]
    bad = scheme.find_bad([claim for one in found for claim in one.claims], rng)
    outcomes, start = [], 0
    for (verifier, _), one in zip(jobs, found, strict=True):
        end = start + len(one.claims)
        outcomes.append(verifier.conclude(one, {at - start for at in bad if start <= at < end}))
        start = end
    return outcomes


def _check_vote_kind(kind: Kind) -> None:
    if kind not in (Kind.PREVOTE, Kind.PRECOMMIT):
        raise VerificationError(f"{kind.name} is not a kind of vote")


def _check_output(result: Result, output: bytes) -> None:
    if len(output) != result.output_length or len(output) > MAX_OUTPUT_BYTES:
        raise VerificationError(f"the output has {len(output)} bytes, the result says {result.output_length}")
    if keccak256(output) != result.output_hash:
        raise VerificationError("the output is not the one the result names")


def _verified(message: Message) -> Outcome:
    match message:
        case Proposal():
            return Verified(message)
        case Vote():
            return Verified(message)
        case RoundCertificate():
            return Verified(message)
        case Commit():
            return Verified(message)
        case DivergenceReport():
            return Verified(message)
        case OutputChunk():
            return Invalid("a chunk is no statement")  # cannot be: it has no claims
        case _:
            assert_never(message)
