"""``p2pavs config``: what is set, where it comes from, and whether it can be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from p2pavs.cli.config_problems import node_problem, problem
from p2pavs.cli.options import json_option
from p2pavs.cli.output import show, table, wants_json
from p2pavs.cli.settings import NODE_TABLE, SHARED, VARIABLE, Config, config, read_config
from p2pavs.errors import UsageError


class BadConfig(UsageError):
    """The configuration cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting."""

    name: str
    value: str
    source: str
    problem: str = ""


@click.group("config")
def config_group() -> None:
    """See and check the configuration."""


@config_group.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def check(file: Path | None) -> None:
    """Check the configuration FILE (default: the one that is used), and show where each setting comes from.

    It asks no chain and no network; p2pavs doctor does.

    \b
    Examples:
      p2pavs config check
      p2pavs config check p2pavs.toml --json
    """
    found = config() if file is None else read_config(file)
    lines = [*_shared(found), *_node(found)]
    bad = [line for line in lines if line.problem]
    content = {
        "file": None if found.path is None else str(found.path),
        "ok": not bad,
        "settings": [
            {"name": one.name, "value": one.value, "source": one.source, "problem": one.problem or None}
            for one in lines
        ],
    }
    rows = [(one.name, one.value, one.source, one.problem or "ok") for one in lines]
    empty = f"Nothing is set. Begin with p2pavs init, or set ${VARIABLE}."
    table(content, ("setting", "value", "from", ""), rows, empty)
    if bad:
        count = f"{len(bad)} settings cannot be used, the first is" if len(bad) > 1 else "Cannot be used:"
        raise BadConfig(f"{count} {bad[0].name}: {bad[0].problem}.", "Mend what the last column names.")
    if found.path is not None and not wants_json():
        click.echo(f"{found.path} is sound.")


@config_group.command("list")
@json_option
def list_() -> None:
    """List all settings that the file may have.

    \b
    Example:
      p2pavs config list
    """
    from p2pavs.cli.node import node
    from p2pavs.cli.node_table import options_of

    entries = [(name, one.help) for name, one in SHARED.items()]
    entries += [(f"node.{name}", one.help or "") for name, one in sorted(options_of(node).items())]
    show(
        {"settings": [{"name": name, "help": text} for name, text in entries]},
        *(f"{name:<24}{text}" for name, text in entries),
    )


def _shared(found: Config) -> list[Line]:
    lines = []
    for name, setting in SHARED.items():
        variable = f"P2PAVS_{name.upper()}"
        if not setting.many and (value := os.environ.get(variable)):
            source = f"${variable}"
        elif name in found.shared:
            said = found.shared[name]
            value, source = said if isinstance(said, str) else ", ".join(said), "file"
        else:
            continue
        lines.append(Line(name, _shown(name, value), source, problem(name, value)))
    return lines


def _node(found: Config) -> list[Line]:
    from p2pavs.cli.node import node
    from p2pavs.cli.node_table import sources

    models = os.environ.get("P2PAVS_MODELS") or found.shared.get("models")
    store = Path(models) if isinstance(models, str) else None
    return [
        Line(f"{NODE_TABLE}.{name}", ", ".join(values), source, node_problem(name, values, store))
        for name, values, source in sources(found, node, os.environ)
    ]


def _shown(name: str, value: str) -> str:
    from p2pavs.chain.errors import public_url

    return public_url(value) if name == "rpc" else value
