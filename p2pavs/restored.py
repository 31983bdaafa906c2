"""A database that came from a backup: nothing is signed for a task that may have been signed for before.

Whoever used the key before the restore saw no task of a later block. So the node waits until the chain's time
is past the restore, gives up all tasks there are then, and signs for later ones only. A task that a
reorganisation takes away and brings back in a later block has another seed, and with it another committee
root: statements for the two cannot be held against each other.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import structlog
import trio

from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError
from p2pavs.storage import until_stored
from p2pavs.storage.copying import RESTORED_AT
from p2pavs.storage.database import Database
from p2pavs.storage.protection import raise_below

MARGIN: Final = 60
"""Seconds by which the clocks of the restoring machine and of the chain may differ."""

LOOK_EVERY: Final = 2.0  # seconds

log = structlog.get_logger()


async def settle_restored(database: Database, chain: Chain) -> None:
    """Make a restored database safe, however long the chain takes; returns at once for any other."""
    restored_at = await database.run(_restored_at)
    if restored_at is None:
        return
    until = restored_at + MARGIN
    log.warning(
        "restored_from_backup",
        signs_after=until,
        remedy="The node waits until the chain's time is past that, and sits the tasks out that exist then.",
    )
    while True:
        try:
            head = await chain.rpc.block("latest")
            if head is not None and head.timestamp > until:
                tasks = int(await chain.read_one("TaskGateway", "taskCount", block=head.number))
                break
        except ChainError as error:
            log.warning("restored_waits", error=error.message, remedy=error.remedy)
        await trio.sleep(LOOK_EVERY)

    def settle(connection: sqlite3.Connection) -> None:
        raise_below(connection, tasks + 1)
        connection.execute("DELETE FROM meta WHERE key=?", (RESTORED_AT,))

    await until_stored(lambda: database.run(settle))
    log.info("restored_settled", signs_from_task=tasks + 1)


def _restored_at(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT value FROM meta WHERE key=?", (RESTORED_AT,)).fetchone()
    return None if row is None else int(row[0])
