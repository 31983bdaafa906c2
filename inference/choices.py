"""Constrained output: only tokens that keep the output a prefix of an allowed answer, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.errors import RequestError
from inference.fixed_point import Integers


class Spelling:
    """A model's vocabulary, by the bytes that its tokens stand for."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """``pieces[i]`` is what token i adds to the output; control tokens add nothing and cannot spell."""
        self._tokens: dict[bytes, list[int]] = {}
        for token, piece in enumerate(pieces):
            if piece:
                self._tokens.setdefault(piece, []).append(token)
        self._lengths = sorted({len(piece) for piece in self._tokens})

    def starts(self, text: bytes) -> list[tuple[int, list[int]]]:
        """(length, token ids) for every beginning of ``text`` that is a token."""
        found = []
        for length in self._lengths:
            if length > len(text):
                break
            if tokens := self._tokens.get(text[:length]):
                found.append((length, tokens))
        return found

    def spellable(self, text: bytes) -> list[bool]:
        """For each i up to ``len(text)``: whether ``text[i:]`` is a row of tokens."""
        good = [False] * len(text) + [True]
        for i in range(len(text) - 1, -1, -1):
            good[i] = any(good[i + length] for length, _ in self.starts(text[i:]))
        return good


class Choices:
    """Which tokens may come next, given the output so far, so that it ends as one of the choices.

    The model's own order of preference among the allowed tokens decides. Where one choice begins with
    another, the end token competes with the tokens that go on.
    """

    def __init__(self, choices: Sequence[str], spelling: Spelling, end_tokens: Sequence[int]) -> None:
        self._spelling = spelling
        self._ends = list(end_tokens)
        self._good: dict[bytes, list[bool]] = {}
        for text in choices:
            choice = text.encode()
            good = spelling.spellable(choice)
            if not good[0]:
                raise RequestError(
                    f"this model has no tokens to write the choice {text!r}; choose another wording"
                )
            self._good[choice] = good

    def allowed(self, output: bytes) -> Integers:
        """Ascending ids of the tokens that may follow ``output``; never empty while ``finished`` is false."""
        done = len(output)
        ids: set[int] = set()
        for choice, good in self._good.items():
            if choice == output:
                ids.update(self._ends)
            elif choice.startswith(output):
                for length, tokens in self._spelling.starts(choice[done:]):
                    if good[done + length]:
                        ids.update(tokens)
        return np.array(sorted(ids), np.int64)

    def finished(self, output: bytes) -> bool:
        """Whether ``output`` is a choice that no longer one continues."""
        return output in self._good and not any(c != output and c.startswith(output) for c in self._good)
