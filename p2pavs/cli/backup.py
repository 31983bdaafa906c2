"""``p2pavs backup`` and ``p2pavs restore``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from p2pavs.cli.options import json_option
from p2pavs.cli.output import moment, progress, show
from p2pavs.cli.settings import text_setting
from p2pavs.errors import UsageError


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The node's data directory.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to make.")
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    envvar="P2PAVS_KEYS",
    show_envvar=True,
    default=partial(text_setting, "keys"),
    help="Key directory to save too. The keys stay encrypted; keep the password elsewhere.",
)
@json_option
def backup(data: Path, out: Path, keys: Path | None) -> None:
    """Copy a node's database, known peers and keys, while it runs or not.

    \b
    Example:
      p2pavs backup --data data --keys keys --out /mnt/backup/p2pavs-2026-11-25
    """
    from p2pavs.backup import create

    progress("copying, and checking the copy ...")
    made = create(data, keys, out)
    content = {
        "backup": str(out),
        "createdAt": made.created_at,
        "schema": made.schema,
        "files": sorted(made.files),
        "keys": made.has_keys,
    }
    what = "database, peers and keys" if made.has_keys else "database and peers, without keys"
    show(content, f"{out}: {what} as of {moment(made.created_at)}")


@click.command()
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data directory to make.")
@click.option(
    "--keys", type=click.Path(path_type=Path), help="Key directory to make, if the backup has keys."
)
@click.option(
    "--old-node-is-gone",
    is_flag=True,
    help="Say that no other node runs with these keys, and none will: two of them would sign twice.",
)
@json_option
def restore(source: Path, data: Path, keys: Path | None, old_node_is_gone: bool) -> None:
    """Make a data directory from a backup.

    What was signed after the backup is not known any more. So the node that is started with this directory
    waits until the chain is a minute further, and takes no part in tasks that exist by then.

    \b
    Example:
      p2pavs restore /mnt/backup/p2pavs-2026-11-25 --data data --keys keys --old-node-is-gone
    """
    from p2pavs.backup import Backup
    from p2pavs.backup import restore as restore_backup

    found = Backup.open(source)
    if not old_node_is_gone:
        raise UsageError(
            "A node that still runs with these keys would sign against this one, which costs the stake.",
            "Stop it, make sure that nothing starts it again, and add --old-node-is-gone.",
        )
    restore_backup(found, data, keys)
    content = {"data": str(data), "keys": None if keys is None else str(keys), "createdAt": found.created_at}
    show(
        content,
        f"{data} is as of {moment(found.created_at)}",
        "Start the node with it. It takes part in tasks that are requested later than a minute from now.",
    )
