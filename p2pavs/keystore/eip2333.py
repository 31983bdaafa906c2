"""EIP-2333: a tree of BLS12-381 secret keys out of one seed. All of its keys are hardened."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from consensus.bls_backends.protocol import CURVE_ORDER

_LAMPORT_PARTS = 255  # as far as HKDF stretches
_KEY_BYTES = 48


def master_key(seed: bytes) -> int:
    """Return the tree's root for a seed of at least 32 bytes."""
    if len(seed) < 32:
        raise ValueError(f"a seed has at least 32 bytes, not {len(seed)}")
    return _hkdf_mod_r(seed)


def child_key(parent: int, index: int) -> int:
    """Return the child of a key; ``index`` is from 0 to 2^32 - 1."""
    if not 0 <= index < 2**32:
        raise ValueError(f"an index is from 0 to 2^32 - 1, not {index}")
    return _hkdf_mod_r(_lamport_public_key(parent, index))


def key_at(seed: bytes, path: Sequence[int]) -> int:
    """Return the key that a path leads to from the root."""
    key = master_key(seed)
    for index in path:
        key = child_key(key, index)
    return key


def _lamport_public_key(parent: int, index: int) -> bytes:
    salt = index.to_bytes(4, "big")
    material = parent.to_bytes(32, "big")
    flipped = bytes(byte ^ 0xFF for byte in material)
    parts = b"".join(
        hashlib.sha256(half[i : i + 32]).digest()
        for half in (
            _hkdf(salt, material, b"", 32 * _LAMPORT_PARTS),
            _hkdf(salt, flipped, b"", 32 * _LAMPORT_PARTS),
        )
        for i in range(0, len(half), 32)
    )
    return hashlib.sha256(parts).digest()


def _hkdf_mod_r(material: bytes) -> int:
    salt, key = b"BLS-SIG-KEYGEN-SALT-", 0
    while key == 0:
        salt = hashlib.sha256(salt).digest()
        stretched = _hkdf(salt, material + b"\0", _KEY_BYTES.to_bytes(2, "big"), _KEY_BYTES)
        key = int.from_bytes(stretched, "big") % CURVE_ORDER
    return key


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256."""
    key = hmac.digest(salt, material, "sha256")
    out, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        out += block
    return out[:length]
