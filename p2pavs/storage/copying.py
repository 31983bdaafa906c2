"""Copies of SQLite files that may be in use, and the mark on a database that came from one."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

RESTORED_AT: Final = "restored_at"
"""In ``meta``: unix seconds. Until then another process may have signed what this database does not know."""


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes to it meanwhile, and sync the copy to disk.

    Raises ``sqlite3.Error`` or ``OSError``.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=30)) as reader,
        closing(sqlite3.connect(target)) as writer,
    ):
        # All pages in one step: one read transaction, which writers neither wait for nor disturb.
        reader.backup(writer)
        # The copy is one file: nobody has to know of a -wal file beside it.
        writer.execute("PRAGMA journal_mode=DELETE")
    sync_file(target)


def mark_restored(path: Path, now: int) -> None:
    """Write down that a database came from a backup. ``now`` in unix seconds. Raises ``sqlite3.Error``."""
    with closing(sqlite3.connect(path)) as connection, connection:
        distrust(connection, now)
    sync_file(path)


def distrust(connection: sqlite3.Connection, now: int | None = None) -> None:
    """Write down that more was signed with the operator's keys than this database knows of.

    The next start makes it safe, as after a restore (``restored.py``). ``now`` is in unix seconds.
    """
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value",
        (RESTORED_AT, str(int(time.time()) if now is None else now)),
    )


def sync_file(path: Path) -> None:
    """Wait until a file, or a directory's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
