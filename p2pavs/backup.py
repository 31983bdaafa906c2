"""Backups of a node: its database, taken while it runs, and its keys; and the way back.

A restored sign guard does not know what was signed after the backup. ``restore`` marks it, and the node that
opens it (``restored.py``) gives up every task that existed before the mark.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from p2pavs import __version__, strict_json
from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode
from p2pavs.keystore import load_public
from p2pavs.storage.copying import copy_database, mark_restored, sync_file
from p2pavs.storage.database import SCHEMA_VERSION
from p2pavs.storage.inspection import Inspection, inspect

FORMAT: Final = 1
MANIFEST: Final = "backup.json"
MAX_MANIFEST_BYTES: Final = 256 * 1024
_DATABASE: Final = "node.sqlite"
_DATABASES: Final = (_DATABASE, "openai.sqlite")
_FILES: Final = ("peers.cbor",)
_KEYS: Final = "keys"
_NOT_KEPT: Final = ("pending.sqlite", "lock")
"""Beginnings of names in a key directory: the account's transactions, which the chain knows better."""

_PART: Final = 1 << 20


class BackupFailed(P2pavsError):
    """A backup could not be made."""


class BadBackup(P2pavsError):
    """A backup is not whole, or not for this program."""

    exit_code = ExitCode.CHECK_FAILED


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself."""

    path: Path
    program: str
    schema: int
    created_at: int  # unix seconds
    belongs_to: Mapping[str, str]  # chain, gateway, operator
    files: Mapping[str, str]  # SHA-256 in hex by path in the backup

    @property
    def has_keys(self) -> bool:
        """Whether the key directory is in it."""
        return any(name.startswith(f"{_KEYS}/") for name in self.files)

    @classmethod
    def open(cls, path: Path) -> Backup:
        """Read a backup and check each file in it. Raises ``BadBackup``."""
        backup = cls._read(path)
        for name, expected in backup.files.items():
            try:
                found = _hash(path / name)
            except OSError as error:
                raise _bad(path, f"{name} cannot be read: {error.strerror}") from None
            if found != expected:
                raise _bad(path, f"{name} has changed since it was made")
        if not 0 < backup.schema <= SCHEMA_VERSION:
            raise BadBackup(
                f"The backup {path} has format {backup.schema}, made by p2pavs {backup.program}; this "
                f"program ({__version__}) reads up to {SCHEMA_VERSION}.",
                "Restore it with the version that made it, or a newer one.",
            )
        return backup

    @classmethod
    def _read(cls, path: Path) -> Backup:
        try:
            with (path / MANIFEST).open("rb") as file:
                raw = file.read(MAX_MANIFEST_BYTES + 1)
        except OSError as error:
            raise _bad(path, f"{MANIFEST} cannot be read: {error.strerror}") from None
        try:
            if len(raw) > MAX_MANIFEST_BYTES:
                raise ValueError("too long")
            content: Any = strict_json.loads(raw)
            if content["format"] != FORMAT:
                raise _bad(path, f"its format is {content['format']}, and not {FORMAT}")
            files = {str(name): str(digest) for name, digest in content["files"].items()}
            if _DATABASE not in files or not all(map(_is_inside, files)):
                raise ValueError("files")
            return cls(
                path,
                str(content["program"]),
                int(content["schema"]),
                int(content["createdAt"]),
                {str(key): str(value) for key, value in content["belongsTo"].items()},
                files,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _bad(path, f"{MANIFEST} is not what a backup has") from None


def create(data: Path, keys: Path | None, out: Path) -> Backup:
    """Make the backup directory ``out``: all of it or nothing. The node may run. Raises ``BackupFailed``."""
    if out.exists():
        raise BackupFailed(
            f"{out} exists already, and a backup is never overwritten.", "Choose another name."
        )
    try:
        found = inspect(data / _DATABASE)
        if not found.readable or found.damage is not None:
            raise BackupFailed(
                f"The database in {data} is damaged, or of another version.", "See p2pavs doctor --data."
            )
        with _draft(out) as draft:
            _fill(draft, data, keys, found)
    except sqlite3.Error as error:
        raise BackupFailed(
            f"The database in {data} cannot be copied: {error}.",
            "Check --data, and that this user may read it.",
        ) from None
    except OSError as error:
        raise BackupFailed(
            f"The backup {out} cannot be written: {error.filename or ''} {error.strerror}.",
            "Check --out and --keys, the space on the disk and the files' owner.",
        ) from None
    return Backup.open(out)


def restore(backup: Backup, data: Path, keys: Path | None, now: float | None = None) -> None:
    """Make a data directory, and a key directory where one is named, from a backup: all or nothing.

    The guard is marked as older than what may have been signed. ``now`` in unix seconds.
    Raises ``BackupFailed``.
    """
    for directory in (data, keys):
        if directory is not None and directory.exists():
            raise BackupFailed(
                f"{directory} exists already.", "Restore into a directory that is not there yet."
            )
    if keys is not None and not backup.has_keys:
        raise BackupFailed(f"The backup {backup.path} holds no keys.", "Leave --keys out.")
    try:
        with _draft(data) as draft:
            for name in (*_DATABASES, *_FILES):
                if name in backup.files:
                    shutil.copyfile(backup.path / name, draft / name)
                    (draft / name).chmod(0o600)
                    sync_file(draft / name)
            mark_restored(draft / _DATABASE, int(time.time() if now is None else now))
        if keys is not None:
            with _draft(keys) as draft:
                for name in backup.files:
                    if name.startswith(f"{_KEYS}/"):
                        _copy(backup.path / name, draft / Path(name).name)
    except (OSError, sqlite3.Error) as error:
        raise BackupFailed(
            f"The backup cannot be restored to {data}: {error}.", "Check the disk and the directory's owner."
        ) from None


def _fill(draft: Path, data: Path, keys: Path | None, found: Inspection) -> None:
    for name in _DATABASES:
        if (data / name).exists():
            copy_database(data / name, draft / name)
    for name in _FILES:
        if (data / name).exists():
            _copy(data / name, draft / name)
    if keys is not None:
        _check_owner(keys, data, found.belongs_to.get("operator"))
        (draft / _KEYS).mkdir(mode=0o700)
        for path in sorted(keys.iterdir()):
            if path.is_file() and not path.name.startswith(_NOT_KEPT) and not path.name.startswith("."):
                _copy(path, draft / _KEYS / path.name)
        sync_file(draft / _KEYS)
    files = {str(path.relative_to(draft)): _hash(path) for path in sorted(draft.rglob("*")) if path.is_file()}
    content = {
        "format": FORMAT,
        "program": __version__,
        "schema": found.version,
        "createdAt": int(time.time()),
        "belongsTo": found.belongs_to,
        "files": files,
    }
    (draft / MANIFEST).write_text(json.dumps(content, indent=2) + "\n")
    sync_file(draft / MANIFEST)


def _check_owner(keys: Path, data: Path, operator: str | None) -> None:
    address = "0x" + load_public(keys).address.hex()
    if operator not in (None, address):
        raise BackupFailed(
            f"{data} is the data directory of {operator}, and the keys in {keys} are those of {address}.",
            "Name the operator's own with --keys.",
        )


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Give a directory that takes its name only when the block has filled it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield draft
        sync_file(draft)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_file(path.parent)


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _hash(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def _is_inside(name: str) -> bool:
    parts = Path(name).parts
    known = name in (*_DATABASES, *_FILES)
    return known or (len(parts) == 2 and parts[0] == _KEYS and parts[1] not in ("", ".", ".."))


def _bad(path: Path, why: str) -> BadBackup:
    return BadBackup(f"{path} is no backup that can be used: {why}.", "Take another backup.")
