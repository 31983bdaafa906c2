"""What commands print: lines for people, or one JSON object with ``--json``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from p2pavs.cli.main import JSON_WANTED


def wants_json() -> bool:
    """Whether the command was called with ``--json``."""
    return bool(click.get_current_context().meta.get(JSON_WANTED))


def show(content: Mapping[str, Any], *lines: str) -> None:
    """Print ``content`` as JSON if that is wanted, else the lines."""
    if wants_json():
        click.echo(json.dumps(content))
    else:
        for line in lines:
            click.echo(line)


def progress(line: str) -> None:
    """Tell people on a terminal what is going on (elsewhere too with $P2PAVS_PROGRESS=always)."""
    if sys.stderr.isatty() or os.environ.get("P2PAVS_PROGRESS") == "always":
        note(line)


def note(line: str) -> None:
    """Tell people beside the result what they must not miss; says nothing with ``--json``."""
    if not wants_json():
        click.echo(click.style(line, dim=True), err=True)


def table(
    content: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str
) -> None:
    """Print ``content`` as JSON if that is wanted, else a table, or ``empty`` where it has no rows."""
    if wants_json():
        click.echo(json.dumps(content))
        return
    if not rows:
        click.echo(empty)
        return
    cells = [tuple(columns), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    click.echo(click.style(lines[0], bold=True))
    for line in lines[1:]:
        click.echo(line)


def printable(text: str) -> str:
    """Return text from outside made harmless for a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def hex_(data: bytes) -> str:
    """Return bytes as 0x and hex digits."""
    return "0x" + data.hex()


def address(data: bytes) -> str:
    """Return an address with its checksum."""
    from eth_utils.address import to_checksum_address

    return to_checksum_address(data)


def ether(wei: int) -> str:
    """Return an amount for people."""
    from p2pavs.chain.errors import format_ether

    return f"{format_ether(wei)} ETH"


def counted(number: int, thing: str) -> str:
    """Return so many things for people."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def moment(seconds: int) -> str:
    """Return unix seconds for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
