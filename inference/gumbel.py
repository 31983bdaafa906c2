"""Gumbel noise in integers: the same for every node, bound to the task's seed.

A token's noise is ``-ln(-ln u)`` in units of 2^-16, rounded, where ``u`` has 16 random bits. Where the upper
8 of them are ones it has 24, where all 16 are ones it has 32: the largest values decide which token wins, and
16 bits alone would leave many of a large vocabulary with the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from functools import cache
from hashlib import sha256, shake_256

import numpy as np
import numpy.typing as npt

from inference.fixed_point import UNIT, Integers

WORDS = 1 << 16
TAIL = 0xFF00
"""From this 16-bit word on a token's noise takes a second word."""
_TABLES_SHA256 = (
    "fc2d8ed7fe9b4cbc3b95bcc8c5a35b0f8f7c8897e9d9e4f3e42501a83d059cc8",
    "d2fd8fd7b4aeaf3dd6bba6727ea27eebf1898d3ec72a5fb78c1405c3fbff3f8f",
    "9b3a97f2613b5d004ed1eb7b2e684af933eb399164497dce4b9e887f4997924f",
)


@cache
def gumbel_table(level: int) -> Integers:
    """The values of the last 65,536 of all ``u`` with 16 + 8 ``level`` bits, lowest first."""
    rest = ((WORDS - k - 0.5) / (1 << (16 + 8 * level)) for k in range(WORDS))  # 1 - u
    table = np.array([round(-math.log(-math.log1p(-r)) * UNIT) for r in rest], np.int64)
    if sha256(table.astype("<i4").tobytes()).hexdigest() != _TABLES_SHA256[level]:
        # A platform whose logarithm rounds differently; some seconds.
        table = np.array([exact_gumbel(level, k) for k in range(WORDS)], np.int64)
    return table


def exact_gumbel(level: int, k: int) -> int:
    """Entry ``k`` of a table, by definition, in decimal arithmetic, which rounds correctly everywhere."""
    context = Context(prec=30)
    halves = 1 << (17 + 8 * level)
    inner = -context.ln(Decimal(halves - 2 * WORDS + 2 * k + 1) / Decimal(halves))
    return int((-context.ln(inner) * UNIT).to_integral_value())


def sampling_key(task_seed: bytes, seed: int) -> bytes:
    """The key of a request's random words: the task's seed and the requester's own."""
    return sha256(b"p2pavs/sampling/1" + task_seed + seed.to_bytes(8, "big")).digest()


def random_words(
    key: bytes, position: int, count: int, stream: bytes = b"p2pavs/gumbel/1"
) -> npt.NDArray[np.uint16]:
    """Uniform 16-bit words for the answer's token at ``position``; word i belongs to token id i."""
    data = shake_256(stream + key + position.to_bytes(8, "big")).digest(2 * count)
    return np.frombuffer(data, "<u2")


def _second_words(key: bytes, position: int, count: int) -> npt.NDArray[np.uint16]:
    return random_words(key, position, count, b"p2pavs/gumbel-tail/1")


def _tail_noise(words: npt.NDArray[np.uint16], second: npt.NDArray[np.uint16]) -> Integers:
    first, more = words.astype(np.int64), second.astype(np.int64)
    longer = gumbel_table(1)[(first & 0xFF) << 8 | more >> 8]
    return np.where(first < WORDS - 1, longer, gumbel_table(2)[more])


def noise_words(
    draws: Sequence[tuple[bytes, int]], count: int
) -> tuple[npt.NDArray[np.uint16], Integers, Integers, Integers]:
    """The words of all ``count`` tokens for each (key, position), a row for each, and the tail among them.

    Of those with a second word: their rows, ascending, their ids, ascending in a row, and their noise.
    """
    words = np.stack([random_words(key, position, count) for key, position in draws])
    rows, ids = np.divmod(np.flatnonzero(words >= TAIL), count)
    many = np.bincount(rows, minlength=len(draws)).tolist()
    second = [_second_words(key, position, n) for (key, position), n in zip(draws, many, strict=True)]
    return words, rows, ids, _tail_noise(words[rows, ids], np.concatenate(second))


def noise_table(draws: Sequence[tuple[bytes, int]], count: int) -> Integers:
    """The noise of all ``count`` tokens for each (key, position): a row for each."""
    words, rows, ids, tail = noise_words(draws, count)
    noise: Integers = gumbel_table(0).take(words)
    noise[rows, ids] = tail
    return noise


class Noise:
    """The noise of all ``count`` tokens at one position of one answer, worked out where it is asked for."""

    def __init__(self, key: bytes, position: int, count: int) -> None:
        self._words = random_words(key, position, count)
        self.tail: Integers = (self._words >= TAIL).nonzero()[0]
        """Ascending ids of the tokens with a second word, about one in 256: all others have less noise."""
        second = _second_words(key, position, len(self.tail))
        self._tail_noise = _tail_noise(self._words[self.tail], second)

    def of(self, ids: Integers) -> Integers:
        """The noise of these tokens."""
        noise = gumbel_table(0)[self._words[ids]]
        if len(self.tail):
            place = np.minimum(np.searchsorted(self.tail, ids), len(self.tail) - 1)
            return np.where(self.tail[place] == ids, self._tail_noise[place], noise)
        return noise


def most_outside_tail() -> int:
    """The largest noise of a token without a second word."""
    return int(gumbel_table(0)[TAIL - 1])
