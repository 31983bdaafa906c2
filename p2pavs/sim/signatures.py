"""Signatures for simulations: keyed hashes that nobody inside can forge, or real BLS."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from consensus import bls
from consensus.signing import Randomness, SignatureCheck, SignatureScheme

_MODULUS = 1 << 512
_SIGNATURE_BYTES = 96
_KEY_BYTES = 48


class Keyring(Protocol):
    """Makes the keys of a simulation's members and signs with them."""

    @property
    def scheme(self) -> SignatureScheme:
        """How the members join and check signatures."""
        ...

    def public_key(self, name: bytes) -> bytes:
        """Return the key (48 bytes) of the member with this name."""
        ...

    def sign(self, name: bytes, message: bytes) -> bytes:
        """Return that member's signature (96 bytes)."""
        ...


class KeyedScheme:
    """A signature is a hash of key and message under a secret of the simulation, an aggregate their sum.

    It verifies for exactly the signers it was made from. Members are given signatures under their own keys
    only and never the scheme's ``sign``: unforgeable for them, at a thousandth of the cost of BLS.
    """

    def __init__(self, secret: bytes = b"simulation") -> None:
        self._secret = secret

    def sign(self, key: bytes, message: bytes) -> bytes:
        """Return the signature of a public key's owner."""
        return self._number(key, message).to_bytes(_SIGNATURE_BYTES, "big")

    def aggregate(self, signatures: Sequence[bytes]) -> bytes:
        """Add up."""
        total = sum(int.from_bytes(signature, "big") for signature in signatures) % _MODULUS
        return total.to_bytes(_SIGNATURE_BYTES, "big")

    def fast_aggregate_verify(self, keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
        """Whether all keys signed the one message."""
        total = sum(self._number(key, message) for key in keys) % _MODULUS
        return signature == total.to_bytes(_SIGNATURE_BYTES, "big")

    def find_bad(self, checks: Sequence[SignatureCheck], rng: Randomness) -> tuple[int, ...]:
        """Check one by one: here that is cheap."""
        return tuple(
            position
            for position, check in enumerate(checks)
            if not self.fast_aggregate_verify(check.keys, check.message, check.signature)
        )

    def _number(self, key: bytes, message: bytes) -> int:
        digest = hashlib.blake2b(key + message, key=self._secret, digest_size=64).digest()
        return int.from_bytes(digest, "big")


class KeyedKeyring:
    """Keys for ``KeyedScheme``."""

    def __init__(self, secret: bytes = b"simulation") -> None:
        self._scheme = KeyedScheme(secret)

    @property
    def scheme(self) -> SignatureScheme:
        """Keyed hashes."""
        return self._scheme

    def public_key(self, name: bytes) -> bytes:
        """Any 48 bytes that differ by member."""
        return hashlib.blake2b(name, digest_size=_KEY_BYTES, person=b"p2pavs-sim-key").digest()

    def sign(self, name: bytes, message: bytes) -> bytes:
        """Sign as this member."""
        return self._scheme.sign(self.public_key(name), message)


class _RememberingBls:
    """BLS that joins the same signatures once: here all members live in one process."""

    def __init__(self) -> None:
        self._joined: dict[tuple[bytes, ...], bytes] = {}

    def aggregate(self, signatures: Sequence[bytes]) -> bytes:
        parts = tuple(signatures)
        if parts not in self._joined:
            self._joined[parts] = bls.SCHEME.aggregate(parts)
        return self._joined[parts]

    def fast_aggregate_verify(self, keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
        return bls.SCHEME.fast_aggregate_verify(keys, message, signature)

    def find_bad(self, checks: Sequence[SignatureCheck], rng: Randomness) -> tuple[int, ...]:
        return bls.SCHEME.find_bad(checks, rng)


class BlsKeyring:
    """Real keys; they follow from the members' names, so they protect nothing."""

    def __init__(self) -> None:
        self._scheme = _RememberingBls()
        self._secrets: dict[bytes, bls.SecretKey] = {}

    @property
    def scheme(self) -> SignatureScheme:
        """BLS12-381."""
        return self._scheme

    def public_key(self, name: bytes) -> bytes:
        """Return the member's public key."""
        return bls.public_key(self._secret(name))

    def sign(self, name: bytes, message: bytes) -> bytes:
        """Sign as this member."""
        return bls.sign(self._secret(name), message)

    def _secret(self, name: bytes) -> bls.SecretKey:
        if name not in self._secrets:
            # 31 bytes behind a zero: below the group's order, whatever the hash.
            digest = hashlib.blake2b(name, digest_size=31, person=b"p2pavs-sim-bls").digest()
            self._secrets[name] = bls.SecretKey(b"\0" + digest)
        return self._secrets[name]
