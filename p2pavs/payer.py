"""An account that pays for tasks, and where its unsettled transactions are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from p2pavs.chain.poster import Sender
    from p2pavs.chain.rpc import Rpc
    from p2pavs.remote_signer.client import RemoteAccount

PENDING_FILE = "pending.sqlite"
"""Unsettled transactions of an account, beside its key; its lock keeps other processes off the account."""


@dataclass(frozen=True, slots=True)
class Payer:
    """An account to send with. All processes that send with it must name the same ``pending`` file."""

    account: LocalAccount | RemoteAccount
    pending: Path

    @classmethod
    def from_keys(cls, directory: Path | str, password: str) -> Payer:
        """Open the account of a directory that ``p2pavs keys new`` made. Raises ``KeystoreError``.

        The key is decrypted here, which takes about a second.
        """
        from p2pavs import keystore

        where = Path(directory)
        if (remote := cls.from_link(where)) is not None:
            return remote
        return cls(keystore.load_account(where, password), where / PENDING_FILE)

    @classmethod
    def from_link(cls, directory: Path) -> Payer | None:
        """Return the account of a key directory whose secrets a remote signer has; None for any other."""
        from p2pavs import keystore

        link = keystore.load_link(directory)
        if link is None:
            return None
        from p2pavs.remote_signer.client import RemoteAccount, RemoteSigner

        account = RemoteAccount(RemoteSigner(link), keystore.load_public(directory).address)
        return cls(account, directory / PENDING_FILE)

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return bytes.fromhex(self.account.address[2:])

    @asynccontextmanager
    async def open_sender(self, rpc: Rpc, *, poll_interval: float = 0.1) -> AsyncIterator[Sender]:
        """Send with the account; only one process at a time may. Raises ``AccountInUse``."""
        from p2pavs.chain.pending import SqlitePendingStore
        from p2pavs.chain.poster import open_sender

        chain_id = await rpc.chain_id()
        with SqlitePendingStore(self.pending, chain_id=chain_id, account=self.address) as store:
            async with open_sender(
                rpc, self.account, store, chain_id=chain_id, poll_interval=poll_interval
            ) as sender:
                yield sender
