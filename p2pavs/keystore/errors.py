"""What can be wrong with key files."""

from __future__ import annotations

from pathlib import Path

from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode


class KeystoreError(P2pavsError):
    """Keys cannot be used, or cannot be made."""

    exit_code = ExitCode.KEYS


class WrongPassword(KeystoreError):
    """The password does not open a key file."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The password does not open {path}.",
            "Give the password the keys were made with (--password-file or $P2PAVS_PASSWORD). A password "
            "file's last line break does not count, other white space does.",
        )


class NoKeys(KeystoreError):
    """There is no key directory, or a file of it is missing."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no {path}.", "Check --keys, or make a key directory with p2pavs keys new."
        )


class KeysExist(KeystoreError):
    """Keys are never overwritten."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} exists already, and keys are never overwritten.", "Choose another directory."
        )


class DamagedKeys(KeystoreError):
    """A key file is not what it should be."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"The key file {path} cannot be used: {what}.", "Restore the whole key directory from its backup."
        )


class KeysAreRemote(KeystoreError):
    """A secret is asked for that only the remote signer has."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The {what} of this key directory is held by a remote signer.",
            "Run this command where the secret keys are.",
        )
