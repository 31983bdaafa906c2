"""The dashboard and the alert rules: which metrics they name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

PACKAGING = Path(__file__).parents[1] / "packaging"
DASHBOARD = PACKAGING / "grafana" / "p2pavs.json"
ALERTS = PACKAGING / "prometheus" / "alerts.yml"


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Every query, with where it stands."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for rule in rules():
        yield f"alert {rule['alert']}", rule["expr"]


def metrics_in(query: str) -> dict[str, set[str]]:
    """The metrics that a query reads, each with the labels it selects by. Raises what the parser raises."""
    found: dict[str, set[str]] = {}

    def look(expression: Any) -> bool:
        if isinstance(expression, promql_parser.MatrixSelector):
            expression = expression.vector_selector
        if isinstance(expression, promql_parser.VectorSelector):
            labels = {matcher.name for matcher in expression.matchers.matchers}
            found.setdefault(expression.name, set()).update(labels)
        return True

    promql_parser.walk(promql_parser.parse(query), look)
    return found
