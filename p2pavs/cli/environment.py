"""Variables of the environment that options come from: P2PAVS_, the command, the option as it is written."""

from __future__ import annotations

import click


def variable_of(option: click.Option, *path: str) -> str:
    """Return the variable of an option of the command at ``path``: P2PAVS_NODE_LISTEN."""
    return "_".join(("P2PAVS", *path, flag_name(option))).upper().replace("-", "_")


def flag_name(option: click.Option) -> str:
    """Return an option's name as it is written, without the dashes before it."""
    return max(option.opts, key=len).removeprefix("--")


def attach(command: click.Command, *path: str) -> None:
    """Let each option of a command, and of those below it, come from its variable.

    click's own would have the parameter's name in the code, which is another one where that says more.
    """
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            attach(inner, *path, name)
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar is None and option.allow_from_autoenv:
            option.envvar, option.allow_from_autoenv = variable_of(option, *path), False
