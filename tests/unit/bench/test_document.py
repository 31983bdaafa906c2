"""Generated sections between markers: one is replaced, the rest of the document stays."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pavs.bench import document, registry, svg
from p2pavs.bench.registry import BENCHMARKS, BY_NAME
from p2pavs.bench.result import Bars, Chart, Result, Span, Timeline, shown
from p2pavs.bench.runner import BenchmarkFailed, run
from p2pavs.bench.text import as_markdown, as_text
from p2pavs.cli.main import root
from tests.unit.bench.test_report import a_run, result, violations

CHAIN, CRYPTO = BY_NAME["chain"], BY_NAME["crypto"]


def test_a_section_is_replaced_and_the_rest_stays() -> None:
    before = document.replaced("# Title\n\nby hand\n", CHAIN, "first")
    before = document.replaced(before, CRYPTO, "other") + "\nalso by hand\n"
    after = document.replaced(before, CHAIN, "second")
    assert after == before.replace("first", "second")
    assert after.startswith("# Title\n\nby hand\n\n## Gas\n\n<!-- bench chain: generated, do not edit -->")


@pytest.mark.parametrize(
    "broken",
    [
        document.begin("chain"),
        document.end("chain"),
        f"{document.end('chain')}\n{document.begin('chain')}",
        2 * f"{document.begin('chain')}\n{document.end('chain')}\n",
    ],
)
def test_markers_that_do_not_fit_are_refused(broken: str) -> None:
    with pytest.raises(document.DocumentRefused, match="do not fit"):
        document.replaced(broken, CHAIN, "new")


def test_pictures_are_written_and_those_of_an_earlier_run_removed(tmp_path: Path) -> None:
    directory = tmp_path / "benchmarks"
    directory.mkdir()
    (directory / "chain-9.svg").write_text("old")
    (directory / "crypto-9.svg").write_text("of another one")
    links = document.write_pictures(directory, "chain", a_run(), tmp_path)
    assert links == [
        "![a task](benchmarks/chain-1.svg)",
        "![a chart](benchmarks/chain-2.svg)",
        "![bars](benchmarks/chain-3.svg)",
    ]
    names = sorted(path.name for path in directory.iterdir())
    assert names == ["chain-1.svg", "chain-2.svg", "chain-3.svg", "crypto-9.svg"]


@pytest.mark.parametrize(
    "picture",
    [
        svg.chart(Chart("a <b> & c", "x", "y", {"p50": ((1, 0.5), (64, 120.0))}, log_x=True, log_y=True)),
        svg.chart(Chart("nothing", "x", "y", {})),
        svg.chart(Chart("one point", "x", "y", {"a": ((0.0, 0.0),)})),
        svg.bars(Bars("bars", "s", ("a", "b"), {"one": (1.0, 2.0), "none": (0.0, 0.0)})),
        svg.timeline(Timeline("t", (Span("a", "x", 0, 0), Span("b", "y", 3, 900.5)))),
    ],
)
def test_pictures_are_well_formed_and_lie_within_their_frame(picture: str) -> None:
    root_element = ET.fromstring(picture)
    width, height = (float(root_element.attrib[name]) for name in ("width", "height"))
    for shape in root_element.iter():
        for name, limit in (("x", width), ("x2", width), ("y", height), ("y2", height)):
            assert -0.1 <= float(shape.attrib.get(name, 0)) <= limit + 0.1
    assert "nan" not in picture


@pytest.mark.parametrize(
    ("cell", "text"),
    [(1_234_567, "1,234,567"), (0.0123456, "0.0123"), (123.456, "123"), (0.0, "0"), (None, ""), ("a", "a")],
)
def test_numbers_have_as_many_digits_as_they_mean(cell: float | str | None, text: str) -> None:
    assert shown(cell) == text


def test_a_table_in_both_forms() -> None:
    found = result()
    assert "| one | 1,234 | 0.123 |" in as_markdown(found)
    assert "one   1,234  0.123" in as_text(found)


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has not 2 cells"):
        Result().table(("a", "b"), [("x",)])


def test_every_benchmark_is_there_and_says_what_it_is() -> None:
    clone = Path(__file__).resolve().parents[3]
    for one in BENCHMARKS:
        assert (clone / (one.module.replace(".", "/") + ".py")).is_file()
        assert one.question.endswith("?")
        assert one.compared
        assert one.quick_minutes <= one.minutes
    assert len(registry.NAMES) == len(set(registry.NAMES))


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    done = CliRunner().invoke(root, ["bench", "gass"])
    assert done.exit_code == 2
    assert "There is no benchmark 'gass'" in done.output
    assert "price, overhead" in done.output


def test_the_list_says_how_long_each_takes() -> None:
    done = CliRunner().invoke(root, ["bench", "--list"])
    assert done.exit_code == 0
    assert all(name in done.output for name in registry.NAMES)


def test_a_benchmark_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    broken = registry.Benchmark("broken", "Broken", "Why?", "nothing", "p2pavs.bench.no_such_module", 1, 1)
    with pytest.raises(BenchmarkFailed, match="No module named"):
        run(broken, quick=True, repeats=None, progress=lambda line: None)


def test_one_benchmark_writes_its_section_pictures_and_report(tmp_path: Path) -> None:
    out = tmp_path / "benchmarks.md"
    out.write_text("# Ours\n\nby hand\n")
    command = [sys.executable, "-m", "p2pavs", "bench", "sampling", "--quick", "--json", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert violations(json.loads(done.stdout)) == []
    text = out.read_text()
    assert "by hand" in text
    assert "\n    p2pavs bench sampling --quick\n" in text
    assert "| greedy |" in text
    assert (tmp_path / "benchmarks" / "report.json").is_file()
