"""The table ``[node]`` of the configuration: which entries it may have, and what they become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from p2pavs.cli.environment import flag_name, variable_of
from p2pavs.cli.settings import NODE_TABLE, SHARED, Config
from p2pavs.errors import UsageError

_NOT_HERE = {*SHARED, "json"}


def options_of(command: click.Command) -> dict[str, click.Option]:
    """Return the options that the table may have, by their names in it."""
    found = {}
    for option in command.params:
        if isinstance(option, click.Option) and not option.is_eager:
            name = flag_name(option).replace("-", "_")
            if name not in _NOT_HERE:
                found[name] = option
    return found


def default_map(config: Config, command: click.Command) -> dict[str, Any]:
    """Return the table as click's defaults of a command. Raises ``UsageError``, which names the entry."""
    options = options_of(command)
    values: dict[str, Any] = {}
    for name, value in config.node.items():
        option = options.get(name)
        if option is None:
            raise UsageError(
                f"The table [{NODE_TABLE}] of {config.path} has an entry {name!r} that is unknown.",
                f"It may have: {', '.join(sorted(options))}."
                + (f" {name} stands at the top of the file." if name in SHARED else ""),
            )
        values[str(option.name)] = _value(config, name, option, value)
    return values


def _value(config: Config, name: str, option: click.Option, value: Any) -> Any:
    kind, types = _kind(option)
    wanted = "a list of texts" if option.multiple else kind
    entries = value if option.multiple else [value]
    if not isinstance(entries, list) or not all(type(entry) in types for entry in entries):
        raise UsageError(
            f"The entry {name!r} in [{NODE_TABLE}] of {config.path} should be {wanted}.", "Mend it."
        )
    if isinstance(option.type, click.Path) and config.path is not None:
        if not all(entries):
            raise UsageError(f"The entry {name!r} in [{NODE_TABLE}] of {config.path} is empty.", "Mend it.")
        entries = [str(config.path.parent / Path(entry).expanduser()) for entry in entries]
    if name == "model" and config.path is not None:
        from inference.model_store import is_path

        base = config.path.parent
        entries = [str(base / Path(entry).expanduser()) if is_path(entry) else entry for entry in entries]
    with click.Context(click.Command(NODE_TABLE)) as context:
        for entry in entries:
            try:
                option.type.convert(entry, option, context)
            except click.BadParameter as error:
                raise UsageError(
                    f"The entry {name!r} in [{NODE_TABLE}] of {config.path} cannot be used: {error.message}.",
                    "See p2pavs node --help.",
                ) from None
    return entries if option.multiple else entries[0]


def _kind(option: click.Option) -> tuple[str, tuple[type, ...]]:
    """Return what an option's value in the table should be, in words and as types."""
    match option.type:
        case click.types.BoolParamType():
            return "true or false", (bool,)
        case click.types.IntParamType():
            return "a whole number", (int,)
        case click.types.FloatParamType():
            return "a number", (int, float)
    return "one text", (str,)


def sources(
    config: Config, command: click.Command, environment: Mapping[str, str]
) -> list[tuple[str, tuple[str, ...], str]]:
    """Return each option that is set: its name in the table, its values, and where it comes from."""
    table = default_map(config, command)
    found: list[tuple[str, tuple[str, ...], str]] = []
    for name, option in options_of(command).items():
        variable = variable_of(option, NODE_TABLE)
        if said := environment.get(variable):
            values = option.type.split_envvar_value(said) if option.multiple else (said,)
            found.append((name, tuple(values), f"${variable}"))
        elif option.name in table:
            value = table[option.name]
            values = value if isinstance(value, list) else (value,)
            found.append((name, tuple(map(str, values)), "file"))
    return found
