"""Files that commands write: whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from p2pavs.errors import UsageError


def refuse_existing(path: Path, *, replace: bool) -> None:
    """Raise ``UsageError`` where a file is there that must not be replaced."""
    if path.exists() and not replace:
        raise UsageError(
            f"{path} exists already.", "Choose another file with --out, or replace it with --force."
        )


def write_whole(path: Path, content: bytes, *, replace: bool, mode: int = 0o600) -> None:
    """Write a file, in place of another one only where ``replace`` says so. Raises ``UsageError``."""
    refuse_existing(path, replace=replace)
    try:
        if path.exists() and not path.is_file():  # a terminal, a pipe
            path.write_bytes(content)
        else:
            _replace(path.resolve(), content, mode)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", "Choose another file with --out."
        ) from None


def _replace(path: Path, content: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
