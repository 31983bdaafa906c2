"""JSON output: only tokens that keep the output the beginning of a value of the request's schema.

llama.cpp's grammars decide what may follow. They read UTF-8 more generously than JSON allows, so tokens that
would make the output invalid UTF-8 are taken out here. Worker processes only.
"""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from inference.fixed_point import Integers, Logits
from inference.json_schema import grammar_of
from inference.llama import Grammar, Llama
from inference.sampling import Sampler

_utf8_decoder = getincrementaldecoder("utf-8")


class JsonVocabulary:
    """What a model's tokens can write; worked out once, when the first schema comes."""

    def __init__(self, llama: Llama) -> None:
        self.llama = llama

    @cached_property
    def writable(self) -> Integers:
        """Ascending ids of the tokens that add what llama.cpp's grammar reads in them, all of it visible."""
        pieces = enumerate(self.llama.pieces)
        shown = [token for token, piece in pieces if piece and min(piece) >= 0x20]
        ends = frozenset(self.llama.end_tokens)
        return np.array(
            [t for t in shown if t not in ends and self.llama.pieces[t] == self.llama.special_piece(t)],
            np.int64,
        )

    @cached_property
    def whole(self) -> Integers:
        """Those of ``writable`` that may begin where a character begins."""
        return self.continuing(b"")

    def continuing(self, pending: bytes) -> Integers:
        """Those of ``writable`` that go on in UTF-8 after the first bytes of a character."""
        fit = [t for t in self.writable.tolist() if _pending(pending + self.llama.pieces[t]) is not None]
        return np.array(fit, np.int64)


class JsonOutput:
    """What may come next in one request's output."""

    def __init__(self, schema: str, vocabulary: JsonVocabulary, forbidden: frozenset[int]) -> None:
        """``forbidden`` tokens do not write. Raises EngineError if llama.cpp does not take the grammar."""
        self._vocabulary = vocabulary
        self._forbidden = np.array(sorted(forbidden), np.int64)
        self._ends = np.array(vocabulary.llama.end_tokens, np.int64)
        self._grammar = Grammar(vocabulary.llama, grammar_of(schema))
        self._pending: bytes = b""

    def close(self) -> None:
        """Free the grammar."""
        self._grammar.close()

    def pick(self, sampler: Sampler, logits: Logits, answer: Sequence[int]) -> int | None:
        """The next token; None where the vocabulary has none that the schema allows."""
        if not sampler.chooses_among_best:
            # Where the best of all tokens is allowed, it is the best of the allowed ones too.
            token = sampler.pick(logits, answer)
            if len(self._allowed(np.intersect1d([token], self._candidates()))):
                return token
        allowed = self._allowed(self._candidates())
        return sampler.pick(logits, answer, allowed) if len(allowed) else None

    def add(self, token: int, piece: bytes) -> None:
        """Go on after ``token``, which ``pick`` gave and which is no end token."""
        self._grammar.accept(token)
        self._pending = _pending(self._pending + piece) or b""

    def finished(self, output: bytes) -> bool:
        """Whether the output is a whole value that nothing can follow."""
        if not self.whole(output):
            return False
        if output[-1:].isdigit():  # a number may go on
            return bool(np.isin(self._allowed(self._candidates()), self._ends).all())
        return True

    def whole(self, output: bytes) -> bool:
        """Whether the output is a whole value, which a number may go on after."""
        if output[-1:].isdigit():  # only the grammar knows
            return len(self._allowed(self._ends)) > 0
        try:
            json.loads(output)
        except ValueError:
            return False
        return True

    def _candidates(self) -> Integers:
        """Ascending ids of the tokens to ask the grammar about."""
        vocabulary = self._vocabulary
        ids = vocabulary.continuing(self._pending) if self._pending else vocabulary.whole
        return np.union1d(np.setdiff1d(ids, self._forbidden), self._ends)

    def _allowed(self, ids: Integers) -> Integers:
        return self._grammar.allowed(ids)


def _pending(text: bytes) -> bytes | None:
    """The first bytes of an incomplete character at the end of UTF-8 text; None if it is not UTF-8."""
    decoder = _utf8_decoder()
    try:
        decoder.decode(text)
    except UnicodeDecodeError:
        return None
    return decoder.getstate()[0]
