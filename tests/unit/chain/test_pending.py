from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from p2pavs.chain.errors import AccountInUse
from p2pavs.chain.pending import PendingStoreError, PendingTransaction, SqlitePendingStore
from tests.unit.open_files import open_below

ACCOUNT = b"\x01" * 20
TRANSACTION = PendingTransaction(
    nonce=3,
    to=b"\x02" * 20,
    data=b"data",
    value=10**24,
    gas=21_000,
    max_fee=2**70,
    tip=1,
    raw=b"raw",
    hashes=(b"\x03" * 32, b"\x04" * 32),
    what="a payment",
)


def open_store(path: Path, account: bytes = ACCOUNT, chain_id: int = 1) -> SqlitePendingStore:
    return SqlitePendingStore(path, chain_id=chain_id, account=account)


async def test_transactions_survive_a_restart(tmp_path: Path) -> None:
    creation = replace(TRANSACTION, nonce=2, to=None, hashes=())
    with open_store(tmp_path / "p.sqlite") as store:
        await store.put(TRANSACTION)
        await store.put(creation)
    with open_store(tmp_path / "p.sqlite") as store:
        assert await store.load() == (creation, TRANSACTION)


async def test_a_replacement_takes_the_place(tmp_path: Path) -> None:
    with open_store(tmp_path / "p.sqlite") as store:
        await store.put(TRANSACTION)
        bumped = replace(TRANSACTION, raw=b"bumped", hashes=(*TRANSACTION.hashes, b"\x05" * 32))
        await store.put(bumped)
        assert await store.load() == (bumped,)
        await store.remove(TRANSACTION.nonce)
        assert await store.load() == ()


async def test_chains_and_accounts_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    with open_store(path) as store:
        await store.put(TRANSACTION)
    with open_store(path, chain_id=2) as store:
        assert await store.load() == ()
        await store.remove(TRANSACTION.nonce)
    with open_store(path, account=bytes(20)) as store:
        assert await store.load() == ()
    with open_store(path) as store:
        assert await store.load() == (TRANSACTION,)


def test_an_account_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    with open_store(path), pytest.raises(AccountInUse, match=r"p\.sqlite\.lock") as caught:
        open_store(path)
    assert "running node" in caught.value.message
    for step in ("Stop the node", "start the node again", "p2pavs operator claim", "--key-file"):
        assert step in caught.value.remedy
    open_store(path).close()


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    with open_store(tmp_path / "p.sqlite"):
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 100])
def test_a_damaged_file_is_named_and_unlocked(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.sqlite"
    path.write_bytes(content)
    for _ in range(2):  # the second time shows that the lock was given back
        with pytest.raises(PendingStoreError, match=r"p\.sqlite cannot be used"):
            open_store(path)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "p.sqlite")
    connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(PendingStoreError, match="format 9"):
        open_store(tmp_path / "p.sqlite")


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(PendingStoreError, match="No such file"):
        open_store(tmp_path / "none" / "p.sqlite")


async def test_a_write_that_fails_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    with open_store(path) as store:
        other = sqlite3.connect(path)
        other.execute("DROP TABLE pending")
        other.commit()
        other.close()
        with pytest.raises(PendingStoreError, match="no such table"):
            await store.put(TRANSACTION)


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    store = open_store(tmp_path / "p.sqlite")
    assert open_below(tmp_path)
    store.close()
    store.close()
    assert open_below(tmp_path) == []
