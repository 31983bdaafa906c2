"""Sampling in integers, bound to the task's seed: every node draws the same token.

Greedy at temperature 0. Otherwise Gumbel-max: each token's score is its logit over the temperature plus
Gumbel noise, and the highest score wins, the lower id among equals. Logits are integers in units of 2^-16.

A vocabulary can have 256,000 tokens, and nearly all of them cannot win. What the definition says of all is
worked out only for those that can: bounds are wide enough that it never changes the token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference import fixed_point
from inference.fixed_point import UNIT, Integers, Logits
from inference.gumbel import (
    TAIL,
    Noise,
    gumbel_table,
    most_outside_tail,
    noise_table,
    noise_words,
    sampling_key,
)
from inference.request import Request

_FEW = 4096
"""Up to so many tokens it costs less to work all of them out than to tell which can win."""

_TOGETHER = 1 << 16
"""So many logits are looked at together at most, or those of one position."""

PENALTY_WINDOW = 64
"""The repetition penalty looks at this many tokens at the answer's end."""


@dataclass(frozen=True, slots=True)
class _Field:
    """The tokens of one draw: their ids, ascending, their logits nearly, and what makes those exact."""

    ids: Integers | None  # None: all
    rough: Logits
    exact: Callable[[Integers], Integers]  # logits, in units of 2^-16, of some places in the field

    def near(self, lowest: float) -> Integers:
        """Ascending places of all tokens whose logit is at least ``lowest`` (nats); perhaps some below it."""
        return np.flatnonzero(self.rough >= _just_below(np.array(lowest)))

    def at(self, places: Integers) -> Integers:
        """Ids of the tokens at some places."""
        return places if self.ids is None else self.ids[places]


class Sampler:
    """Picks the only token that the request and the task's seed allow at each position."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.key = sampling_key(request.task_seed, request.seed)
        self.temperature = request.temperature_milli

    @property
    def chooses_among_best(self) -> bool:
        """Whether a token can be out because of other tokens: by top-k, top-p or min-p."""
        request = self._request
        return request.temperature_milli > 0 and bool(
            request.top_k or request.top_p_micro or request.min_p_micro
        )

    @property
    def draws_apart(self) -> bool:
        """Whether ``draw`` may draw where all tokens are allowed: only a position's logits matter."""
        return not self.chooses_among_best and not self._request.repetition_penalty_milli

    def pick(self, logits: Logits, answer: Sequence[int], allowed: Integers | None = None) -> int:
        """The token after ``answer``, out of ``allowed`` (ascending ids, not empty) or all of them.

        What is not a number counts as lowest.
        """
        if allowed is None and self.draws_apart:
            return draw([(self, len(answer), 0)], logits[np.newaxis])[0]
        field = self._field(logits, answer, allowed)
        best = float(field.rough.max())
        if not self._request.temperature_milli:
            places = field.near(best)
            return int(field.at(places)[np.argmax(field.exact(places))])
        if self.chooses_among_best:
            field = self._best(field, best)
        return self._race(field, Noise(self.key, len(answer), len(logits)))

    def _field(self, logits: Logits, answer: Sequence[int], allowed: Integers | None) -> _Field:
        penalty = self._request.repetition_penalty_milli
        recent = np.unique(np.array(answer[-PENALTY_WINDOW:], np.int64)) if penalty else np.empty(0, np.int64)

        def exact(places: Integers) -> Integers:
            ids = places if allowed is None else allowed[places]
            values = fixed_point.fixed(logits[ids])
            if len(recent):
                again = np.isin(ids, recent)
                values[again] = fixed_point.penalised(values[again], penalty)
            return values

        rough = logits
        if len(recent):
            rough = logits.copy()
            rough[recent] = fixed_point.penalised(fixed_point.fixed(logits[recent]), penalty) / UNIT
        if allowed is not None:
            rough = rough[allowed]
        return _Field(allowed, _finite(rough), exact)

    def _best(self, field: _Field, best: float) -> _Field:
        """The tokens that top-k leaves, of these what top-p leaves, of these what min-p leaves."""
        request = self._request
        count = request.top_k
        if count:
            places = field.near(_low_bound(field.rough, count))
        elif request.top_p_micro:
            places = field.near(best - fixed_point.REACH)
        else:
            places = field.near(best - fixed_point.log_margin(request.min_p_micro) / UNIT)
        values = field.exact(places)
        if count:
            kept = fixed_point.best_values(values, count)
            places, values = places[kept], values[kept]
        if request.top_p_micro:
            kept = fixed_point.best_shares(values, request.top_p_micro)
            places, values = places[kept], values[kept]
        if request.min_p_micro:
            kept = np.flatnonzero(values >= values.max() - fixed_point.log_margin(request.min_p_micro))
            places, values = places[kept], values[kept]
        return _Field(field.at(places), (values / UNIT).astype(np.float32), values.__getitem__)

    def _race(self, field: _Field, noise: Noise) -> int:
        """The token with the highest score."""
        temperature = self._request.temperature_milli

        def scores(places: Integers) -> Integers:
            return field.exact(places) * 1000 // temperature + noise.of(field.at(places))

        # First the few with the most noise, and the best logit. Of the others only those matter that could
        # still beat what these reach.
        runners = np.append(_places(field, noise.tail), np.argmax(field.rough))
        reached = int(scores(runners).max())
        rest = field.near((reached - most_outside_tail()) * temperature / 1000 / UNIT)
        places = np.union1d(runners, rest)
        return int(field.at(places)[np.argmax(scores(places))])


def draw(draws: Sequence[tuple[Sampler, int, int]], table: Logits) -> list[int]:
    """The tokens of some samplers, each at a position, from a row of the table: as of ``pick``, but together.

    Rows ascend. All samplers must be ones that ``draws_apart``.
    """
    tokens: list[int] = []
    size = max(1, _TOGETHER // table.shape[1])
    for begin in range(0, len(draws), size):
        some = draws[begin : begin + size]
        first, last = some[0][2], some[-1][2]
        apart = last - first >= len(some)
        logits = table[[row for _, _, row in some]] if apart else table[first : last + 1]
        hot = [place for place, (sampler, _, _) in enumerate(some) if sampler.temperature]
        if len(hot) == len(some):
            tokens += _draw_hot(some, logits)
            continue
        found = dict(zip(hot, _draw_hot([some[p] for p in hot], logits[hot]), strict=True)) if hot else {}
        tokens += [found[p] if p in found else _greedy(row) for p, row in enumerate(logits)]
    return tokens


def _greedy(logits: Logits) -> int:
    field = _Field(None, _finite(logits), lambda places: fixed_point.fixed(logits[places]))
    places = field.near(float(field.rough.max()))
    return int(places[np.argmax(field.exact(places))])


def _draw_hot(draws: Sequence[tuple[Sampler, int, int]], logits: Logits) -> list[int]:
    """``draw`` at temperatures over 0; ``logits`` has the draws' rows only."""
    keys = [(sampler.key, position) for sampler, position, _ in draws]
    vocabulary = logits.shape[1]
    if logits.size <= _FEW:
        scores = fixed_point.fixed(logits) * 1000
        for row, (sampler, _, _) in zip(scores, draws, strict=True):
            row //= sampler.temperature
        best: list[int] = (scores + noise_table(keys, vocabulary)).argmax(axis=1).tolist()
        return best
    temperatures = np.array([sampler.temperature for sampler, _, _ in draws], np.int64)

    def warm(rows: Integers, ids: Integers) -> Integers:
        return fixed_point.fixed(logits[rows, ids]) * 1000 // temperatures[rows]

    # The race of ``Sampler._race``, of all rows at once. What a row reaches: the best of the few tokens with
    # the most noise, and of the best logit, whose noise is here what it is at least.
    rough, every = _finite(logits), np.arange(len(draws))
    words, rows, ids, tail_noise = noise_words(keys, vocabulary)
    tail_scores = warm(rows, ids) + tail_noise
    top = rough.argmax(axis=1)
    reached = warm(every, top) + gumbel_table(0)[np.minimum(words[every, top], TAIL - 1)]
    np.maximum.at(reached, rows, tail_scores)
    bounds = _just_below((reached - most_outside_tail()) * temperatures / (1000 * UNIT))
    more, rest = np.divmod(np.flatnonzero(rough >= bounds[:, np.newaxis]), vocabulary)
    seen = words[more, rest]
    outside = seen < TAIL
    more, rest, seen = more[outside], rest[outside], seen[outside]
    rows, ids = np.append(rows, more), np.append(ids, rest)
    scores = np.append(tail_scores, warm(more, rest) + gumbel_table(0)[seen])
    order = np.lexsort((ids, -scores, rows))
    firsts = np.searchsorted(rows[order], every)
    tokens: list[int] = ids[order][firsts].tolist()
    return tokens


def _just_below(bounds: npt.NDArray[np.float64]) -> Logits:
    """Numbers (nats) below which no logit is that is at least ``bounds`` before it is rounded."""
    slack = 2.0**-8 + abs(bounds) * 2.0**-18  # above what rounding to 2^-16 and to float32 can move
    lowest = bounds - slack
    return np.where(lowest > -fixed_point.HUGE, lowest, -np.inf).astype(np.float32)


def _finite(logits: Logits) -> Logits:
    """The logits with those that are no numbers, or huge, where ``fixed`` puts them."""
    huge = fixed_point.HUGE
    if logits.max() <= huge and logits.min() >= -huge:
        return logits
    return np.clip(np.nan_to_num(logits, nan=-huge), -huge, huge).astype(np.float32)


def _places(field: _Field, ids: Integers) -> Integers:
    """Where in the field those of ``ids`` are that are in it."""
    if field.ids is None or not len(ids):
        return ids
    places = np.searchsorted(ids, field.ids)
    places[places == len(ids)] = 0
    return np.flatnonzero(ids[places] == field.ids)


def _low_bound(values: Logits, count: int) -> float:
    """A number that at least ``count`` of the values reach, and few more, if there are so many.

    The ``count`` best of the maxima of blocks reach the lowest of them.
    """
    blocks = 8 * count
    if blocks > len(values) // 8:
        return -fixed_point.HUGE
    size = len(values) // blocks
    maxima = values[: blocks * size].reshape(blocks, size).max(axis=1)
    return float(np.partition(maxima, blocks - count)[blocks - count])
