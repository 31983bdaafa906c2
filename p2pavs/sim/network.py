"""The network between members: delays, loss, copies, late arrivals, partitions, and when they end."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

LATENCIES = "constant:MS, uniform:LOW:HIGH, lognormal:MEDIAN[:SIGMA] or regions[:JITTER]"

_REGIONS = (  # one-way milliseconds between North America, Europe, Asia, South America and Oceania
    (20, 45, 90, 70, 85),
    (45, 10, 100, 100, 130),
    (90, 100, 25, 150, 60),
    (70, 100, 150, 15, 140),
    (85, 130, 60, 140, 15),
)

Latency: TypeAlias = Callable[[random.Random, int, int], int]
"""Draws the delay in milliseconds of one message from a sender to a receiver."""


class LatencyError(ValueError):
    """The text does not describe a latency model."""


def parse_latency(text: str) -> Latency:
    """Read a latency model; raises ``LatencyError``. See ``LATENCIES``."""
    name, *arguments = text.split(":")
    try:
        numbers = [float(argument) for argument in arguments]
    except ValueError:
        numbers = [math.nan]
    if any(not 0 <= number <= 1e6 for number in numbers):
        raise LatencyError(f"{text!r}: a latency is made of numbers from 0 to 1,000,000")
    match name, numbers:
        case "constant", [delay]:
            return lambda rng, sender, receiver: int(delay)
        case "uniform", [low, high] if low <= high:
            return lambda rng, sender, receiver: int(low + rng.random() * (high - low))
        case "lognormal", [median, *sigma] if median > 0 and len(sigma) <= 1:
            spread = sigma[0] if sigma else 0.5
            return lambda rng, sender, receiver: int(min(rng.lognormvariate(math.log(median), spread), 1e6))
        case "regions", [*jitter] if len(jitter) <= 1:
            return _between_regions(jitter[0] if jitter else 0.3)
        case _:
            raise LatencyError(f"{text!r} is no latency model; there are {LATENCIES}")


def _between_regions(jitter: float) -> Latency:
    def delay(rng: random.Random, sender: int, receiver: int) -> int:
        base = _REGIONS[sender % len(_REGIONS)][receiver % len(_REGIONS)]
        return int(base * (1 + jitter * rng.random()))

    return delay


@dataclass(frozen=True, slots=True)
class Partition:
    """From ``start_ms`` to ``end_ms`` nothing passes between ``side`` and the others."""

    start_ms: int
    end_ms: int
    side: frozenset[int]


@dataclass(frozen=True, slots=True)
class NetworkModel:
    """What the network does to messages. Times are virtual milliseconds, probabilities are per message."""

    latency: str = "uniform:5:60"
    loss: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    """How many messages take ``late_ms`` longer, so that later ones overtake them."""
    late_ms: int = 1000
    partitions: tuple[Partition, ...] = ()
    hush: bool = False
    """The worst case of partial synchrony: who has decided is not heard by anybody until ``stable_ms``."""
    stable_ms: int | None = None
    """The global stabilisation time: from here on nothing is lost, late or cut off. None: it never comes."""


class Network:
    """Decides for each message when it arrives, if at all."""

    def __init__(self, model: NetworkModel, rng: random.Random) -> None:
        self._model = model
        self._rng = rng
        self._latency = parse_latency(model.latency)
        self._faulty = bool(model.loss or model.duplicate or model.late or model.partitions)

    def delays(self, now: int, sender: int, receiver: int) -> tuple[int, ...]:
        """Return after how many milliseconds the message arrives: not at all, once, or twice."""
        rng, model = self._rng, self._model
        delay = self._latency(rng, sender, receiver)
        if not self._faulty or (model.stable_ms is not None and now >= model.stable_ms):
            return (delay,)
        for cut in model.partitions:
            if cut.start_ms <= now < cut.end_ms and (sender in cut.side) != (receiver in cut.side):
                return ()
        if model.loss and rng.random() < model.loss:
            return ()
        if model.late and rng.random() < model.late:
            delay += int(rng.random() * model.late_ms)
        if model.duplicate and rng.random() < model.duplicate:
            return delay, self._latency(rng, sender, receiver)
        return (delay,)
