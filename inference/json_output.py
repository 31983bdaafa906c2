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
import numpy.typing as npt

from inference.fixed_point import Integers, Logits
from inference.json_schema import grammar_of
from inference.llama import Grammar, Llama
from inference.sampling import Sampler

_utf8_decoder = getincrementaldecoder("utf-8")


class JsonVocabulary:
    """What a model's tokens can write; worked out once, when the first schema comes."""

    def __init__(self, llama: Llama, forbidden: frozenset[int]) -> None:
        """``forbidden`` tokens do not write; among them the vocabulary's own end tokens."""
        self.llama = llama
        self.ends: Integers = np.array(llama.end_tokens, np.int64)
        self._forbidden = forbidden.union(llama.end_tokens)

    @cached_property
    def _writable(self) -> list[int]:
        """Ascending ids of the tokens that add what llama.cpp's grammar reads in them, all of it visible."""
        return [
            token
            for token, piece in enumerate(self.llama.pieces)
            if piece
            and min(piece) >= 0x20
            and token not in self._forbidden
            and piece == self.llama.special_piece(token)
        ]

    @cached_property
    def whole(self) -> Integers:
        """Ascending ids of end tokens and those of the others that may begin where a character begins."""
        pieces = self.llama.pieces
        return self._with_ends([t for t in self._writable if _pending(pieces[t]) is not None])

    @cached_property
    def is_whole(self) -> npt.NDArray[np.bool_]:
        """For each token whether ``whole`` has it."""
        found = np.zeros(self.llama.vocabulary, np.bool_)
        found[self.whole] = True
        return found

    @cached_property
    def first_bytes(self) -> npt.NDArray[np.uint8]:
        """The first byte of each token of ``whole``; 0 for end tokens, as no other begins with it."""
        ends = frozenset(self.llama.end_tokens)
        return np.array([0 if t in ends else self.llama.pieces[t][0] for t in self.whole.tolist()], np.uint8)

    @cached_property
    def probes(self) -> Integers:
        """Those of ``whole`` that are one byte: what the grammar says of them holds for all they begin."""
        pieces, ends = self.llama.pieces, frozenset(self.llama.end_tokens)
        return np.array([t for t in self.whole.tolist() if t not in ends and len(pieces[t]) == 1], np.int64)

    @cached_property
    def _tails(self) -> list[int]:
        return [token for token in self._writable if 0x80 <= self.llama.pieces[token][0] < 0xC0]

    def continuing(self, pending: bytes) -> Integers:
        """Ascending ids of end tokens and those that go on in UTF-8 after the first bytes of a character."""
        pieces = self.llama.pieces
        return self._with_ends([t for t in self._tails if _pending(pending + pieces[t]) is not None])

    def _with_ends(self, ids: list[int]) -> Integers:
        return np.union1d(np.array(ids, np.int64), self.ends)


class JsonOutput:
    """What may come next in one request's output."""

    def __init__(self, schema: str, vocabulary: JsonVocabulary) -> None:
        """Raises EngineError if llama.cpp does not take the grammar."""
        self._vocabulary = vocabulary
        self._ends = vocabulary.ends
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
            possible = (
                token in self._vocabulary.continuing(self._pending)
                if self._pending
                else self._vocabulary.is_whole[token]
            )
            if possible and len(self._grammar.allowed(np.array([token], np.int64))):
                return token
        allowed = self._allowed()
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
            return bool(np.isin(self._allowed(), self._ends).all())
        return True

    def whole(self, output: bytes) -> bool:
        """Whether the output is a whole value, which a number may go on after."""
        if output[-1:].isdigit():  # only the grammar knows
            return len(self._grammar.allowed(self._ends)) > 0
        try:
            json.loads(output)
        except ValueError:
            return False
        return True

    def _allowed(self) -> Integers:
        """Ascending ids of all tokens that may come next."""
        vocabulary = self._vocabulary
        if self._pending:
            return self._grammar.allowed(vocabulary.continuing(self._pending))
        # A token that begins with a byte which may not come next may not either.
        probes = vocabulary.probes
        refused = np.setdiff1d(probes, self._grammar.allowed(probes), assume_unique=True)
        out = np.zeros(256, np.bool_)
        out[[vocabulary.llama.pieces[token][0] for token in refused.tolist()]] = True
        return self._grammar.allowed(vocabulary.whole[~out[vocabulary.first_bytes]])


def _pending(text: bytes) -> bytes | None:
    """The first bytes of an incomplete character at the end of UTF-8 text; None if it is not UTF-8."""
    decoder = _utf8_decoder()
    try:
        decoder.decode(text)
    except UnicodeDecodeError:
        return None
    return decoder.getstate()[0]
