"""Structured logs on standard error: JSON lines for machines, columns on a terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TextIO, cast

import structlog


@dataclass(slots=True)
class _Place:
    """What is worked on. All tasks of one member share it, so that they share its round."""

    task: int
    attempt: int
    round: int | None = None


_place: ContextVar[_Place | None] = ContextVar("place", default=None)


def working_on(task: int, attempt: int) -> None:
    """Give the lines of this trio task, and of all it starts from now on, ``task`` and ``attempt``."""
    _place.set(_Place(task, attempt))


def entered_round(round_: int) -> None:
    """Give the lines of the same member the field ``round``."""
    if (place := _place.get()) is not None:
        place.round = round_


def add_place(
    _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the place to a line, as far as it does not say it itself: a processor of structlog."""
    if (place := _place.get()) is not None:
        event.setdefault("task", place.task)
        event.setdefault("attempt", place.attempt)
        if place.round is not None:
            event.setdefault("round", place.round)
    return event


class _Forgiving:
    """A file whose full disk is not the writer's problem: a node must outlive its log."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, or lose the text."""
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        """Write out what is buffered, or lose it."""
        with contextlib.suppress(OSError):
            self._file.flush()


def quiet() -> None:
    """Set up structlog for a program that is no node: warnings only, so that stdout is for results."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def configure(level: int = logging.INFO) -> None:
    """Set up structlog for a node process."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        # Not the default traceback: it shows local variables, and those hold secrets.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    tracebacks: list[structlog.typing.Processor] = [] if terminal else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            add_place,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Forgiving(sys.stderr))),
        cache_logger_on_first_use=True,
    )
