"""What the tasks' events add up to, for metrics. Memory is bounded by the tasks that are not over."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from itertools import accumulate
from typing import Final

from p2pavs.journal import Event

OUTCOMES: Final = ("certified", "expired", "refunded")
TIMEOUTS: Final = ("propose", "prevote", "precommit", "inference")
DECISION_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
VERIFICATION_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_WATCHED: Final = 4096


class Histogram:
    """Counts of values up to each bound, as Prometheus wants them."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Each bound with the number of values up to it; the last one is ``+Inf``."""
        names = [*map(str, self._bounds), "+Inf"]
        return [*zip(names, map(float, accumulate(self._counts)), strict=True)]


class Tally:
    """Counters of this process. ``hear`` is told of every event of the journal."""

    def __init__(self) -> None:
        self.rounds = 0
        """Rounds entered."""
        self.failed_rounds = 0
        """Rounds entered because the one before came to nothing."""
        self.timeouts: Counter[str] = Counter()
        self.missed_attempts = 0
        """Attempts whose time passed without a decision here."""
        self.seats = 0
        """Certified tasks whose committee had this operator."""
        self.missed_seats = 0
        """Those among them whose certificate lacks this operator's signature in the end."""
        self.outcomes: Counter[str] = Counter()
        self.posted = 0
        self.decisions = Histogram(DECISION_SECONDS)
        """Seconds from the task's block, as seen here, to a certificate in this node."""
        self.verifications = Histogram(VERIFICATION_SECONDS)
        """Seconds of the processor for each batch of messages whose signatures were checked."""
        self._seen: OrderedDict[int, float] = OrderedDict()

    def hear(self, event: Event) -> None:
        """Count an event."""
        match event.kind:
            case "task":
                self._seen[event.task_id] = event.at
                if len(self._seen) > _WATCHED:
                    self._seen.popitem(last=False)
            case "round":
                self.rounds += 1
                number = event.fields.get("round")
                self.failed_rounds += isinstance(number, int) and number > 0
            case "timeout":
                self.timeouts[str(event.fields.get("step"))] += 1
            case "inference_late":
                self.timeouts["inference"] += 1
            case "attempt_missed":
                self.missed_attempts += 1
            case "certificate":
                if (seen := self._seen.pop(event.task_id, None)) is not None:
                    self.decisions.add(max(0.0, event.at - seen))
            case "posted":
                self.posted += 1
            case "task_over":
                self._over(event)
            case _:
                pass

    def _over(self, event: Event) -> None:
        self._seen.pop(event.task_id, None)
        self.outcomes[str(event.fields.get("state"))] += 1
        signed = event.fields.get("signed")
        if signed is not None:
            self.seats += 1
            self.missed_seats += signed is False
