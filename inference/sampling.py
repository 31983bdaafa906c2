"""Sampling in integers, bound to the task's seed: every node draws the same token.

Greedy at temperature 0. Otherwise Gumbel-max: each token's score is ``round(logit * 2^16 / T)`` plus a
Gumbel value ``round(-ln(-ln((k + 1/2) / 2^16)) * 2^16)``, and the highest score wins, the lower id among
equals. ``k`` is the token's 16-bit word of SHAKE-256(tag, key, position). Only IEEE multiplication, integer
arithmetic and hashing take part, so no ``exp`` or ``log`` of a platform can make nodes differ.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from functools import cache
from hashlib import sha256, shake_256
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Logits: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

UNIT = 1 << 16
_TABLE_SHA256 = "fc2d8ed7fe9b4cbc3b95bcc8c5a35b0f8f7c8897e9d9e4f3e42501a83d059cc8"
_HUGE = float(1 << 30)  # keeps scores inside int64 at the lowest temperature


@cache
def gumbel_table() -> Integers:
    """The 65,536 Gumbel values in units of 2^-16, lowest first."""
    halves = (2 * k + 1 for k in range(UNIT))
    table = np.array([round(-math.log(-math.log(h / (2 * UNIT))) * UNIT) for h in halves], np.int64)
    if sha256(table.astype("<i4").tobytes()).hexdigest() != _TABLE_SHA256:
        table = _exact_gumbel_table()  # a platform whose log rounds differently
    return table


def _exact_gumbel_table() -> Integers:
    """The same values from decimal arithmetic, which rounds correctly everywhere (some seconds)."""
    return np.array([exact_gumbel(k) for k in range(UNIT)], np.int64)


def exact_gumbel(k: int) -> int:
    """Entry ``k`` of the table, by definition."""
    context = Context(prec=24)
    inner = -context.ln(Decimal(2 * k + 1) / Decimal(2 * UNIT))
    return int((-context.ln(inner) * UNIT).to_integral_value())


def sampling_key(task_seed: bytes, seed: int) -> bytes:
    """The key of a request's random words: the task's seed and the requester's own."""
    return sha256(b"p2pavs/sampling/1" + task_seed + seed.to_bytes(8, "big")).digest()


def random_words(key: bytes, position: int, count: int) -> npt.NDArray[np.uint16]:
    """Uniform 16-bit words for the answer's token at ``position``; word i belongs to token id i."""
    stream = shake_256(b"p2pavs/gumbel/1" + key + position.to_bytes(8, "big")).digest(2 * count)
    return np.frombuffer(stream, "<u2")


class Sampler:
    """Picks the only token that the request and the task's seed allow at each position."""

    def __init__(
        self, temperature_milli: int, top_k: int, min_p_micro: int, seed: int, task_seed: bytes
    ) -> None:
        self._scale = UNIT * 1000 / temperature_milli if temperature_milli else 0.0
        self._top_k = top_k
        self._margin = _log_margin(min_p_micro) if min_p_micro else None
        self._key = sampling_key(task_seed, seed)

    def pick(self, logits: Logits, position: int, allowed: Integers | None = None) -> int:
        """The token at ``position`` (from 0), out of ``allowed`` (ascending ids, not empty) or all of them.

        NaN counts as minus infinity; where nothing is finite the lowest id of the highest wins.
        """
        ids = np.arange(len(logits)) if allowed is None else allowed
        values = logits[ids].astype(np.float64)
        values[np.isnan(values)] = -np.inf
        if not self._scale:
            return int(ids[np.argmax(values)])
        values = np.clip(values, -_HUGE, _HUGE)
        kept = self._best(np.rint(values * UNIT).astype(np.int64))
        ids, values = ids[kept], values[kept]
        scores = np.rint(values * self._scale).astype(np.int64)
        scores += gumbel_table()[random_words(self._key, position, len(logits))[ids]]
        return int(ids[np.argmax(scores)])

    def _best(self, fixed: Integers) -> Integers:
        """Ascending indexes of the logits (in units of 2^-16) that ``top_k`` and ``min_p`` leave."""
        keep = np.ones(len(fixed), np.bool_)
        if 0 < self._top_k < len(fixed):
            least = np.partition(fixed, len(fixed) - self._top_k)[len(fixed) - self._top_k]
            keep = fixed > least
            keep[np.flatnonzero(fixed == least)[: self._top_k - int(keep.sum())]] = True
        if self._margin is not None:
            keep &= fixed >= fixed.max() - self._margin
        return np.flatnonzero(keep)


@cache
def _log_margin(min_p_micro: int) -> int:
    """``-ln(min_p)`` in units of 2^-16, from correctly rounded decimal arithmetic."""
    logarithm = Context(prec=24).ln(Decimal(min_p_micro) / Decimal(1_000_000))
    return int((-logarithm * UNIT).to_integral_value())
