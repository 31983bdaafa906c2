"""What peers do that no honest one does, and when it costs them their connection.

libp2p's own score is built on guesses (how many messages a mesh should deliver). This one counts offences
that can be pinned on the peer whose key signed the message or opened the stream. Points fade: what is rare is
forgiven.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import structlog
import trio

from p2pavs.network.stats import Counters

log = structlog.get_logger(__name__)

LIMIT: Final = 100.0  # points
FADE: Final = 1.0  # points a second
FIRST_BAN: Final = 30.0  # seconds, doubled each time
LONGEST_BAN: Final = 600.0
FORGOTTEN_AFTER: Final = 3600.0  # seconds without an offence until the next ban is a first one again
MAX_RECORDS: Final = 4096


class Offence(Enum):
    """Points of one offence, and what the log calls it."""

    FORGED = (10.0, "messages with wrong signatures")
    BREAKS_RULES = (10.0, "messages that break the protocol's rules")
    UNSIGNED = (10.0, "gossip that its author did not sign")
    NOISE = (20.0, "bytes that are no gossip")
    TOO_MANY = (0.5, "too many messages")
    UNKNOWN_AUTHOR = (2.0, "messages on a topic of which it is no member")
    BAD_REQUEST = (10.0, "malformed requests")
    TOO_MANY_REQUESTS = (0.5, "too many requests")
    TOO_MANY_STREAMS = (0.5, "more streams than are allowed at once")
    TOO_SLOW = (10.0, "requests that it does not finish, or whose answers it does not read")
    BAD_RECORD = (10.0, "peer records that are not valid")

    @property
    def points(self) -> float:
        """How much it counts."""
        return self.value[0]

    @property
    def text(self) -> str:
        """What the peer sends, in words."""
        return self.value[1]


@dataclass(slots=True)
class _Record:
    points: float
    updated: float
    bans: int = 0
    banned_until: float = 0.0


class Conduct:
    """Points of each peer. Memory is bounded: the record of whoever offended longest ago goes first."""

    def __init__(self, own_id: str, counters: Counters) -> None:
        self.on_ban: Callable[[str], None] = lambda peer: None
        self.in_the_dark: Callable[[], bool] = lambda: False
        """Whether this node cannot tell now what is right: then wrong statements are not counted."""
        self.counts: Counter[Offence] = Counter()
        self._own_id = own_id
        self._counters = counters
        self._records: dict[str, _Record] = {}
        self._lenient_until = 0.0

    def blame(self, peer: str, offence: Offence) -> None:
        """Count an offence; the peer that reaches the limit is banned for a time, and the log says so."""
        if peer == self._own_id:
            return
        self.counts[offence] += 1
        now = trio.current_time()
        statement = offence in (Offence.FORGED, Offence.BREAKS_RULES)
        if statement and (now < self._lenient_until or self.in_the_dark()):
            return
        record = self._records.pop(peer, None) or _Record(0.0, now)
        self._records[peer] = record  # last again
        if len(self._records) > MAX_RECORDS:
            self._records.pop(next(iter(self._records)))
        if now - record.updated > FORGOTTEN_AFTER:
            record.bans = 0
        record.points = max(0.0, record.points - (now - record.updated) * FADE) + offence.points
        record.updated = now
        if record.points >= LIMIT and record.banned_until <= now:
            self._ban(peer, record, offence, now)

    def banned(self, peer: str) -> bool:
        """Whether nothing of this peer is taken now."""
        record = self._records.get(peer)
        return record is not None and record.banned_until > trio.current_time()

    def pardon(self, seconds: float) -> None:
        """Forgive everybody, and count no wrong statements for a time.

        After a chain reorganisation honest peers sign for tasks and committees that are no longer ours.
        """
        self._records.clear()
        self._lenient_until = trio.current_time() + seconds

    def _ban(self, peer: str, record: _Record, offence: Offence, now: float) -> None:
        seconds = min(LONGEST_BAN, FIRST_BAN * 2.0 ** min(record.bans, 20))
        record.bans += 1
        record.banned_until, record.points = now + seconds, 0.0
        self._counters.bans += 1
        log.warning("peer is banned", peer=peer, sent=offence.text, seconds=seconds, times=record.bans)
        self.on_ban(peer)
