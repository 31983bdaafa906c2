"""Sections of a Markdown document that are generated: each between two markers, replaced one at a time."""

from __future__ import annotations

import re
from pathlib import Path

from p2pavs import whole_file
from p2pavs.bench import svg
from p2pavs.bench.machine import described
from p2pavs.bench.registry import Benchmark
from p2pavs.bench.report import Run
from p2pavs.bench.text import as_markdown
from p2pavs.errors import P2pavsError


class DocumentRefused(P2pavsError):
    """A document's markers do not fit together. Nothing was written."""


def begin(name: str) -> str:
    """The line before a generated section."""
    return f"<!-- bench {name}: generated, do not edit -->"


def end(name: str) -> str:
    """The line after it."""
    return f"<!-- bench {name}: end -->"


def replaced(document: str, benchmark: Benchmark, section: str) -> str:
    """The document with another section of this benchmark; where there is none, it comes at the end.

    Raises ``DocumentRefused`` for a marker without its partner, or twice.
    """
    first, last = begin(benchmark.name), end(benchmark.name)
    text = section.strip("\n")
    block = f"{first}\n\n{text}\n\n{last}"
    counts = document.count(first), document.count(last)
    if counts == (0, 0):
        return f"{document.rstrip()}\n\n## {benchmark.title}\n\n{block}\n"
    if counts != (1, 1) or document.index(first) > document.index(last):
        raise DocumentRefused(
            f"the markers of the section {benchmark.name!r} do not fit together",
            f"It has to begin with one line {first!r} and to end with one line {last!r}.",
        )
    return document[: document.index(first)] + block + document[document.index(last) + len(last) :]


def section(benchmark: Benchmark, run: Run, pictures: list[str]) -> str:
    """What the document says of one run; ``pictures`` are links to files."""
    small = " --quick" if run.quick else ""
    options = f" --repeats {run.repeats}" if run.repeats else ""
    lines = [
        f"    p2pavs bench {benchmark.name}{small}{options}",
        f"**{benchmark.question}** Beside it: {benchmark.compared}.",
        *pictures,
        as_markdown(run.result),
        f"{run.started}, {run.seconds:.0f} s, load before {run.load:g}; {described(run.machine)}.",
    ]
    if run.quick:
        lines.append("A run with `--quick`: it shows that the benchmark works, and its numbers are rough.")
    return "\n\n".join(line for line in lines if line)


def write_pictures(directory: Path, name: str, run: Run, relative_to: Path) -> list[str]:
    """Write the charts of a run as SVG files; returns Markdown that shows them. Others of it are removed."""
    drawn: list[tuple[str, str]] = []
    drawn += [(one.title, svg.timeline(one)) for one in run.result.timelines]
    drawn += [(one.title, svg.chart(one)) for one in run.result.charts]
    drawn += [(one.title, svg.bars(one)) for one in run.result.bars]
    wanted, links = set(), []
    for number, (title, content) in enumerate(drawn, start=1):
        path = directory / f"{name}-{number}.svg"
        write_whole(path, content)
        wanted.add(path)
        links.append(f"![{re.sub(r'[][]', '', title)}]({path.relative_to(relative_to).as_posix()})")
    for old in directory.glob(f"{name}-[0-9]*.svg"):
        if old not in wanted:
            old.unlink()
    return links


def read_whole(path: Path) -> str:
    """The document, or the beginning of a new one. Raises ``DocumentRefused`` where it cannot be read."""
    try:
        return path.read_bytes().decode()  # with the ends of lines that it has
    except FileNotFoundError:
        return "# Benchmarks\n"
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DocumentRefused(f"{path} cannot be read: {said}.", "Choose another file with --out.") from None


def make_directory(path: Path) -> None:
    """For pictures and the report. Raises ``DocumentRefused`` where it cannot be made."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise DocumentRefused(
            f"{path} cannot be made: {error.strerror}.", "Choose another file with --out."
        ) from None


def write_whole(path: Path, content: str) -> None:
    """Replace a file in one step. Raises ``DocumentRefused`` where it cannot be written."""
    try:
        whole_file.write_whole(path, content.encode(), mode=0o644)
    except OSError as error:
        raise DocumentRefused(
            f"{path} cannot be written: {error.strerror}.", "Choose another file with --out."
        ) from None
