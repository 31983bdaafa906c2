"""All keys of an operator out of 24 words (BIP-39), so that one sheet of paper brings them back.

account      BIP-44     m/44'/60'/0'/0/INDEX         what wallets derive too
consensus    EIP-2334   m/12381/60/INDEX/0/0         coin type 60, not 3600: no validator's key
network      SLIP-10    m/44'/60'/INDEX'/4001'       Ed25519
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from p2pavs.errors import UsageError
from p2pavs.keystore import eip2333
from p2pavs.keystore.secret import SECRET_BYTES, Secret

if TYPE_CHECKING:
    from mnemonic import Mnemonic

MAX_INDEX = 2**31 - 1
_STRENGTH = 256  # bits: 24 words
_HARDENED = 2**31


@dataclass(frozen=True, slots=True)
class DerivedSecrets:
    """The three secrets of one index."""

    account: Secret
    consensus: Secret
    peer_seed: Secret
    consensus_path: str


def new_words() -> Secret:
    """Return 24 new words."""
    return Secret(_words().generate(_STRENGTH).encode())


def derive(words: Secret, index: int = 0, passphrase: str = "") -> DerivedSecrets:
    """Derive the keys of an index. Raises ``UsageError`` where the words are no mnemonic; it names none."""
    if not 0 <= index <= MAX_INDEX:
        raise UsageError(f"The index {index} is out of range.", f"Give one from 0 to {MAX_INDEX}.")
    seed = seed_of(words, passphrase)
    path = (12381, 60, index, 0, 0)
    return DerivedSecrets(
        account=Secret(_account(seed, index)),
        consensus=Secret(eip2333.key_at(seed, path).to_bytes(SECRET_BYTES, "big")),
        peer_seed=Secret(slip10_ed25519(seed, (44, 60, index, 4001))),
        consensus_path="m/" + "/".join(map(str, path)),
    )


def seed_of(words: Secret, passphrase: str = "") -> bytes:
    """Return the seed (64 B) of a mnemonic. Raises ``UsageError``."""
    text = " ".join(words.reveal().decode(errors="replace").split()).lower()
    count = len(text.split())
    if count not in (12, 15, 18, 21, 24):
        raise UsageError(f"A mnemonic has 12 to 24 words, not {count}.", "Check what was written down.")
    if not _words().check(text):
        raise UsageError(
            "The words are no mnemonic (BIP-39, English): one is misspelt, missing or in another place.",
            "Check each word and their order.",
        )
    return bytes(_words().to_seed(text, passphrase))


def slip10_ed25519(seed: bytes, path: tuple[int, ...]) -> bytes:
    """Return the Ed25519 seed (32 B) at a path, each step of which is hardened."""
    key, chain = _halves(hmac.digest(b"ed25519 seed", seed, "sha512"))
    for index in path:
        message = b"\0" + key + (_HARDENED + index).to_bytes(4, "big")
        key, chain = _halves(hmac.digest(chain, message, "sha512"))
    return key


def _halves(data: bytes) -> tuple[bytes, bytes]:
    return data[:32], data[32:]


def _account(seed: bytes, index: int) -> bytes:
    from eth_account.hdaccount import key_from_seed

    return bytes(key_from_seed(seed, f"m/44'/60'/0'/0/{index}"))


@cache
def _words() -> Mnemonic:
    from mnemonic import Mnemonic

    return Mnemonic("english")
