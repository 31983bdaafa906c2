"""The program around one benchmark: its options, its progress, where its result goes."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import structlog

from p2pavs.bench.result import Result
from p2pavs.bench.text import as_text

Measure = Callable[[argparse.Namespace], Result]


def say(line: str) -> None:
    """Tell what is being done: one line on stderr, which ``p2pavs bench`` shows."""
    print(line, file=sys.stderr, flush=True)


def run(
    measure: Measure,
    *,
    repeats: int | None = 3,
    quick_repeats: int = 1,
    add_options: Callable[[argparse.ArgumentParser], None] | None = None,
    arguments: Sequence[str] | None = None,
    description: str | None = None,
) -> int:
    """Measure as the command line says; prints the tables, or writes the result to ``--result``.

    ``measure`` gets ``quick`` and ``repeats`` (not where they are None: then it does not repeat itself), and
    what ``add_options`` adds. Returns the exit status.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="the smallest run that shows that it works")
    if repeats is not None:
        parser.add_argument("--repeats", type=_positive, help=f"({repeats}, with --quick {quick_repeats})")
    parser.add_argument("--result", type=Path, metavar="FILE", help="write the result here, as JSON")
    if add_options is not None:
        add_options(parser)
    options = parser.parse_args(arguments)
    if repeats is not None and options.repeats is None:
        options.repeats = quick_repeats if options.quick else repeats
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    signal.signal(signal.SIGTERM, _end)
    result = measure(options)
    if options.result is not None:
        options.result.write_text(json.dumps(result.to_json(), allow_nan=False))
    else:
        print(as_text(result))
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    """Leave as after Ctrl-C, which trio knows how to deliver: test networks are stopped on the way."""
    signal.raise_signal(signal.SIGINT)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of the values do not exceed (nearest rank). Not of nothing."""
    ordered = sorted(values)
    rank = -(-len(ordered) * round(1000 * share) // 1000)
    return ordered[max(0, min(len(ordered), rank) - 1)]


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)
