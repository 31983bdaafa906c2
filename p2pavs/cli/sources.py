"""What the shared options of commands stand for: a chain, an operator's keys, an account to send with."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from p2pavs.cli import common
from p2pavs.payer import PENDING_FILE, Payer

if TYPE_CHECKING:
    from p2pavs.chain.contracts import Chain
    from p2pavs.chain.deployment import Deployment
    from p2pavs.chain.rpc import Rpc
    from p2pavs.keystore import Identity, PublicIdentity


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """``--rpc`` and ``--deployment``."""

    rpc: str | None
    deployment: Path | None

    def open_chain(self) -> AbstractAsyncContextManager[Chain]:
        """Open the network and check that it is there."""
        return common.open_chain(self.rpc, self.deployment)

    def load_deployment(self) -> Deployment:
        """Read the deployment file; asks no chain."""
        from p2pavs.chain.deployment import Deployment

        return Deployment.load(common.required(self.deployment, "--deployment", "P2PAVS_DEPLOYMENT"))

    def open_rpc(self) -> AbstractAsyncContextManager[Rpc]:
        """Open the endpoint alone."""
        return common.open_rpc(self.rpc)


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """``--keys`` and ``--password-file``."""

    keys: Path | None
    password_file: Path | None

    def directory(self, flag: str = "--keys") -> Path:
        """Return the key directory. Raises ``UsageError`` where none is given; ``flag`` says what to give."""
        return common.required(self.keys, flag, "P2PAVS_KEYS")

    def public(self, flag: str = "--keys") -> PublicIdentity:
        """Read the public part of the key directory; takes no password."""
        from p2pavs import keystore

        return keystore.load_public(self.directory(flag))

    def new_directory(self) -> Path:
        """Return the key directory to make. Raises ``UsageError`` or ``KeysExist``."""
        from p2pavs import keystore

        directory = self.directory()
        if directory.exists():
            raise keystore.KeysExist(directory)
        return directory

    def new_password(self) -> str:
        """Return a password for new keys; a prompt asks for it twice."""
        return common.read_password(self.password_file, new=True)

    def password(self) -> str:
        """Return the keys' password: from the file, the environment, or a prompt."""
        return common.read_password(self.password_file)

    def identity(self) -> Identity:
        """Open all keys."""
        from p2pavs import keystore

        self.public()  # before the password is asked for
        return keystore.load(self.directory(), self.password())

    def payer(self) -> Payer:
        """Open the account of the key directory."""
        return common.read_account(self.keys, None, self.password_file)

    def pending(self) -> Path:
        """Return where unsettled transactions of the account are kept."""
        return self.directory() / PENDING_FILE


@dataclass(frozen=True, slots=True)
class AccountOptions(KeyOptions):
    """``--key-file``, or else ``--keys`` and ``--password-file``."""

    key_file: Path | None = None

    def payer(self) -> Payer:
        """Open the account to send with."""
        return common.read_account(self.keys, self.key_file, self.password_file)
