"""Which votes go to a few members first, so that not everybody hears everybody's vote.

Where all tell all, n members hear n votes each, twice. In a committee of more than ``MANY`` a vote of round 0
for a value goes to the *collectors* only, the first of the poster order. They reach the quorums first, and
say what they found to everybody: the polka, then the certificate. Votes for nil and later rounds, in which
something has gone wrong already, go to everybody.

No collector is trusted. What it says is a certificate, which proves itself. What it keeps to itself, or dies
with, costs time: who has waited ``patience_ms`` for what its vote was for says the vote to everybody.
"""

from __future__ import annotations

from typing import Final

from consensus.committee import Committee
from consensus.instance import RebroadcastPolicy
from consensus.messages import Message, Vote
from consensus.types import NIL

COLLECTORS: Final = 3
"""So many die together, or are of one mind, in one case of 27 where a third of the members does."""

MANY: Final = 10
"""Members up to which all tell all: that is quick, cheap, and depends on nobody."""

LEAST_PATIENCE_MS: Final = 1000
PATIENCE_MS: Final = 100
"""For each member: a collector has as many votes to check."""
MOST_PATIENCE_MS: Final = 5000
LOOKS: Final = 8
"""How often it looks meanwhile: with more than a third of the weight for nil there is nothing to wait for."""


class Collectors:
    """The collectors of one committee, none of a small one."""

    def __init__(self, committee: Committee, many: int = MANY) -> None:
        """``many``: up to so many members there are no collectors."""
        size = len(committee.members)
        self.members: tuple[int, ...] = committee.poster_order()[:COLLECTORS] if size > many else ()
        """Their indexes. The first speaks at once, the others where it does not."""
        self.patience_ms = min(MOST_PATIENCE_MS, max(LEAST_PATIENCE_MS, PATIENCE_MS * size))
        """How long a member waits for what its vote was for until it says the vote to everybody."""

    def rank(self, member: int) -> int | None:
        """Return a collector's place among them, None of who is none."""
        return self.members.index(member) if member in self.members else None

    def policy(self, member: int) -> RebroadcastPolicy:
        """Return what a member says besides its votes.

        Who is no collector and counts a decision together has heard of none from them: it tells the others.
        """
        return RebroadcastPolicy(
            polka_on_quorum=member in self.members, commit_on_decision=bool(self.members)
        )

    def first_to_hear(self, message: Message) -> tuple[int, ...]:
        """Return who a message is for at first; nobody in particular: everybody."""
        first = isinstance(message, Vote) and message.round == 0 and message.value_id != NIL
        return self.members if first else ()
