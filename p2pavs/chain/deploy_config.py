"""The parameters of a deployment out of a TOML file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from p2pavs import toml_file
from p2pavs.chain.deploy import DeployParameters
from p2pavs.errors import UsageError

_UINT128 = 2**128


def load_parameters(path: Path) -> DeployParameters:
    """Read the parameters that differ from the defaults: the names are those of ``DeployParameters``.

    Amounts are in wei, as whole numbers or as texts of digits (TOML's numbers end at 2^63).
    Raises ``UsageError``.
    """
    try:
        content = toml_file.read(path)
    except OSError as error:
        raise _bad(path, error.strerror or "it cannot be read") from None
    except ValueError as error:
        raise _bad(path, str(error)) from None
    known = {field.name for field in fields(DeployParameters)}
    for name in content:
        if name not in known:
            raise _bad(path, f"it has an unknown entry {name[:40]!r}; it may have {', '.join(sorted(known))}")
    return DeployParameters(**{name: _number(path, name, value) for name, value in content.items()})


def _number(path: Path, name: str, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 40:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _UINT128:
        raise _bad(path, f"{name} should be a whole number")
    return value


def _bad(path: Path, what: str) -> UsageError:
    return UsageError(f"The deployment parameters {path} cannot be used: {what}.", "Mend the file.")
