"""What a worker has done, in numbers: counted in its process, added up over restarts by the node."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields

OUTCOMES = ("answered", "rejected", "cancelled", "timed_out", "refused", "failed")
"""A request was answered, cannot be computed by anybody, was not wanted any more, took longer than its limit,
found the queue full, or failed with the process."""

_SAMPLES = 16  # about one a second of computing


@dataclass(slots=True)
class Counts:
    """What one worker process has computed since it started. Tokens, and seconds of computing."""

    generated: int = 0
    """Tokens sampled one by one."""
    checked: int = 0
    """Tokens sampled that a draft had named: many at a time."""
    read: int = 0
    """Positions computed for anything else: prompts, and drafts behind a wrong token."""
    reused: int = 0
    """Tokens of prompts that did not have to be read, because a cache held them."""
    busy: float = 0.0
    """Seconds in which at least one request was computed."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    @property
    def answered(self) -> int:
        """Tokens of answers, generated or checked."""
        return self.generated + self.checked


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """A worker at one moment. Counts are since the node started, whatever the process went through."""

    computing: int
    waiting: int
    restarts: int
    crashes: int
    hangs: int
    requests: dict[str, int]
    """How many ended in each of ``OUTCOMES``."""
    counts: Counts
    tokens_per_second: float
    """Of answers, over the last seconds in which something was computed; 0 before the first."""
    memory: int
    """Bytes of memory that the process holds now, the part of the model's file it has read included; or 0."""


class Meter:
    """Adds up the counts of one process after the other."""

    def __init__(self) -> None:
        self._before = Counts()
        self._now = Counts()
        self._samples: deque[tuple[int, float]] = deque([(0, 0.0)], maxlen=_SAMPLES)

    @property
    def total(self) -> Counts:
        """Of all processes."""
        return self._before + self._now

    @property
    def tokens_per_second(self) -> float:
        """Tokens of answers for each second of computing, lately."""
        (first, begin), (last, end) = self._samples[0], self._samples[-1]
        return (last - first) / (end - begin) if end > begin else 0.0

    def update(self, counts: Counts) -> None:
        """Take the latest counts of the process that runs."""
        self._now = counts
        total = self.total
        self._samples.append((total.answered, total.busy))

    def process_ended(self) -> None:
        """The next counts are those of another process, which begins at 0."""
        self._before, self._now = self.total, Counts()


def resident_bytes(pid: int | None) -> int:
    """Memory that a process holds, in bytes; 0 if there is none or the system does not tell."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return 0
