"""Files that commands write: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from p2pavs import whole_file
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
            whole_file.write_whole(path.resolve(), content, mode=mode)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", "Choose another file with --out."
        ) from None
