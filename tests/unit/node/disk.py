"""Disks that fail: without room (SQLite's own limit on the size of the file), or taking no write at all."""

from __future__ import annotations

import sqlite3

from p2pavs.storage import Database


def fill_up(database: Database) -> None:
    """Let the file not grow any more: larger writes fail as on a full disk."""
    database.transaction(_no_growth)


def make_room(database: Database) -> None:
    """Let it grow again."""
    database.transaction(lambda connection: connection.execute("PRAGMA max_page_count=1000000").fetchall())


def _no_growth(connection: sqlite3.Connection) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}").fetchall()


def break_disk(database: Database) -> None:
    """Let every transaction fail."""
    database._connection.execute("PRAGMA query_only=ON")


def mend_disk(database: Database) -> None:
    """Let them work again."""
    database._connection.execute("PRAGMA query_only=OFF")
