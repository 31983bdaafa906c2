"""``p2pavs bench``: measure everything, against what one would use instead."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pavs.cli.options import json_option
from p2pavs.cli.output import show, table, wants_json
from p2pavs.errors import UsageError

if TYPE_CHECKING:
    from p2pavs.bench.registry import Benchmark
    from p2pavs.bench.report import Run


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--list", "only_list", is_flag=True, help="Show what there is and how long it takes.")
@click.option("--quick", is_flag=True, help="The smallest run of each: rough numbers.")
@click.option(
    "--repeats", type=click.IntRange(1, 1000), help="Repeat each measurement so often, where it is repeated."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.md",
              help="Replace the sections of these benchmarks in this document; pictures and a report in "
              "JSON go into the directory of the same name beside it.")  # fmt: skip
@json_option
def bench(
    names: tuple[str, ...], only_list: bool, quick: bool, repeats: int | None, out: Path | None
) -> None:
    """Run the named benchmarks, or all.

    Each says its question and what it is compared with in the same run. Progress goes to stderr. With --json
    the report is printed in the form of docs/benchmark-spec.md.
    """
    from p2pavs.bench import runner
    from p2pavs.bench.registry import BENCHMARKS, BY_NAME

    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise UsageError(f"There is no benchmark {unknown[0]!r}.", f"There are: {', '.join(BY_NAME)}.")
    chosen = [one for one in BENCHMARKS if not names or one.name in names]
    if only_list:
        _list(chosen)
        return
    once = [one.name for one in chosen if not one.repeated]
    if repeats is not None and names and once:
        raise UsageError(
            f"the benchmark {once[0]!r} does not repeat itself, so --repeats would change nothing.",
            "Leave the option out. Without names it is for those that do.",
        )
    writer = None if out is None else _Writer(out, chosen)
    minutes = sum(one.quick_minutes if quick else one.minutes for one in chosen)
    count = "1 benchmark" if len(chosen) == 1 else f"{len(chosen)} benchmarks"
    _say(f"{count}, about {minutes:.{0 if minutes >= 2 else 1}f} minutes on two idle cores")
    runs, failed = [], []
    for number, one in enumerate(chosen, start=1):
        _say(f"\n[{number}/{len(chosen)}] {one.title}: {one.question}", bold=True)
        try:
            times = repeats if one.repeated else None
            run = runner.run(one, quick=quick, repeats=times, progress=_Ticker())
        except runner.BenchmarkFailed as error:
            if len(chosen) == 1:
                raise
            _say(error.message)  # the others are still worth their time
            failed.append(one.name)
            continue
        runs.append(run)
        if not wants_json():
            _show(one, run)
        if writer is not None:
            writer.write(one, run)  # after each: what was measured is not lost if a later one fails
    if wants_json():
        from p2pavs.bench.report import report

        show(report(runs))
    if failed:
        raise runner.BenchmarkFailed(
            f"{len(failed)} of {len(chosen)} benchmarks failed: {', '.join(failed)}",
            f"See what they say: p2pavs bench {failed[0]}",
        )


class _Ticker:
    """Shows each line of progress, with the time since the begin."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        _say(f"  {time.monotonic() - self._began:6.0f} s  {line}")


class _Writer:
    """The document, its pictures, and the report of all runs."""

    def __init__(self, out: Path, chosen: Sequence[Benchmark]) -> None:
        """Refuses here what would be refused after the first benchmark has run."""
        from p2pavs.bench import document
        from p2pavs.bench.report import read_report

        if out.suffix != ".md":
            raise UsageError(f"{out} is no name of a document.", "Choose one that ends with .md.")
        if not out.parent.is_dir():
            raise UsageError(f"the directory of {out} does not exist.", "Make it, or choose another --out.")
        self._out = out
        self._directory = out.with_suffix("")
        self._report = self._directory / "report.json"
        read_report(self._report)
        before = document.read_whole(out)
        for one in chosen:
            document.replaced(before, one, "")
        document.make_directory(self._directory)

    def write(self, benchmark: Benchmark, run: Run) -> None:
        """Replace what stands there of one benchmark."""
        import json

        from p2pavs.bench import document
        from p2pavs.bench.registry import NAMES
        from p2pavs.bench.report import read_report, report

        before = document.read_whole(self._out)
        document.replaced(before, benchmark, "")  # refuses before a picture is written
        pictures = document.write_pictures(self._directory, benchmark.name, run, self._out.parent)
        section = document.section(benchmark, run, pictures)
        document.write_whole(self._out, document.replaced(before, benchmark, section))
        runs = read_report(self._report) | {run.name: run}  # as it is now: others may measure, too
        ordered = [runs[name] for name in NAMES if name in runs]
        document.write_whole(self._report, json.dumps(report(ordered), indent=1) + "\n")


def _show(benchmark: Benchmark, run: Run) -> None:
    from p2pavs.bench.text import as_text

    click.echo(f"\n{click.style(benchmark.title, bold=True)} ({run.seconds:.0f} s, load {run.load:g} before)")
    click.echo(f"{benchmark.question} Beside it: {benchmark.compared}.\n")
    click.echo(as_text(run.result))


def _list(chosen: list[Benchmark]) -> None:
    rows = [(one.name, f"{one.minutes:g}", f"{one.quick_minutes:g}", one.question) for one in chosen]
    content = {
        "benchmarks": [
            {
                "name": one.name,
                "title": one.title,
                "question": one.question,
                "compared": one.compared,
                "minutes": one.minutes,
                "quick_minutes": one.quick_minutes,
            }
            for one in chosen
        ]
    }
    table(content, ("NAME", "MINUTES", "QUICK", "QUESTION"), rows, "")


def _say(line: str, *, bold: bool = False) -> None:
    if not wants_json() or sys.stderr.isatty():
        click.echo(click.style(line, bold=bold, dim=not bold), err=True)
