"""Logits as integers in units of 2^-16, and the arithmetic that sampling does with them.

Only IEEE multiplication by a power of two, rounding, and integer arithmetic take part, so no ``exp`` or
``log`` of a platform can make nodes differ.
"""

from __future__ import annotations

from decimal import Context, Decimal
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Logits: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

UNIT = 1 << 16
HUGE = float(1 << 30)
"""Logits count as at most this, so that products with temperatures and penalties stay inside int64."""

REACH = 32
"""Nats below the best from which on a token has no share at all."""
_STEP_BITS = 12  # shares are looked up by distance from the best, in steps of 2^-12


def fixed(logits: Logits) -> Integers:
    """``round(logit * 2^16)``; what is not a number counts as lowest."""
    if len(logits) and not (logits.min() >= -HUGE and logits.max() <= HUGE):
        logits = np.clip(np.nan_to_num(logits, nan=-HUGE, posinf=HUGE, neginf=-HUGE), -HUGE, HUGE)
    exact: Logits = logits * np.float32(UNIT)  # only the exponent changes, so nothing is rounded
    return np.rint(exact, out=exact).astype(np.int64)


def penalised(values: Integers, penalty_milli: int) -> Integers:
    """The repetition penalty of CTRL (Keskar et al. 2019): positive logits divided, others multiplied.

    Rounded down.
    """
    return np.where(values > 0, values * 1000 // penalty_milli, values * penalty_milli // 1000)


@cache
def log_margin(micro: int) -> int:
    """``-ln(micro / 10^6)`` in units of 2^-16, from correctly rounded decimal arithmetic."""
    return _rounded(-Context(prec=24).ln(Decimal(micro) / Decimal(1_000_000)) * UNIT)


@cache
def share_table() -> Integers:
    """``exp(-k / 2^12)`` for k below 32 * 2^12, in units of 2^-40: products of two tables, cut off."""
    context = Context(prec=30)
    steps = 1 << _STEP_BITS
    whole = [_rounded(context.exp(Decimal(-a)) * (1 << 60)) for a in range(REACH)]
    part = [_rounded(context.exp(Decimal(-b) / steps) * (1 << 60)) for b in range(steps)]
    return np.array([a * b >> 80 for a in whole for b in part], np.int64)


def best_shares(values: Integers, micro: int) -> Integers:
    """Ascending indexes of the fewest best ``values`` that hold at least ``micro`` millionths of all shares.

    Of equal values the lower indexes come first. What is 32 nats or more below the best holds nothing.
    """
    table = share_table()
    step = (values.max() - values) >> (16 - _STEP_BITS)
    held = np.bincount(np.minimum(step, len(table)), minlength=len(table))[: len(table)] * table
    sums = np.cumsum(held)
    need = -(-int(sums[-1]) * micro // 1_000_000)
    last = int(np.searchsorted(sums, need))
    kept = step < last
    edge = np.flatnonzero(step == last)
    missing = need - (int(sums[last - 1]) if last else 0)
    count = -(-missing // int(table[last]))
    kept[edge[np.argsort(-values[edge], kind="stable")[:count]]] = True
    return np.flatnonzero(kept)


def best_values(values: Integers, count: int) -> Integers:
    """Ascending indexes of the ``count`` best values; of equal ones the lower indexes come first."""
    if count >= len(values):
        return np.arange(len(values))
    least = np.partition(values, len(values) - count)[len(values) - count]
    keep = values > least
    keep[np.flatnonzero(values == least)[: count - int(keep.sum())]] = True
    return np.flatnonzero(keep)


def _rounded(value: Decimal) -> int:
    return int(value.to_integral_value())
