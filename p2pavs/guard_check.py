"""Does the sign guard know everything that was signed with this operator's keys? The chain tells.

If a certificate has this operator's signature and the guard does not know of it, then either the guard is
older than the key's last use (an old copy of the data directory, or an empty one), or another node uses the
keys now. In both cases nothing more may be signed for the tasks that exist.
"""

from __future__ import annotations

import sqlite3

from consensus.committee import Committee, OperatorSet
from consensus.types import Kind
from p2pavs.chain.events import TaskCertified
from p2pavs.chain.records import TaskHeader
from p2pavs.errors import P2pavsError
from p2pavs.storage import until_stored
from p2pavs.storage.copying import distrust
from p2pavs.storage.database import Database


class GuardIsOlder(P2pavsError):
    """Something was signed with the operator's key that the sign guard does not know of."""


async def check_guard(
    database: Database, operator: bytes, operators: OperatorSet, header: TaskHeader, certified: TaskCertified
) -> None:
    """Compare a certificate with the guard.

    Where it has a signature of ``operator`` (20 bytes) that the guard does not know, mark the database as
    ``p2pavs restore`` would, and raise ``GuardIsOlder``: the next start makes it safe (``restored.py``).
    """
    committee = Committee.select(
        operators, header.hash, header.task_seed, certified.attempt, header.committee_size
    )
    own = next((member.index for member in committee.members if member.operator == operator), None)
    if own is None or not committee.bitmap_and_hints([own])[0] & certified.bitmap:
        return
    key = (header.id, certified.attempt, committee.root, int(Kind.PRECOMMIT), certified.round)

    def work(connection: sqlite3.Connection) -> bool:
        row = connection.execute(
            "SELECT 1 FROM signatures "
            "WHERE task_id=? AND attempt=? AND committee_root=? AND kind=? AND round=?",
            key,
        ).fetchone()
        if row is None:
            distrust(connection)
        return row is not None

    if not await until_stored(lambda: database.run(work), task=header.id):
        raise GuardIsOlder(
            f"task {header.id} was certified with this operator's signature, and the data directory does not "
            "know of it: it is older than the last use of the keys, or another node uses them",
            "Make sure that no other node runs with these keys, then start this one again: it will wait a "
            "minute and sign nothing for the tasks that exist by then.",
        )
