"""The address book: everybody we know, how to reach them, and when to try again."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from p2pavs.network.addresses import Address
from p2pavs.network.records import PeerRecord

FIRST_RETRY: Final = 0.5  # seconds, doubled by each failure
MAX_RETRY: Final = 30.0  # seconds, for bootstrap nodes and preferred peers
MAX_RETRY_STRANGER: Final = 300.0
MAX_HINTED: Final = 32
"""Peers of whom there is a hint and nothing else."""
HINT_TRIES: Final = 5  # dials; then such a peer is forgotten
STABLE_AFTER: Final = 10.0  # seconds; a connection that ends sooner counts as a failure


@dataclass(slots=True)
class Entry:
    """What we know of one peer."""

    peer_id: str
    record: PeerRecord | None = None
    configured: tuple[str, ...] = ()
    """Addresses from our own configuration."""

    hinted: str | None = None
    """An address that somebody else named."""

    failures: int = 0
    """Dials that failed in a row."""

    next_try: float = 0.0
    """In trio's time."""

    connected_at: float = 0.0
    """In trio's time; 0 while it is not connected."""

    last_seen: float | None = None
    """Unix time of the last moment we knew it to be connected."""

    last_error: str | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where to dial: what it says itself first, then what we were told."""
        own = self.record.addresses if self.record is not None else ()
        hinted = () if self.hinted is None else (self.hinted,)
        return tuple(dict.fromkeys((*own, *self.configured, *hinted)))

    @property
    def is_rumour(self) -> bool:
        """Whether nothing but a hint says that this peer exists."""
        return self.record is None and not self.configured


class Book:
    """Bounded: a stranger beyond `max_known` takes the place of the least useful one, or is not kept."""

    def __init__(self, own_id: str, bootstrap: Iterable[Address], max_known: int) -> None:
        self.entries: dict[str, Entry] = {}
        self.preferred: frozenset[str] = frozenset()
        self._own_id = own_id
        self._max_known = max_known
        for address in bootstrap:
            if address.peer_id is not None and address.peer_id != own_id:
                entry = self.entries.setdefault(address.peer_id, Entry(address.peer_id))
                entry.configured = (*entry.configured, address.transport)
        self.bootstrap = frozenset(self.entries)

    def learn(self, record: PeerRecord, connected: frozenset[str] | set[str]) -> bool:
        """Keep a verified record; True when it was news."""
        entry = self.entries.get(record.peer_id)
        if entry is None:
            if record.peer_id == self._own_id or not self._make_room(record.peer_id, connected):
                return False
            entry = self.entries[record.peer_id] = Entry(record.peer_id)
        if entry.record is not None and entry.record.seq >= record.seq:
            return False
        if entry.record is None or entry.record.addresses != record.addresses:
            entry.failures, entry.next_try = 0, 0.0
        entry.record = record
        return True

    def hint(self, address: Address, connected: frozenset[str] | set[str]) -> bool:
        """Keep an address that somebody names for a peer, without proof; True when it was news."""
        peer_id = address.peer_id
        if peer_id is None or peer_id == self._own_id:
            return False
        entry = self.entries.get(peer_id)
        if entry is None:
            rumours = sum(entry.is_rumour for entry in self.entries.values())
            if rumours >= MAX_HINTED or not self._make_room(peer_id, connected):
                return False
            entry = self.entries[peer_id] = Entry(peer_id)
        if address.transport in entry.addresses:
            return False
        entry.hinted = address.transport
        return True

    def failed(self, peer_id: str, now: float, reason: str) -> None:
        """Note a failed dial and set the time of the next."""
        entry = self.entries.get(peer_id)
        if entry is None:
            return
        entry.failures += 1
        entry.last_error = reason
        if entry.is_rumour and entry.failures >= HINT_TRIES:
            del self.entries[peer_id]
        limit = MAX_RETRY if self._is_kept(peer_id) else MAX_RETRY_STRANGER
        delay = min(limit, FIRST_RETRY * 2.0 ** min(entry.failures, 20))
        entry.next_try = now + delay * random.uniform(0.7, 1.3)  # noqa: S311 - spreads load, guards nothing

    def succeeded(self, peer_id: str, now: float, unix_time: float) -> None:
        """Note that the peer is connected."""
        entry = self.entries.get(peer_id)
        if entry is not None:
            entry.connected_at = entry.connected_at or now
            entry.last_error, entry.last_seen = None, unix_time

    def lost(self, peer_id: str, now: float, unix_time: float) -> None:
        """Note a broken connection: try again soon, but not all of us in the same instant."""
        entry = self.entries.get(peer_id)
        if entry is None:
            return
        lived, entry.connected_at, entry.last_seen = now - entry.connected_at, 0.0, unix_time
        if lived < STABLE_AFTER:  # it has no room for us, or cannot stay up
            self.failed(peer_id, now, "the connection was closed after a short time")
        else:
            entry.failures = 0
            entry.next_try = now + random.uniform(0.1, 0.6)  # noqa: S311 - spreads load, guards nothing

    def due(self, now: float, connected: set[str]) -> list[Entry]:
        """Those to dial now, most wanted first."""
        waiting = [
            entry
            for entry in self.entries.values()
            if entry.peer_id not in connected and entry.next_try <= now and entry.addresses
        ]
        random.shuffle(waiting)
        return sorted(waiting, key=lambda entry: not self._is_kept(entry.peer_id))

    def records(self) -> list[PeerRecord]:
        """All records we hold, of those seen last first."""
        entries = sorted(self.entries.values(), key=lambda entry: -(entry.last_seen or 0.0))
        return [entry.record for entry in entries if entry.record is not None]

    def _is_kept(self, peer_id: str) -> bool:
        return peer_id in self.bootstrap or peer_id in self.preferred

    def _make_room(self, newcomer: str, connected: frozenset[str] | set[str]) -> bool:
        if len(self.entries) < self._max_known:
            return True
        removable = [
            entry
            for entry in self.entries.values()
            if entry.peer_id not in connected and not self._is_kept(entry.peer_id)
        ]
        # A stranger may only replace somebody we cannot reach; a preferred peer may replace any stranger.
        if newcomer not in self.preferred:
            removable = [entry for entry in removable if entry.failures > 0]
        if not removable:
            return False
        worst = max(removable, key=lambda entry: (entry.failures, -(entry.last_seen or 0.0)))
        del self.entries[worst.peer_id]
        return True
