"""Gas of transactions, each with a target where it has one."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pavs.bench.result import Cell, Result
from tests.integration.contracts.anvil import missing_tools


@dataclass(slots=True)
class GasTable:
    """Rows in the order in which they were measured."""

    rows: list[tuple[str, int, int | None]] = field(default_factory=list)

    def row(self, what: str, gas: int, target: int | None = None) -> None:
        """Add one line."""
        self.rows.append((what, int(gas), target))

    def of(self, what: str) -> int:
        """The gas of one line. Raises ``KeyError``."""
        return {name: gas for name, gas, _ in self.rows}[what]

    def add_to(self, result: Result, title: str) -> None:
        """Add the table to a result."""
        cells: list[tuple[Cell, ...]] = [
            (what, gas, target, None if target is None else "met" if gas <= target else "missed")
            for what, gas, target in self.rows
        ]
        result.table(("transaction", "gas", "target", ""), cells, title)


def require_tools() -> None:
    """End where the development chain is not installed."""
    if reason := missing_tools():
        raise SystemExit(reason)
