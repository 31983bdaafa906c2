"""What grows while a network works: ``python -m tests.bench.endurance``. The run of ``tests.bench.soak``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import astuple

from p2pavs.bench.part import run, say
from p2pavs.bench.result import Chart, Result
from tests.bench.soak import HEADER, KEEP, NAMES, PERIOD, as_line, soak


def measure(options: argparse.Namespace) -> Result:
    """A steady load on one network, looked at every half minute."""
    minutes = options.minutes or (1.0 if options.quick else 15.0)
    say(f"a test network of {options.nodes} nodes, a task every {options.every:g} s for {minutes:g} minutes")
    say(HEADER)
    found = soak(options.nodes, minutes, options.every, KEEP, lambda tasks, point: say(as_line(tasks, point)))
    result = Result()
    result.table(
        ("largest of the nodes", "second third", "last third", "most"),
        found.thirds(),
        f"{options.nodes} nodes, a task every {options.every:g} s for {minutes:g} minutes; medians",
    )
    result.notes.append(
        f"{found.certified} of {found.tasks} tasks certified, {len(found.errors)} errors in the logs."
    )
    result.charts.append(
        Chart(
            "Memory and disk",
            "minutes",
            "MB",
            {
                name.removesuffix(" MB"): tuple(
                    ((number + 1) * PERIOD / 60, float(astuple(point)[position]))
                    for number, point in enumerate(found.points)
                )
                for position, name in enumerate(NAMES)
                if name.endswith(" MB")
            },
        )
    )
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, help="(15)")
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--nodes", type=int, default=4)


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, add_options=add_options, description=__doc__))
