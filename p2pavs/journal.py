"""What happens to each task, as short events: for the API, for `p2pavs request`, for the operator's log."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import structlog
import trio

Json: TypeAlias = "str | int | float | bool | None | Sequence[Json] | Mapping[str, Json]"

EVENTS_PER_TASK = 512
TASKS_KEPT = 256

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``seq`` rises by one for each event of the node; ``at`` is unix seconds."""

    seq: int
    at: float
    task_id: int
    kind: str
    fields: dict[str, Json]

    def to_json(self) -> dict[str, Json]:
        """The event as the API returns it."""
        return {
            "seq": self.seq,
            "at": round(self.at, 3),
            "task": self.task_id,
            "event": self.kind,
            **_safe(self.fields),
        }


def _safe(fields: Mapping[str, Json]) -> dict[str, Json]:
    """Weights are wei, and JSON readers lose digits beyond 2^53: give such numbers as text."""
    return {name: _safe_value(value) for name, value in fields.items()}


def _safe_value(value: Json) -> Json:
    match value:
        case bool() | None | str() | float():
            return value
        case int():
            return value if abs(value) < 2**53 else str(value)
        case Mapping():
            return _safe(value)
        case _:
            return [_safe_value(one) for one in value]


class Note(Protocol):
    """Writes an event into a task's journal."""

    def __call__(self, kind: str, **fields: Json) -> None:
        """Write it."""
        ...


class Journal:
    """Keeps the last events of the last tasks in memory and lets readers wait for new ones."""

    def __init__(self, told: Callable[[Event], None] = lambda event: None) -> None:
        """``told`` hears of each event, kept or not."""
        self._told = told
        self._tasks: OrderedDict[int, deque[Event]] = OrderedDict()
        self._seq = 0
        self._news = trio.Event()

    def add(self, task_id: int, kind: str, **fields: Json) -> None:
        """Record an event and write it to the log."""
        self._seq += 1
        event = Event(self._seq, time.time(), task_id, kind, fields)
        if task_id not in self._tasks:
            self._tasks[task_id] = deque(maxlen=EVENTS_PER_TASK)
            if len(self._tasks) > TASKS_KEPT:
                self._tasks.popitem(last=False)
        self._tasks[task_id].append(event)
        log.info(kind, task=task_id, **fields)
        self._told(event)
        self._news.set()
        self._news = trio.Event()

    def tasks(self) -> list[int]:
        """The ids of the tasks whose events are kept, oldest first."""
        return list(self._tasks)

    def events(self, task_id: int, after: int = 0) -> list[Event]:
        """The kept events of a task with ``seq`` above ``after``, oldest first."""
        return [event for event in self._tasks.get(task_id, ()) if event.seq > after]

    def latest(self, after: int = 0, most: int = 200) -> list[Event]:
        """The newest ``most`` kept events of all tasks with ``seq`` above ``after``, oldest first."""
        found = [event for events in self._tasks.values() for event in events if event.seq > after]
        return sorted(found, key=lambda event: event.seq)[-most:]

    async def wait_latest(self, after: int) -> list[Event]:
        """Like ``latest``, as soon as there is one."""
        while self._seq <= after:
            await self._news.wait()
        return self.latest(after)

    async def wait(self, task_id: int, after: int) -> list[Event]:
        """The events of a task above ``after``, as soon as there is one."""
        while not (events := self.events(task_id, after)):
            await self._news.wait()
        return events
