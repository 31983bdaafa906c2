"""Where options come from besides the command line: the environment and a TOML file."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path

from p2pavs.errors import UsageError

MAX_CONFIG_BYTES = 64 * 1024
_PATHS = frozenset({"deployment", "keys", "password_file", "models"})
_TEXTS = _PATHS | {"rpc"}
_LISTS = frozenset({"nodes"})

Value = str | tuple[str, ...]


@cache
def config() -> dict[str, Value]:
    """Read the file that $P2PAVS_CONFIG names, strictly; empty where it names none. Raises ``UsageError``.

    Relative paths in it are relative to the file.
    """
    name = os.environ.get("P2PAVS_CONFIG")
    if not name:
        return {}
    path = Path(name)
    remedy = "Mend the file that $P2PAVS_CONFIG names, or unset the variable."
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CONFIG_BYTES + 1)
        if len(raw) > MAX_CONFIG_BYTES:
            raise UsageError(f"The configuration {path} is longer than {MAX_CONFIG_BYTES} bytes.", remedy)
        content = tomllib.loads(raw.decode())
    except OSError as error:
        raise UsageError(f"The configuration {path} cannot be read: {error.strerror}.", remedy) from None
    except ValueError as error:  # not UTF-8 or not TOML
        raise UsageError(f"The configuration {path} is not TOML: {error}.", remedy) from None
    found: dict[str, Value] = {}
    for key, value in content.items():
        if key in _TEXTS and isinstance(value, str):
            found[key] = str(path.parent / value) if key in _PATHS else value
        elif key in _LISTS and isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            found[key] = tuple(value)
        else:
            known = ", ".join(sorted(_TEXTS | _LISTS))
            raise UsageError(
                f"The configuration {path} has an entry {key!r} that is unknown or of the wrong type.",
                f"It may have: {known}.",
            )
    return found


def text_setting(name: str) -> str | None:
    """Return a text of the configuration file, None where it has none. Raises ``UsageError``."""
    value = config().get(name)
    return value if isinstance(value, str) else None


def list_setting(name: str) -> tuple[str, ...]:
    """Return a list of the configuration file. Raises ``UsageError``."""
    value = config().get(name, ())
    return value if isinstance(value, tuple) else ()
