"""TOML files, read within bounds."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

MAX_BYTES: Final = 64 * 1024


def read(path: Path, most: int = MAX_BYTES) -> dict[str, Any]:
    """Return what a file of at most ``most`` bytes holds.

    Raises ``OSError``, or ``ValueError``, which says what is wrong with the file.
    """
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it is longer than {most} bytes")
    return parse(raw)


def parse(raw: bytes) -> dict[str, Any]:
    """Return what a file's bytes hold. Raises ``ValueError``, which says what is wrong with them."""
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or brackets without end
        raise ValueError(f"it is not TOML: {error}") from None
