"""A small byte-level BPE, trained and encoded exactly as llama.cpp's ``gpt2`` tokenizer reads it back.

Digits never merge: each is a token of its own, so that no number is a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

END, USER, ANSWER = "<|end|>", "<|user|>", "<|answer|>"
SPECIAL = (END, USER, ANSWER)
# GPT-2's split for ASCII text, which is all that the corpus holds.
_SPLIT = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def byte_names() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {b: chr(b) for b in plain}
    spare = 256
    for b in range(256):
        if b not in names:
            names[b] = chr(spare)
            spare += 1
    return [names[b] for b in range(256)]


_NAMES = byte_names()


def _split(text: str) -> list[tuple[str, ...]]:
    return [tuple(_NAMES[b] for b in word.encode()) for word in _SPLIT.findall(text)]


@dataclass(slots=True)
class Tokenizer:
    """Bytes first, then the merges in order, then the special tokens."""

    merges: list[tuple[str, str]]
    tokens: list[str] = field(init=False)
    _ids: dict[str, int] = field(init=False)
    _ranks: dict[tuple[str, str], int] = field(init=False)
    _seen: dict[tuple[str, ...], list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = [*_NAMES, *(a + b for a, b in self.merges), *SPECIAL]
        self._ids = {t: i for i, t in enumerate(self.tokens)}
        self._ranks = {pair: i for i, pair in enumerate(self.merges)}
        self._seen = {}

    def special(self, name: str) -> int:
        """The id of a special token."""
        return self._ids[name]

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; special tokens' names in it are ordinary text."""
        out: list[int] = []
        for word in _split(text):
            known = self._seen.get(word)
            if known is None:
                known = self._seen[word] = [self._ids[part] for part in self._merge(word)]
            out += known
        return out

    def _merge(self, word: tuple[str, ...]) -> list[str]:
        parts = list(word)
        while len(parts) > 1:
            ranked = [(self._ranks.get((a, b), 1 << 30), i) for i, (a, b) in enumerate(pairwise(parts))]
            rank, at = min(ranked)
            if rank == 1 << 30:
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return parts


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """Learn merges until the vocabulary has ``size`` tokens, special ones included."""
    counts = Counter(word for text in texts for word in _split(text))
    words = [(list(word), n) for word, n in counts.items() if not any(part.isdigit() for part in word)]
    merges: list[tuple[str, str]] = []
    while 256 + len(merges) + len(SPECIAL) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, n in words:
            for pair in pairwise(parts):
                pairs[pair] += n
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for parts, _ in words:
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i : i + 2] = [parts[i] + parts[i + 1]]
                i += 1
    return Tokenizer(merges)
