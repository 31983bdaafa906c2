"""The report: everything that benchmarks found, in the form that docs/benchmark-spec.md defines."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from p2pavs.bench.machine import machine
from p2pavs.bench.report import FORMAT, ReportRefused, Run, read_report, report
from p2pavs.bench.result import Bars, Chart, Result, Span, Timeline

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCHEMA = json.loads((DOCS / "benchmark-report.schema.json").read_text())


def result() -> Result:
    found = Result(notes=["a note"])
    found.table(("what", "n", "s"), [("one", 1_234, 0.123456), ("two", None, 12.0)], "a table")
    found.charts.append(Chart("a chart", "x", "y", {"a": ((1.0, 2.0), (10.0, 3.0))}, log_x=True))
    found.bars.append(Bars("bars", "s", ("cpu", "wait"), {"a": (1.0, 2.0)}))
    found.timelines.append(Timeline("a task", (Span("node 0", "inference", 0.0, 12.5),)))
    found.measured("throughput", {"lost": 0}, nodes=4, in_flight=16, block_time_s=1)
    return found


def a_run(name: str = "throughput") -> Run:
    return Run(name, result(), "2026-01-02T03:04Z", 12.3, 0.5, False, None, machine(), "abc")


def violations(content: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(json.loads(json.dumps(content)))]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_report_satisfies_the_schema() -> None:
    assert violations(report([a_run()])) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "ai-avs-benchmark/2"),
        (("runs", 0, "started"), "yesterday"),
        (("runs", 0, "machine"), {}),
        (("runs", 0, "measurements", 0, "workload"), "something"),
        (("runs", 0, "measurements", 0, "metrics"), {"speed": 1}),
        (("runs", 0, "measurements", 0, "metrics"), {}),
        (("runs", 0, "measurements", 0, "settings"), {"nodes": 4}),
    ],
)
def test_another_report_does_not(path: tuple[str | int, ...], value: object) -> None:
    content: Any = copy.deepcopy(report([a_run()]))
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert violations(content)


def test_the_report_of_this_project_satisfies_the_schema_and_can_be_read() -> None:
    path = DOCS / "benchmarks" / "report.json"
    assert violations(json.loads(path.read_text())) == []
    measured = {one.workload for run in read_report(path).values() for one in run.result.measurements}
    assert measured == set(SCHEMA["$defs"]["measurement"]["properties"]["workload"]["enum"])


def test_a_run_survives_its_report(tmp_path: Path) -> None:
    run = a_run()
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report([run])))
    assert read_report(path) == {run.name: run}
    assert read_report(tmp_path / "none.json") == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": "other", "runs": []}', f'{{"format": "{FORMAT}", "runs": [{{}}]}}']
)
def test_a_file_that_is_no_report_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ReportRefused, match=re.escape(str(path))):
        read_report(path)


def test_the_specification_names_what_the_schema_allows() -> None:
    text = (DOCS / "benchmark-spec.md").read_text()
    measurement = SCHEMA["$defs"]["measurement"]["properties"]
    names = measurement["workload"]["enum"] + measurement["metrics"]["propertyNames"]["enum"]
    names += measurement["settings"]["properties"]["fault"]["enum"]
    assert [name for name in names if f"`{name}`" not in text] == []
