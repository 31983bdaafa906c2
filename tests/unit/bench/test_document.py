"""Generated sections between markers: one is replaced, the rest of the document stays."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pavs.bench import document, part, registry, runner, svg
from p2pavs.bench.registry import BENCHMARKS, BY_NAME
from p2pavs.bench.report import read_report
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
        source = (clone / (one.module.replace(".", "/") + ".py")).read_text()
        assert one.repeated == ("options.repeats" in source), one.name
        assert one.repeated != ("run(measure, repeats=None" in source), one.name
    assert len(registry.NAMES) == len(set(registry.NAMES))


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    done = CliRunner().invoke(root, ["bench", "gass"])
    assert done.exit_code == 2
    assert "There is no benchmark 'gass'" in done.output
    assert "price, overhead" in done.output


def test_a_number_of_repeats_that_would_change_nothing_is_refused() -> None:
    done = CliRunner().invoke(root, ["bench", "chain", "--repeats", "3"])
    assert done.exit_code == 2
    assert "'chain' does not repeat itself" in done.output


def test_the_list_says_how_long_each_takes() -> None:
    done = CliRunner().invoke(root, ["bench", "--list"])
    assert done.exit_code == 0
    assert all(name in done.output for name in registry.NAMES)


def test_a_benchmark_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    broken = registry.Benchmark("broken", "Broken", "Why?", "nothing", "p2pavs.bench.no_such_module", 1, 1)
    with pytest.raises(BenchmarkFailed, match="No module named"):
        run(broken, quick=True, repeats=None, progress=lambda line: None)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.md", f"{document.begin('sampling')}\n".encode(), "do not fit together"),
        ("d.md", b"caf\xe9", "d.md cannot be read: it is not UTF-8"),
        ("d", b"", "is no name of a document"),
        ("d.md/e.md", b"", "does not exist"),
        ("way.md", b"", "way cannot be made: File exists"),
    ],
)
def test_a_document_that_cannot_take_the_result_is_refused_before_anything_is_measured(
    name: str, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **options: object) -> None:
        raise AssertionError("measured all the same")

    monkeypatch.setattr("p2pavs.bench.runner.run", never)
    (tmp_path / "d.md").write_bytes(content)
    (tmp_path / "way").write_text("a file where the directory has to be")
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(root, ["bench", "sampling", "--quick", "--out", str(tmp_path / name)])
    assert done.exit_code in (1, 2)
    assert said in str(done.exception) + done.output
    assert sorted(tmp_path.iterdir()) == before


def test_ends_of_lines_written_by_hand_stay(tmp_path: Path) -> None:
    path = tmp_path / "d.md"
    path.write_bytes(b"# Title\r\n\r\nby hand\r\n")
    document.write_whole(path, document.replaced(document.read_whole(path), CHAIN, "new"))
    assert path.read_bytes().startswith(b"# Title\r\n\r\nby hand\n\n## Gas")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_never_written(
    number: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part.signal, "signal", lambda *arguments: None)
    monkeypatch.setattr(part.structlog, "configure", lambda **options: None)

    def measure(options: object) -> Result:
        found = Result()
        found.table(("a",), [(number,)])
        return found

    with pytest.raises(ValueError, match="not JSON compliant"):
        part.run(measure, arguments=["--result", str(tmp_path / "result.json")])
    assert not (tmp_path / "result.json").exists()


def test_the_sections_of_this_project_are_those_of_its_report() -> None:
    docs = Path(__file__).resolve().parents[3] / "docs"
    text, runs = (docs / "benchmarks.md").read_text(), read_report(docs / "benchmarks" / "report.json")
    assert set(runs) == set(BY_NAME)
    for name, run_of in runs.items():
        start, stop = text.index(document.begin(name)), text.index(document.end(name))
        pictures = re.findall(r"^!\[.*\]\((.*)\)$", found := text[start:stop], re.MULTILINE)
        assert all((docs / one).is_file() for one in pictures)
        links = re.findall(r"^!\[.*$", found, re.MULTILINE)
        section = document.section(BY_NAME[name], run_of, links)
        assert found == f"{document.begin(name)}\n\n{section}\n\n", name


def test_who_interrupts_waits_until_what_was_started_is_stopped(tmp_path: Path) -> None:
    program = """
import os, pathlib, signal, sys, time
def stop(*_):
    time.sleep(0.5)
    pathlib.Path(sys.argv[1]).write_text("stopped")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print(os.getsid(0), flush=True)
time.sleep(600)
"""
    sessions = []

    def interrupt(line: str) -> None:
        sessions.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner._follow([sys.executable, "-c", program, str(tmp_path / "state")], interrupt)
    assert (tmp_path / "state").read_text() == "stopped"
    assert sessions != [os.getsid(0)]


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
