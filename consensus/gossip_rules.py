"""Whether to pass a gossiped message on: accept, ignore or reject, before its signatures are checked.

Each function returns for accept and raises ``Ignore`` (drop it, nobody is to blame) or ``Reject`` (drop it,
the peer that sent it is to blame). Order of use: ``read``, ``check``, signatures (``verification.py``: a bad
one is a reject), then ``Seen.remember``. Remembering before the signatures are checked would let anyone
silence a member by forging its messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, assert_never

from consensus import wire
from consensus.committee import Committee
from consensus.messages import (
    Commit,
    DivergenceReport,
    Message,
    OutputChunk,
    Proposal,
    RoundCertificate,
    Vote,
)
from consensus.signing import proposal_id, value_id
from consensus.types import InstanceId, Kind
from consensus.vote_keeper import FUTURE_ROUNDS

MAX_VALUES_PER_SLOT: Final = 2
"""Two statements for one slot prove an equivocation; more prove nothing more."""


DECODED_TWICE: Final = 4096
"""Bytes up to which the last messages that were read are kept for a while: votes and small certificates."""


class Reason(StrEnum):
    """Why a message is not passed on, in one word: what metrics count."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    UNKNOWN_KIND = "unknown_kind"
    OVER = "over"
    NOT_YET_KNOWN = "not_yet_known"
    NO_NEWS = "no_news"
    NOT_PROPOSER = "not_proposer"
    NOT_MEMBER = "not_member"
    TOO_FEW_SIGNERS = "too_few_signers"
    TOO_FAR_AHEAD = "too_far_ahead"
    NO_SUCH_CHUNK = "no_such_chunk"
    UNKNOWN_AUTHOR = "unknown_author"
    WRONG_AUTHOR = "wrong_author"


class _NotPassedOn(Exception):
    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Ignore(_NotPassedOn):
    """Do not pass the message on; the peer did nothing wrong."""


class NotYetKnown(Ignore):
    """The instance is not known here yet. It may become known: the host can keep the message for a while."""


class Reject(_NotPassedOn):
    """Do not pass the message on; no honest peer would have."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the rules need to know about a running instance."""

    committee: Committee
    round: int
    chunks: int = 0
    """How many chunks its answer can have; 0 where members do not stream."""


_Slot = tuple[InstanceId, str, int, int]
"""Instance, what is stated, round, sender."""


class Seen:
    """What was passed on in this period, of messages whose signatures held.

    The host starts a new one each rebroadcast period: a member repeats what it said because a link may have
    lost it, and a neighbour that only ever ignored the repetition would keep it from those behind it.
    """

    __slots__ = ("_commits", "_quorums", "_values")

    def __init__(self) -> None:
        self._values: dict[_Slot, set[bytes]] = {}
        self._quorums: set[tuple[InstanceId, Kind, int, bytes]] = set()
        self._commits: set[InstanceId] = set()

    def remember(self, message: Message, committee: Committee) -> None:
        """Note a message whose signatures held."""
        if isinstance(message, Commit):
            self._commits.add(message.certificate.instance)
        else:
            for slot, value in _statements(message):
                self._values.setdefault(slot, set()).add(value)
        if isinstance(message, RoundCertificate):
            self._quorums |= _quorums(message, committee)

    def is_news(self, message: Message, committee: Committee) -> bool:
        """Whether the message says anything that was not passed on already."""
        if isinstance(message, Commit):
            return message.certificate.instance not in self._commits
        for slot, value in _statements(message):
            values = self._values.get(slot, set())
            if value not in values and len(values) < MAX_VALUES_PER_SLOT:
                return True
        return isinstance(message, RoundCertificate) and not _quorums(message, committee) <= self._quorums


def _statements(
    message: Proposal | Vote | RoundCertificate | DivergenceReport | OutputChunk,
) -> list[tuple[_Slot, bytes]]:
    instance = message.instance
    match message:
        case Proposal():
            value = proposal_id(value_id(message.result), message.pol_round)
            return [((instance, "proposal", message.round, message.sender), value)]
        case Vote():
            # Alone a vote carries its work tag, in a certificate it does not: one is no copy of the other.
            value = message.value_id + (message.work.tag if message.work else b"")
            return [((instance, message.kind.name, message.round, message.sender), value)]
        case RoundCertificate():
            return [
                ((instance, f"{message.kind.name} in a certificate", message.round, signer), group.value_id)
                for group in message.groups
                for signer in group.signers
            ]
        case DivergenceReport():
            return [((instance, "divergence", 0, message.sender), value_id(message.own))]
        case OutputChunk():
            value = message.digest + b"".join(token.to_bytes(4, "big") for token in message.tokens)
            return [((instance, "chunk", message.index, message.sender), value)]
        case _:
            assert_never(message)


def _quorums(message: RoundCertificate, committee: Committee) -> set[tuple[InstanceId, Kind, int, bytes]]:
    """Return for which values, and whether for any, a certificate holds a quorum."""
    found = set()
    total = 0
    for group in message.groups:
        weight = sum(map(committee.weight_of, group.signers))
        total += weight
        if committee.quorum(weight):
            found.add((message.instance, message.kind, message.round, bytes(group.value_id)))
    if committee.quorum(total):
        found.add((message.instance, message.kind, message.round, b"any"))
    return found


def instance_of(message: Message) -> InstanceId:
    """Return the instance that a message belongs to."""
    return message.certificate.instance if isinstance(message, Commit) else message.instance


def read(data: bytes) -> Message:
    """Decode a gossiped message."""
    # [REJECT] The message is larger than any message can be.
    if len(data) > wire.MAX_MESSAGE_BYTES:
        raise Reject(Reason.TOO_LONG, f"{len(data)} bytes are more than a message can have")
    # [REJECT] The message is the one encoding of a well-formed message.
    try:
        return _decode_again(data) if len(data) <= DECODED_TWICE else wire.decode_message(data)
    # [IGNORE] It is of a version and a kind that are known here. An operator may have updated its node first.
    except wire.UnknownMessage as error:
        raise Ignore(Reason.UNKNOWN_KIND, str(error)) from error
    except wire.WireError as error:
        raise Reject(Reason.MALFORMED, str(error)) from error


# A message is read when it is judged, and again when it is handed to its instance.
_decode_again = lru_cache(maxsize=128)(wire.decode_message)


def check(
    message: Message, running: Running | None, finished: bool, seen: Seen, author: bytes | None = None
) -> None:
    """Apply every rule that needs no signature.

    ``running`` describes the message's instance if it runs here; ``finished`` says that it is over;
    ``author`` is the operator (20 bytes) whose peer key the message came under, None if it is nobody's.
    """
    # [IGNORE] The instance is over; its certificate is to be had on request.
    if finished:
        raise Ignore(Reason.OVER, "the instance is over")
    # [IGNORE] The instance runs here. Who sent it may have seen the task's block earlier.
    if running is None:
        raise NotYetKnown(Reason.NOT_YET_KNOWN, "the instance is not known here")
    committee = running.committee
    _check_senders(message, committee)
    _check_round(message, running)
    if isinstance(message, OutputChunk):
        _check_chunk(message, running, author)
    # [IGNORE] It says something that was not passed on in this period.
    if not seen.is_news(message, committee):
        raise Ignore(Reason.NO_NEWS, "nothing new")


def _check_senders(message: Message, committee: Committee) -> None:
    match message:
        case Proposal():
            # [REJECT] The proposal is its round's proposer's.
            if message.sender != committee.proposer(message.round):
                raise Reject(
                    Reason.NOT_PROPOSER,
                    f"operator {message.sender} does not propose in round {message.round}",
                )
        case Vote() | DivergenceReport() | OutputChunk():
            # [REJECT] The sender is on the committee.
            if message.sender not in committee:
                raise Reject(Reason.NOT_MEMBER, f"operator {message.sender} is not on the committee")
        case RoundCertificate():
            signers = [signer for group in message.groups for signer in group.signers]
            # [REJECT] All signers are on the committee, and together they are more than a third of it.
            if any(signer not in committee for signer in signers):
                raise Reject(Reason.NOT_MEMBER, "a signer is not on the committee")
            if not committee.weak_quorum(sum(map(committee.weight_of, set(signers)))):
                raise Reject(Reason.TOO_FEW_SIGNERS, "the signers are not more than a third of the committee")
        case Commit():
            signers = list(message.certificate.signers)
            # [REJECT] All signers are on the committee, and together they are more than two thirds of it.
            if any(signer not in committee for signer in signers):
                raise Reject(Reason.NOT_MEMBER, "a signer is not on the committee")
            if not committee.quorum(sum(map(committee.weight_of, set(signers)))):
                raise Reject(
                    Reason.TOO_FEW_SIGNERS, "the signers are not more than two thirds of the committee"
                )
        case _:
            assert_never(message)


def _check_round(message: Message, running: Running) -> None:
    # [IGNORE] One member's word is for a round within reach: of further ones it is not kept, and a vote
    # costs a check of its signature. What more than a third of the members sign is taken from any round, and
    # who enters a round publishes that, so a node that was cut off for long finds its way back.
    if isinstance(message, Proposal | Vote) and message.round > running.round + FUTURE_ROUNDS:
        raise Ignore(Reason.TOO_FAR_AHEAD, f"round {message.round} is too far ahead of round {running.round}")


def _check_chunk(message: OutputChunk, running: Running, author: bytes | None) -> None:
    # [REJECT] The answer can have such a chunk.
    if message.index >= running.chunks:
        raise Reject(
            Reason.NO_SUCH_CHUNK, f"the answer has no chunk {message.index}: it can have {running.chunks}"
        )
    # [IGNORE] Its author is an operator that this node knows. It may have registered a moment ago.
    if author is None:
        raise Ignore(Reason.UNKNOWN_AUTHOR, "the author is no operator that is known here")
    # [REJECT] The member itself sent it: nobody else's word makes its chunks count as wrong.
    if author != running.committee.member(message.sender).operator:
        raise Reject(Reason.WRONG_AUTHOR, f"the author is not operator {message.sender}")
