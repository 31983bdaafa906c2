"""The data directory: one node at a time, one chain and one key for its whole life."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from types import TracebackType

from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode
from p2pavs.storage.database import Database


class DirectoryInUse(P2pavsError):
    """Another process has the directory. Two nodes with one key would sign twice."""

    exit_code = ExitCode.IN_USE


class ForeignData(P2pavsError):
    """The directory belongs to another chain, gateway or key."""


class DataDirectory:
    """Holds the lock on the directory and its database."""

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise P2pavsError(
                f"cannot use the data directory {path}: {error.strerror}",
                "Choose a directory that this user can write, with --data.",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise DirectoryInUse(
                f"another node is running with the data directory {path}",
                "Stop that node first. Never run two nodes with one consensus key: they would sign twice.",
            ) from error
        except OSError as error:
            os.close(self._lock)
            raise P2pavsError(
                f"cannot lock the data directory {path}: {error.strerror}",
                "Use a directory on a local disk, with --data: without the lock two nodes could sign twice.",
            ) from error
        self.path = path
        try:
            self.database = Database(path / "node.sqlite")
        except BaseException:
            os.close(self._lock)
            raise

    def bind(self, identity: dict[str, str]) -> None:
        """Write down on first use what this directory is for; refuse on any difference afterwards.

        The sign guard protects one key on one chain; used with another it would protect nothing.
        """

        def work(connection: sqlite3.Connection) -> None:
            known = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            for key, value in identity.items():
                if known.get(key, value) != value:
                    raise ForeignData(
                        f"the data directory {self.path} belongs to {key} {known[key]}, not {value}",
                        "Use the directory that belongs to this chain and key, or an empty one with --data.",
                    )
                connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))

        self.database.transaction(work)

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
        os.close(self._lock)
