"""What every member could say, said by one or two: proofs of a lock and of a round, and the certificate.

Each member waits for a random moment, and stays silent if it has heard another one by then (suppression, as
in scalable reliable multicast). Otherwise a committee of n would send n copies of the same to n members.
Where votes go to collectors first these know before all others, and speak in their order: the first at once.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio

from consensus.committee import Committee
from consensus.gossip_rules import Seen
from consensus.messages import Commit, Message

SPREAD, LONGEST_SPREAD = 0.05, 1.0
"""Seconds for each member of the committee, and at most, over which the moments are spread."""

TURN = 0.02
"""Seconds for each member of the committee, within the same bound, that each collector has for itself."""


class Echo:
    """Of one member. ``seen`` gives what has passed in this period, ``decided`` whether it has decided.

    ``rank`` is its place among the collectors, None where it is none.
    """

    def __init__(
        self,
        committee: Committee,
        seen: Callable[[], Seen],
        decided: Callable[[], bool],
        publish: Callable[[Message], Awaitable[None]],
        rank: int | None = None,
    ) -> None:
        self._committee = committee
        self._seen = seen
        self._decided = decided
        self._publish = publish
        self._rank = rank

    async def say(self, message: Message) -> None:
        """Publish a message in a while, unless it is no news by then."""
        size = len(self._committee.members)
        if self._rank is None:
            spread = min(LONGEST_SPREAD, SPREAD * size)
            await trio.sleep(random.uniform(0, spread))  # noqa: S311 - spreads load, guards nothing
        else:
            await trio.sleep(self._rank * min(LONGEST_SPREAD, TURN * size))
        if self._decided() and not isinstance(message, Commit):
            return  # the certificate says more
        if self._seen().is_news(message, self._committee):
            self._seen().remember(message, self._committee)
            await self._publish(message)
