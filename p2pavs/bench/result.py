"""What a benchmark found: tables, pictures, and measurements in the words of docs/benchmark-spec.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

Cell: TypeAlias = "int | float | str | None"
"""A number is written with as many digits as it means; None is an empty cell."""

SIGNIFICANT = 3


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, all as long as ``columns``; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of the table {self.title!r} has not {len(self.columns)} cells")

    def texts(self) -> list[tuple[str, ...]]:
        """The rows as they are shown."""
        return [tuple(map(shown, row)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over numbers: for each name its points, sorted by x."""

    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[tuple[float, float], ...]]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars: for each row the parts it is made of, in the order of ``parts``."""

    title: str
    unit: str
    parts: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took from ``begin`` to ``end``; times in ms. Equal times make a mark."""

    lane: str
    kind: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened when: one lane below the other, in the order of their first span."""

    title: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of a workload of the specification, under ``settings``, with metrics named there."""

    workload: str
    settings: Mapping[str, int | float | str]
    metrics: Mapping[str, float]


@dataclass(slots=True)
class Result:
    """Everything that one benchmark says."""

    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    bars: list[Bars] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences about this run: what failed, what was left out."""
    measurements: list[Measurement] = field(default_factory=list)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str = "") -> None:
        """Add a table."""
        self.tables.append(Table(tuple(columns), tuple(map(tuple, rows)), title))

    def measured(self, workload: str, metrics: Mapping[str, float], **settings: int | float | str) -> None:
        """Add a measurement."""
        self.measurements.append(Measurement(workload, settings, metrics))

    def to_json(self) -> dict[str, Any]:
        """The result as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Result:
        """The result that ``to_json`` was called on. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        return cls(
            tables=[
                Table(tuple(one["columns"]), tuple(map(tuple, one["rows"])), one["title"])
                for one in content["tables"]
            ],
            charts=[
                Chart(**one | {"lines": {k: tuple(map(tuple, v)) for k, v in one["lines"].items()}})
                for one in content["charts"]
            ],
            bars=[
                Bars(
                    one["title"],
                    one["unit"],
                    tuple(one["parts"]),
                    {name: tuple(row) for name, row in one["rows"].items()},
                )
                for one in content["bars"]
            ],
            timelines=[
                Timeline(one["title"], tuple(Span(**span) for span in one["spans"]))
                for one in content["timelines"]
            ],
            notes=list(content["notes"]),
            measurements=[Measurement(**one) for one in content["measurements"]],
        )


def shown(cell: Cell) -> str:
    """A cell as text: whole numbers with separators, others with three significant digits."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case int():
            return f"{cell:,}"
    if cell == 0 or not math.isfinite(cell):
        return f"{cell:g}"
    digits = SIGNIFICANT - 1 - math.floor(math.log10(abs(cell)))
    return f"{cell:,.{max(0, digits)}f}"
