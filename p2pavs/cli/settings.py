"""Where options come from besides the command line: the environment and one TOML file.

At the top of the file stand the settings that commands share (``SHARED``); the table ``[node]`` has the
options of ``p2pavs node`` under their names, with _ for -. Any option of any command can also come from the
environment: ``P2PAVS_`` + command + option, as in ``P2PAVS_NODE_LISTEN``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from p2pavs import toml_file
from p2pavs.errors import UsageError

VARIABLE: Final = "P2PAVS_CONFIG"
NODE_TABLE: Final = "node"


@dataclass(frozen=True, slots=True)
class Shared:
    """A setting at the top of the file."""

    help: str
    path: bool = False
    many: bool = False


SHARED: Final[dict[str, Shared]] = {
    "rpc": Shared("Ethereum JSON-RPC endpoint of the deployment's chain."),
    "deployment": Shared("Deployment file: public, from whoever deployed the contracts.", path=True),
    "keys": Shared("The operator's key directory (p2pavs keys new).", path=True),
    "password_file": Shared("File that holds the keys' password; readable for you alone.", path=True),
    "models": Shared("This machine's models (default: ~/.local/share/p2pavs/models).", path=True),
    "nodes": Shared("APIs of nodes that status, request and evidence ask.", many=True),
}

Value = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says; paths are relative to it."""

    path: Path | None
    shared: Mapping[str, Value]
    node: Mapping[str, Any]


@cache
def config() -> Config:
    """Read the file that $P2PAVS_CONFIG (or ``--config``) names; empty where there is none.

    Raises ``UsageError``.
    """
    name = os.environ.get(VARIABLE)
    return read_config(Path(name)) if name else Config(None, {}, {})


def read_config(path: Path) -> Config:
    """Read a file strictly. Raises ``UsageError``."""
    try:
        content = toml_file.read(path)
    except FileNotFoundError:
        raise UsageError(
            f"There is no configuration {path}.",
            f"Write one (p2pavs init --out {path}), or name another (--config, ${VARIABLE}).",
        ) from None
    except OSError as error:
        raise UsageError(
            f"The configuration {path} cannot be read: {error.strerror}.",
            f"Make it readable for you, or name another (--config, ${VARIABLE}).",
        ) from None
    except ValueError as error:
        raise UsageError(
            f"The configuration {path} cannot be used: {error}.",
            "Mend the file; p2pavs config list has what it may hold.",
        ) from None
    return understand(path, content)


def understand(path: Path, content: dict[str, Any]) -> Config:
    """Return what the file at ``path`` means, which holds ``content``. Raises ``UsageError``."""
    node = content.pop(NODE_TABLE, {})
    shared: dict[str, Value] = {}
    for key, value in content.items():
        setting = SHARED.get(key)
        if setting is not None and not setting.many and isinstance(value, str) and value:
            shared[key] = str(path.parent / Path(value).expanduser()) if setting.path else value
        elif setting is not None and setting.many and _is_texts(value):
            shared[key] = tuple(value)
        else:
            raise UsageError(
                f"The configuration {path} has an entry {key!r} that is unknown, empty or of the wrong type.",
                f"At the top it may have: {', '.join(SHARED)}. Options of p2pavs node stand in [node].",
            )
    if not isinstance(node, dict):
        raise UsageError(f"The configuration {path} has an entry 'node' that is no table.", "Write [node].")
    return Config(path, shared, node)


def text_setting(name: str) -> str | None:
    """Return a text of the configuration file, None where it has none. Raises ``UsageError``."""
    value = config().shared.get(name)
    return value if isinstance(value, str) else None


def list_setting(name: str) -> tuple[str, ...]:
    """Return a list of the configuration file. Raises ``UsageError``."""
    value = config().shared.get(name, ())
    return value if isinstance(value, tuple) else ()


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
