"""``p2pavs keys protection``: what a node signed, to take along when its keys move."""

from __future__ import annotations

from pathlib import Path

import click

from p2pavs.cli.options import json_option
from p2pavs.cli.output import progress, show
from p2pavs.errors import UsageError

_file = click.Path(path_type=Path)
_data = click.option("--data", required=True, type=_file, help="Data directory of a node that is stopped.")


@click.group()
def protection() -> None:
    """Take along what was signed when keys move to another data directory."""


@protection.command("export")
@_data
@click.option("--out", required=True, type=_file, help="File to write; must not exist.")
@click.option(
    "--minimal",
    is_flag=True,
    help="Not every statement, but the first task to sign for again: tasks that are open now get no vote.",
)
@json_option
def export_(data: Path, out: Path, minimal: bool) -> None:
    """Write what was signed with this data directory. Stop the node before, and do not start it again.

    \b
    Example:
      p2pavs keys protection export --data data --out protection.json
    """
    from p2pavs.keystore.files import write_file
    from p2pavs.storage import DataDirectory, protection

    if not (data / "node.sqlite").exists():
        raise UsageError(f"{data} is no node's data directory.", "Give the directory of --data.")
    if out.exists():
        raise UsageError(f"{out} exists already.", "Choose another file with --out.")
    with DataDirectory(data) as directory:
        found = protection.export(directory.database)
    count = len(found.rows)
    if minimal:
        found = found.minimal()
    write_file(out, found.to_json())
    show(
        {
            "file": str(out),
            "operator": found.binding["operator"],
            "statements": len(found.rows),
            "signNothingBelow": found.below,
        },
        f"{out} says what {found.binding['operator']} signed: "
        + (f"nothing below task {found.below} may be signed again" if minimal else f"{count} statements"),
    )


@protection.command("import")
@_data
@click.argument("file", type=_file)
@json_option
def import_(data: Path, file: Path) -> None:
    """Add what FILE says was signed to a data directory, new or not. It never allows what was forbidden.

    \b
    Example:
      p2pavs keys protection import --data data protection.json
    """
    from p2pavs.storage import DataDirectory, protection

    try:
        with file.open("rb") as opened:
            content = opened.read(protection.MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Check the path.") from None
    progress(f"reading {file}")
    found = protection.Protection.parse(content)
    with DataDirectory(data) as directory:
        done = protection.import_(directory.database, found)
    show(
        {
            "data": str(data),
            "operator": found.binding["operator"],
            "added": done.added,
            "known": done.known,
            "signNothingBelow": done.below,
        },
        f"{data}: {done.added} statements added, {done.known} known before; "
        f"nothing is signed below task {done.below}.",
    )
