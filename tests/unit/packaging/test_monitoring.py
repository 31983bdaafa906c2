"""Dashboard and alerts are well-formed; tests/e2e/test_operations.py sees that their metrics exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import monitoring

ROOT = monitoring.PACKAGING.parent
DOCUMENT = ROOT / "docs" / "monitoring.md"
NO_NODE = {"sim", "bench", "cli"}
LEVELS = {"info", "warning", "error", "exception"}


def log_lines() -> Iterator[tuple[Path, str]]:
    """What the node, its endpoint and the signer log."""
    for path in sorted((ROOT / "p2pavs").rglob("*.py")):
        if NO_NODE & set(path.relative_to(ROOT / "p2pavs").parts):
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args:
                said = call.args[0]
                if call.func.attr in LEVELS and isinstance(said, ast.Constant):
                    yield path, str(said.value)


def test_queries_are_read_as_prometheus_reads_them() -> None:
    found = monitoring.metrics_in('sum by (le) (rate(a_bucket{x="1"}[5m])) > 2 and -b{y!="z"} / c')
    assert found == {"a_bucket": {"x"}, "b": {"y"}, "c": set()}
    with pytest.raises(ValueError):
        monitoring.metrics_in("sum(")


@pytest.mark.parametrize(("where", "query"), list(monitoring.expressions()))
def test_every_query_parses_and_reads_a_nodes_metrics(where: str, query: str) -> None:
    names = set(monitoring.metrics_in(query))
    assert names and all(name.startswith(("p2pavs_", "process_")) or name == "up" for name in names), where


@pytest.mark.parametrize("query", [query for where, query in monitoring.expressions() if "panel" in where])
def test_every_panel_is_of_the_chosen_node(query: str) -> None:
    assert all("instance" in labels for labels in monitoring.metrics_in(query).values()), query


def test_panels_have_their_own_place_and_number() -> None:
    board = monitoring.dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + column, place["y"] + line)
            for column in range(place["w"])
            for line in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["title"] and panel["description"]
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references)
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "instance"}


def test_every_alert_says_what_to_do() -> None:
    rules = monitoring.rules()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "remedy"}, rule["alert"]
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in ("instance", "condition", "cause", "model", "how", "kind"), rule["alert"]


def test_every_metric_that_wakes_someone_is_described() -> None:
    text = DOCUMENT.read_text()
    for where, query in monitoring.expressions():
        for name in monitoring.metrics_in(query):
            plain = re.sub(r"_(bucket|sum|count)\Z", "", name.removeprefix("p2pavs_"))
            assert plain in text, f"{where}: {name} is not in {DOCUMENT.name}"


def test_every_line_of_the_log_is_described() -> None:
    pages = [DOCUMENT, DOCUMENT.with_name("operators.md"), DOCUMENT.with_name("keys.md")]
    text = "".join(page.read_text() for page in pages)
    found = list(log_lines())
    assert len(found) > 50
    assert [(path.name, line) for path, line in found if f"`{line}`" not in text] == []


def test_the_log_has_every_line_that_is_described() -> None:
    source = "".join(path.read_text() for path in sorted((ROOT / "p2pavs").rglob("*.py")))
    rows = re.findall(r"(?m)^\| (`.*?`) \| (?:error|warning|info)[a-z, ]* \|", DOCUMENT.read_text())
    lines = [line for row in rows for line in re.findall(r"`([^`]+)`", row)]
    assert len(lines) > 50
    assert [line for line in lines if f'"{line}"' not in source] == []
