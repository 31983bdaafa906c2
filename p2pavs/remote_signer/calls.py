"""How a node's questions to its signer went: for metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from p2pavs.tally import Histogram

KINDS: Final = ("state", "statement", "beacon", "transaction")
OUTCOMES: Final = ("answered", "refused", "failed")
SECONDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Calls:
    """Counts by kind and outcome, and how long answers took (refusals too), in seconds."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.seconds = Histogram(SECONDS)

    @contextmanager
    def one(self, path: str) -> Iterator[Call]:
        """Count one call, which has failed unless its outcome is set before the block ends."""
        call, began = Call(), monotonic()
        try:
            yield call
        finally:
            self.counts[path.rsplit("/", 1)[-1], call.outcome] += 1
            if call.outcome != "failed":
                self.seconds.add(monotonic() - began)


class Call:
    """A call that goes on."""

    def __init__(self) -> None:
        self.outcome = "failed"
