"""A look at a node's database from outside, without changing it: also while the node runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from p2pavs.storage.copying import RESTORED_AT
from p2pavs.storage.database import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a database says of itself."""

    version: int
    """Its format; ``SCHEMA_VERSION`` is this program's."""
    damage: str | None
    """What SQLite found wrong with the file; None if nothing."""
    belongs_to: dict[str, str]
    """Chain, gateway, operator, as ``DataDirectory.bind`` wrote them."""
    signatures: int
    open_tasks: int
    restored: bool
    """Whether it comes from a backup and has not been used since."""

    @property
    def readable(self) -> bool:
        """Whether this program can use it: as it is, or after bringing it to its own format."""
        return 0 < self.version <= SCHEMA_VERSION


def inspect(path: Path) -> Inspection:
    """Read a database. Raises ``sqlite3.Error`` where it cannot be read at all."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        signatures = int(connection.execute("SELECT COUNT(*) FROM signatures").fetchone()[0])
        tasks = int(connection.execute("SELECT COUNT(*) FROM tasks WHERE state='open'").fetchone()[0])
    return Inspection(
        version=version,
        damage=None if verdict == "ok" else verdict,
        belongs_to={key: meta[key] for key in ("chain", "gateway", "operator", "genesis") if key in meta},
        signatures=signatures,
        open_tasks=tasks,
        restored=RESTORED_AT in meta,
    )
