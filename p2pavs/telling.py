"""Tells the journal, once each, what a member hears from the others."""

from __future__ import annotations

from collections.abc import Callable

from consensus.committee import Committee
from consensus.messages import Commit, DivergenceReport, Proposal, RoundCertificate, Vote
from consensus.signing import value_id
from consensus.types import NIL
from p2pavs.journal import Json, Note


class Telling:
    """What one member has told of one instance."""

    def __init__(self, committee: Committee, peer_of: Callable[[bytes], str | None], note: Note) -> None:
        """`peer_of` gives the peer id of an account (20 bytes)."""
        self._committee = committee
        self._peer_of = peer_of
        self._note = note
        self._told: set[tuple[str, int, int]] = set()

    def name(self, index: int) -> str:
        """A member's account, as 0x and 40 hex digits."""
        return "0x" + self._committee.member(index).operator.hex()

    def heard(self, message: Proposal | Vote | DivergenceReport | RoundCertificate | Commit) -> bool:
        """Tell of a message. False where the same was told before, or where it is not of one member."""
        match message:
            case Proposal():
                key = ("proposal", message.round, message.sender)
                fields: dict[str, Json] = {
                    "round": message.round,
                    "value": value_id(message.result).hex(),
                    "tokens": message.result.token_count,
                }
            case Vote():
                key = (message.kind.name.lower(), message.round, message.sender)
                fields = {
                    "round": message.round,
                    "value": None if message.value_id == NIL else message.value_id.hex(),
                    "weight": self._committee.weight_of(message.sender),
                }
            case DivergenceReport():
                key, fields = ("divergence", 0, message.sender), {"chunk": message.first_chunk}
            case RoundCertificate() | Commit():
                return False
        if key in self._told:
            return False
        self._told.add(key)
        operator = self._committee.member(message.sender).operator
        self._note(key[0], operator=self.name(message.sender), peer=self._peer_of(operator), **fields)
        return True
