"""The caches of a context's sequences, and which of them a new request goes on from.

A prompt's beginning that some sequence has read already is not read again: the cache of a free slot is cut
back to it, or another slot's is copied. Both give the same bits as reading (``p2pavs doctor --matrix``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_WORTH_COPYING = 16  # tokens saved; a copy moves a whole sequence's cache, some milliseconds for a large one


class Caches(Protocol):
    """What llama.cpp does with the caches of its sequences."""

    def forget(self, slot: int, position: int = 0) -> bool:
        """Drop a sequence's cache from ``position`` on. False if this architecture cannot drop a part."""
        ...

    def copy(self, source: int, target: int) -> None:
        """Make the cache of ``target`` that of ``source``."""
        ...


class Slots:
    """``count`` sequences, each free or taken, and the tokens in the cache of each."""

    def __init__(self, caches: Caches, count: int) -> None:
        self._caches = caches
        self._tokens: list[list[int]] = [[] for _ in range(count)]
        self._free = list(range(count))  # the one unused for longest first
        self.reused = 0
        """Tokens that did not have to be read, of all requests so far."""

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return not self._free

    def length(self, slot: int) -> int:
        """How many tokens the slot's cache holds."""
        return len(self._tokens[slot])

    def take(self, line: Sequence[int]) -> int:
        """Take a free slot for a prompt. Its cache then holds some beginning of ``line``, never all of it."""
        # The last token is always read: its logits are wanted.
        shared = [_shared(tokens, line, len(line) - 1) for tokens in self._tokens]
        slot = max(self._free, key=lambda s: shared[s])
        source = max(range(len(shared)), key=lambda s: shared[s])
        keep = shared[slot]
        if shared[source] - keep >= _WORTH_COPYING:
            slot, keep = self._free[0], shared[source]
            if slot != source:
                self.cut(slot, 0)
                self._caches.copy(source, slot)
                self._tokens[slot] = list(self._tokens[source])
        self._free.remove(slot)
        self.cut(slot, keep)
        self.reused += self.length(slot)
        return slot

    def give_back(self, slot: int) -> None:
        """The slot is free again; its cache stays until another request needs it."""
        self._free.append(slot)

    def feed(self, slot: int, tokens: Sequence[int]) -> None:
        """Tokens are about to be read into the slot's cache, behind what is there."""
        self._tokens[slot] += tokens

    def clear(self) -> None:
        """Drop every cache."""
        for slot in range(len(self._tokens)):
            self.cut(slot, 0)
        self.reused = 0

    def cut(self, slot: int, keep: int) -> None:
        """Drop what is behind the first ``keep`` tokens; everything where the architecture keeps no part."""
        if keep and (keep == self.length(slot) or self._caches.forget(slot, keep)):
            del self._tokens[slot][keep:]
            return
        self._caches.forget(slot)
        self._tokens[slot].clear()


def _shared(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """Length of the common beginning, at most ``most``."""
    for count, (a, b) in enumerate(zip(one[:most], other, strict=False)):
        if a != b:
            return count
    return min(len(one), most)
