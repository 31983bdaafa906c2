"""An operator's keys on disk. ``directory`` says what lies where."""

from __future__ import annotations

from p2pavs.keystore.backup import restore_backup, write_backup
from p2pavs.keystore.directory import (
    FAST_SCRYPT_N,
    STRONG_SCRYPT_N,
    add_consensus_key,
    adopt_peer_seed,
    check_password,
    create,
    load,
    load_account,
    load_link,
    load_public,
    next_peer_seed,
    open_file,
)
from p2pavs.keystore.errors import (
    DamagedKeys,
    KeysAreRemote,
    KeysExist,
    KeystoreError,
    NoKeys,
    WrongPassword,
)
from p2pavs.keystore.files import MAX_FILE_BYTES
from p2pavs.keystore.identity import Identity, PublicIdentity, account_of, peer_id_bytes, peer_id_of
from p2pavs.keystore.secret import SECRET_BYTES, Secret

__all__ = [
    "FAST_SCRYPT_N",
    "MAX_FILE_BYTES",
    "SECRET_BYTES",
    "STRONG_SCRYPT_N",
    "DamagedKeys",
    "Identity",
    "KeysAreRemote",
    "KeysExist",
    "KeystoreError",
    "NoKeys",
    "PublicIdentity",
    "Secret",
    "WrongPassword",
    "account_of",
    "add_consensus_key",
    "adopt_peer_seed",
    "check_password",
    "create",
    "load",
    "load_account",
    "load_link",
    "load_public",
    "next_peer_seed",
    "open_file",
    "peer_id_bytes",
    "peer_id_of",
    "restore_backup",
    "write_backup",
]
