"""What was signed, as a file: slashing protection that moves with a key (in the spirit of EIP-3076).

    {"format": "p2pavs/slashing-protection/1",
     "chain": "31337", "gateway": "0x...", "genesis": "...", "operator": "0x...",
     "signNothingBelow": 17,
     "signed": [{"task": 17, "attempt": 0, "committeeRoot": "0x...",
                 "statements": [{"kind": 2, "round": 0, "statement": "0x..."}, ...]}, ...]}

The complete form lists every statement, each by its 32-byte hash; the minimal one lists none and puts
``signNothingBelow`` above every task that was signed for. An import only ever adds statements and raises
``signNothingBelow``; it is one transaction, so a crash leaves all of it or nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from consensus.types import Kind
from p2pavs import strict_json
from p2pavs.errors import P2pavsError
from p2pavs.storage.database import Database
from p2pavs.storage.retention import floor

FORMAT: Final = "p2pavs/slashing-protection/1"
MAX_FILE_BYTES: Final = 512 * 1024 * 1024  # 100,000 tasks of ten statements have about 200 MB
BINDING: Final = ("chain", "gateway", "genesis", "operator")
BELOW: Final = "sign_nothing_below"
MAX_NUMBER: Final = 2**63 - 1

Row = tuple[int, int, bytes, int, int, bytes]
"""Task, attempt, committee root (32 B), kind, round, statement (32 B)."""


class BadProtection(P2pavsError):
    """A file of slashing protection cannot be used. Nothing was imported."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(
            f"The slashing protection cannot be used: {what}.",
            remedy or "Export it again from the node that signed last (p2pavs keys protection export).",
        )


@dataclass(frozen=True, slots=True)
class Protection:
    """What an operator signed on one chain, for one gateway."""

    binding: dict[str, str]
    """Chain, gateway and operator; genesis where it is known."""

    below: int
    """For tasks with smaller numbers nothing is signed any more."""

    rows: tuple[Row, ...] = ()

    def minimal(self) -> Protection:
        """Return the same without statements: nothing is signed for any task that has one, or before it."""
        return replace(self, below=max([self.below, *(row[0] + 1 for row in self.rows)]), rows=())

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {
            "format": FORMAT,
            **self.binding,
            "signNothingBelow": self.below,
            "signed": list(_grouped(self.rows)),
        }

    @classmethod
    def parse(cls, data: bytes) -> Protection:
        """Read a file's content. Raises ``BadProtection``."""
        if len(data) > MAX_FILE_BYTES:
            raise BadProtection(f"it is longer than {MAX_FILE_BYTES} bytes")
        try:
            content = strict_json.loads(data)
            if not isinstance(content, dict) or content.get("format") != FORMAT:
                raise ValueError(f"it is not of the format {FORMAT}")
            if unknown := set(content) - {"format", *BINDING, "signNothingBelow", "signed"}:
                raise ValueError(f"it has an entry {min(unknown)!r:.40} that is unknown")
            binding = {name: _text(content[name]) for name in BINDING if name in content}
            if missing := {"chain", "gateway", "operator"} - set(binding):
                raise ValueError(f"it does not say of which {min(missing)} it is")
            return cls(binding, _number(content["signNothingBelow"]), tuple(_rows(content["signed"])))
        except KeyError as error:
            raise BadProtection(f"the entry {error} is missing") from None
        except (TypeError, AttributeError):
            raise BadProtection("an entry is of the wrong type") from None
        except ValueError as error:
            raise BadProtection(str(error)) from None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import changed."""

    added: int
    known: int
    below: int


def export(database: Database) -> Protection:
    """Read what a node's database says was signed. Raises ``BadProtection`` where it is of no node."""

    def work(connection: sqlite3.Connection) -> Protection:
        binding = _binding(connection)
        if missing := {"chain", "gateway", "operator"} - set(binding):
            raise BadProtection(
                f"the data directory does not say of which {min(missing)} it is",
                "Give the --data directory of a node that was started once.",
            )
        rows = connection.execute(
            "SELECT task_id, attempt, committee_root, kind, round, statement FROM signatures "
            "ORDER BY task_id, attempt, committee_root, kind, round"
        ).fetchall()
        return Protection(binding, sign_nothing_below(connection), tuple(tuple(row) for row in rows))

    return database.transaction(work)


def import_(database: Database, protection: Protection) -> Imported:
    """Add what a file says was signed: all of it or nothing. Never makes anything signable again.

    Raises ``BadProtection`` where the file is of another chain, gateway, genesis or operator, or says that
    another statement was signed for a slot than the database does.
    """

    def work(connection: sqlite3.Connection) -> Imported:
        _check_binding(_binding(connection), protection.binding)
        for name, value in protection.binding.items():
            connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        below = raise_below(connection, protection.below)
        added = 0
        for row in protection.rows:
            added += _insert(connection, row)
        return Imported(added, len(protection.rows) - added, below)

    return database.transaction(work)


def sign_nothing_below(connection: sqlite3.Connection) -> int:
    """Return the number of the first task for which something may be signed."""
    row = connection.execute("SELECT value FROM meta WHERE key=?", (BELOW,)).fetchone()
    return max(floor(connection), 0 if row is None else int(row[0]))


def raise_below(connection: sqlite3.Connection, task: int) -> int:
    """Sign nothing for tasks with smaller numbers from now on; never makes anything signable again.

    Returns the number that counts now.
    """
    below = max(sign_nothing_below(connection), task)
    if below:
        connection.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value",
            (BELOW, str(below)),
        )
    return below


def _insert(connection: sqlite3.Connection, row: Row) -> int:
    found = connection.execute(
        "SELECT statement FROM signatures "
        "WHERE task_id=? AND attempt=? AND committee_root=? AND kind=? AND round=?",
        row[:5],
    ).fetchone()
    if found is None:
        # Without a signature: it is made again when the same statement is asked for.
        connection.execute("INSERT INTO signatures VALUES (?,?,?,?,?,?,x'')", row)
        return 1
    if bytes(found[0]) != row[5]:
        raise BadProtection(
            f"it has another {Kind(row[3]).name.lower()} for task {row[0]}, attempt {row[1]}, round {row[4]} "
            "than this data directory: two nodes have signed with one key",
            "Stop both nodes. Import the minimal form (p2pavs keys protection export --minimal) of each into "
            "the directory that goes on: it then signs nothing for all tasks that either has signed for.",
        )
    return 0


def _binding(connection: sqlite3.Connection) -> dict[str, str]:
    known = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    return {name: known[name] for name in BINDING if name in known}


def _check_binding(known: dict[str, str], given: dict[str, str]) -> None:
    for name, value in given.items():
        if known.get(name, value) != value:
            raise BadProtection(
                f"it is of {name} {value}, and this data directory of {known[name]}",
                "Give the --data directory of the same network and operator.",
            )


def _grouped(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    group: dict[str, Any] = {}
    for task, attempt, root, kind, round_, statement in rows:
        place = {"task": task, "attempt": attempt, "committeeRoot": "0x" + root.hex()}
        if any(group.get(name) != value for name, value in place.items()):
            if group:
                yield group
            group = {**place, "statements": []}
        group["statements"].append({"kind": kind, "round": round_, "statement": "0x" + statement.hex()})
    if group:
        yield group


def _rows(groups: Any) -> Iterator[Row]:
    seen: dict[tuple[int, int, bytes, int, int], bytes] = {}
    for group in _list(groups):
        task, attempt = _number(group["task"]), _number(group["attempt"])
        root = _hash(group["committeeRoot"])
        for one in _list(group["statements"]):
            kind, round_ = int(Kind(_number(one["kind"]))), _number(one["round"])
            statement = _hash(one["statement"])
            slot = (task, attempt, root, kind, round_)
            if seen.setdefault(slot, statement) != statement:
                raise ValueError(f"it has two statements for one slot of task {task}")
            yield (*slot, statement)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise ValueError("a number is out of range or no number")
    return value


def _hash(value: Any) -> bytes:
    data = bytes.fromhex(_text(value).removeprefix("0x"))
    if len(data) != 32:
        raise ValueError("a hash has not 32 bytes")
    return data


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 128:
        raise ValueError("a text is too long or no text")
    return value
