"""BLS signatures on BLS12-381: keys in G1 (48 B), signatures in G2 (96 B), Ethereum's POP suite.

Infinity, zero secrets, non-canonical encodings and points outside the subgroup are refused here, whatever
the backend thinks of them. ``find_bad`` tells which of many signatures are wrong: one product of pairings
when all hold, and a search that costs a logarithm for each wrong one.

The backend is chosen once, at import: ``backend_name()`` says which, ``backend_advice()`` what to do if it
is not the fastest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from consensus.bls_backends import encoding
from consensus.bls_backends.choice import choose_backend
from consensus.bls_backends.protocol import CURVE_ORDER, G1, G2, Backend
from consensus.group_testing import search
from consensus.hashing import keccak256, words
from consensus.signing import Randomness, SignatureCheck

KEY_BYTES: Final = encoding.KEY_BYTES
SIGNATURE_BYTES: Final = encoding.SIGNATURE_BYTES
SECRET_BYTES: Final = 32
DST_SIGNATURE: Final = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
DST_POSSESSION: Final = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
_COEFFICIENT_BYTES = 8
_CACHED_KEYS = 4096
_CACHED_SIGNATURES = 2048


class BlsError(ValueError):
    """Bytes that are not a valid secret key, public key or signature."""


class SecretKey:
    """A consensus secret key. It never prints itself."""

    __slots__ = ("_scalar",)

    def __init__(self, data: bytes) -> None:
        """Take 32 big-endian bytes; raises ``BlsError`` on zero and on anything not below the group order."""
        if len(data) != SECRET_BYTES:
            raise BlsError(f"a consensus secret has {SECRET_BYTES} bytes, not {len(data)}")
        scalar = int.from_bytes(data, "big")
        if not 0 < scalar < CURVE_ORDER:
            raise BlsError("the consensus secret is zero or not below the group order; make a new one")
        self._scalar = scalar

    def scalar(self) -> int:
        """Return the secret integer."""
        return self._scalar

    def __repr__(self) -> str:
        return "SecretKey(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret key is not pickled")


@dataclass(frozen=True, slots=True)
class _Claim:
    """A decoded check: ``signature`` over ``message`` under ``key``, and its weight in a batch."""

    position: int
    key: G1
    message: bytes
    signature: G2
    coefficient: int


class BlsScheme:
    """The signature scheme over one backend. ``SCHEME`` is the one the node uses."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._parse_key = lru_cache(maxsize=_CACHED_KEYS)(self._decode_key)
        # A vote's signature is needed again when votes are joined. Only valid ones are kept.
        self._parse_signature = lru_cache(maxsize=_CACHED_SIGNATURES)(self._decode_signature)

    def _decode_key(self, key: bytes) -> G1:
        try:
            point = self.backend.decode_g1(key)
        except ValueError as error:
            raise BlsError(f"not a public key: {error}") from error
        if self.backend.is_infinity_g1(point):
            raise BlsError("not a public key: the point at infinity")
        return point

    def _decode_signature(self, signature: bytes) -> G2:
        try:
            point = self.backend.decode_g2(signature)
        except ValueError as error:
            raise BlsError(f"not a signature: {error}") from error
        if self.backend.is_infinity_g2(point):
            raise BlsError("not a signature: the point at infinity")
        return point

    def _join_keys(self, keys: Sequence[bytes]) -> G1:
        if not keys:
            raise BlsError("no public keys")
        if len(keys) == 1:
            return self._parse_key(keys[0])
        joined = self.backend.sum_g1([self._parse_key(key) for key in keys])
        if self.backend.is_infinity_g1(joined):
            raise BlsError("the public keys cancel out")
        return joined

    def _paired(self, signature: G2, keys: Sequence[G1], hashes: Sequence[G2]) -> bool:
        """Whether e(G, signature) is the product of e(key, hash)."""
        return self.backend.pairings_cancel([self.backend.negative_generator(), *keys], [signature, *hashes])

    def check_key(self, key: bytes) -> None:
        """Raise ``BlsError`` unless this is a valid public key: canonical, finite, in the subgroup."""
        self._parse_key(key)

    def check_signature(self, signature: bytes) -> None:
        """Raise ``BlsError`` unless this is a canonical, finite point of the subgroup."""
        self._parse_signature(signature)

    def public_key(self, secret: SecretKey) -> bytes:
        """Return the compressed public key (48 B)."""
        return self.backend.encode_g1(self.backend.public_key(secret.scalar()))

    def sign(self, secret: SecretKey, message: bytes, dst: bytes = DST_SIGNATURE) -> bytes:
        """Return the signature (96 B) of a message. It is unique: there is no other valid one."""
        hashed = self.backend.hash_to_g2(message, dst)
        return self.backend.encode_g2(self.backend.multiply_g2(hashed, secret.scalar()))

    def verify(self, key: bytes, message: bytes, signature: bytes, dst: bytes = DST_SIGNATURE) -> bool:
        """Whether the key signed the message."""
        return self.fast_aggregate_verify([key], message, signature, dst)

    def aggregate(self, signatures: Sequence[bytes]) -> bytes:
        """Add up signatures; raises ``BlsError`` on none, on an invalid one, and on a sum that is infinity.

        This proves nothing about them: verify each one first (or the aggregate afterwards).
        """
        if not signatures:
            raise BlsError("no signatures to aggregate")
        joined = self.backend.sum_g2([self._parse_signature(signature) for signature in signatures])
        if self.backend.is_infinity_g2(joined):
            raise BlsError("the signatures cancel out")
        return self.backend.encode_g2(joined)

    def fast_aggregate_verify(
        self, keys: Sequence[bytes], message: bytes, signature: bytes, dst: bytes = DST_SIGNATURE
    ) -> bool:
        """Whether all keys signed the one message. Safe only for keys with a proof of possession."""
        try:
            joined, parsed = self._join_keys(keys), self._parse_signature(signature)
        except BlsError:
            return False
        return self._paired(parsed, [joined], [self.backend.hash_to_g2(message, dst)])

    def aggregate_verify(self, keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes) -> bool:
        """Whether each key signed its own message."""
        if not keys or len(keys) != len(messages):
            return False
        try:
            points, parsed = [self._parse_key(key) for key in keys], self._parse_signature(signature)
        except BlsError:
            return False
        hashes = [self.backend.hash_to_g2(message, DST_SIGNATURE) for message in messages]
        return self._paired(parsed, points, hashes)

    def find_bad(self, checks: Sequence[SignatureCheck], rng: Randomness) -> tuple[int, ...]:
        """Return the ascending positions of the checks that do not hold; empty if all hold.

        All are tried at once under random 64-bit coefficients (wrong ones pass with chance 2^-64), which
        costs one pairing for each distinct message. A plain sum without coefficients would accept two wrong
        signatures that make up for each other. If that fails, the wrong ones are searched for by halving.
        """
        bad: list[int] = []
        claims: list[_Claim] = []
        for position, check in enumerate(checks):
            try:
                key, signature = self._join_keys(check.keys), self._parse_signature(check.signature)
            except BlsError:
                bad.append(position)
                continue
            coefficient = int.from_bytes(rng(_COEFFICIENT_BYTES), "big") + 1  # never zero
            claims.append(_Claim(position, key, check.message, signature, coefficient))
        hashes = {
            message: self.backend.hash_to_g2(message, DST_SIGNATURE)
            for message in dict.fromkeys(claim.message for claim in claims)
        }
        # Claims on one message share a pairing, so they stay together in the search.
        order = {message: place for place, message in enumerate(hashes)}
        claims.sort(key=lambda claim: order[claim.message])
        wrong = search(claims, lambda some: self._hold_together(some, hashes))
        return tuple(sorted(bad + [claim.position for claim in wrong]))

    def _hold_together(self, claims: Sequence[_Claim], hashes: Mapping[bytes, G2]) -> bool:
        if len(claims) == 1:  # needs no coefficient
            return self._paired(claims[0].signature, [claims[0].key], [hashes[claims[0].message]])
        by_message: dict[bytes, tuple[list[G1], list[int]]] = {}
        for claim in claims:
            points, weights = by_message.setdefault(claim.message, ([], []))
            points.append(claim.key)
            weights.append(claim.coefficient)
        signatures, coefficients = [c.signature for c in claims], [c.coefficient for c in claims]
        joined = self.backend.weigh_g2(signatures, coefficients)
        keys = [self.backend.weigh_g1(points, weights) for points, weights in by_message.values()]
        return self._paired(joined, keys, [hashes[message] for message in by_message])

    def batch_verify_same_message(
        self, keys: Sequence[bytes], message: bytes, signatures: Sequence[bytes], rng: Randomness
    ) -> tuple[int, ...]:
        """Return the positions of the signatures of one message that do not hold; empty if all hold."""
        pairs = zip(keys, signatures, strict=True)
        return self.find_bad([SignatureCheck((key,), message, signature) for key, signature in pairs], rng)

    def pop_prove(self, secret: SecretKey, chain_id: int, registry: bytes, account: bytes) -> bytes:
        """Prove possession of the key to a registry contract (20 B) on a chain, for one account (20 B)."""
        message = pop_message(self.public_key(secret), chain_id, registry, account)
        return self.sign(secret, message, DST_POSSESSION)

    def pop_verify(self, key: bytes, proof: bytes, chain_id: int, registry: bytes, account: bytes) -> bool:
        """Whether the proof of possession is of this key for this account."""
        return self.verify(key, pop_message(key, chain_id, registry, account), proof, DST_POSSESSION)


def pop_message(key: bytes, chain_id: int, registry: bytes, account: bytes) -> bytes:
    """Return the 32 bytes a proof of possession signs: no other account can present it."""
    return words("p2pavs/pop/1", chain_id, registry, account, keccak256(key))


SCHEME: Final = BlsScheme(choose_backend().backend)

check_key = SCHEME.check_key
check_signature = SCHEME.check_signature
public_key = SCHEME.public_key
sign = SCHEME.sign
verify = SCHEME.verify
aggregate = SCHEME.aggregate
fast_aggregate_verify = SCHEME.fast_aggregate_verify
aggregate_verify = SCHEME.aggregate_verify
find_bad = SCHEME.find_bad
batch_verify_same_message = SCHEME.batch_verify_same_message
pop_prove = SCHEME.pop_prove
pop_verify = SCHEME.pop_verify


def backend_name() -> str:
    """Return the library that does the arithmetic."""
    return choose_backend().backend.name


def backend_advice() -> str | None:
    """Return what to install where only the slow reference was found; None where all is well."""
    return choose_backend().advice


@lru_cache(maxsize=_CACHED_KEYS)
def key_xy(key: bytes) -> bytes:
    """Return a public key's coordinates as a snapshot takes them: x (48 B) then y (48 B)."""
    x, y = _g1(key)
    return x.to_bytes(48, "big") + y.to_bytes(48, "big")


def public_key_to_evm(key: bytes) -> bytes:
    """Return a public key (48 B) as the precompiles take it (128 B)."""
    return encoding.to_evm(*_g1(key))


def public_key_from_evm(data: bytes) -> bytes:
    """Return the compressed key of 128 EVM bytes; raises ``BlsError`` unless it is a valid key."""
    try:
        x, y = encoding.from_evm(data, 2)
    except ValueError as error:
        raise BlsError(f"not a public key: {error}") from error
    return _compress_key(x, y)


def signature_to_evm(signature: bytes) -> bytes:
    """Return a signature (96 B) as the precompiles take it (256 B): c0 before c1."""
    check_signature(signature)
    x, y = encoding.decompress_g2(signature)
    return encoding.to_evm(*x, *y)


def signature_from_evm(data: bytes) -> bytes:
    """Return the compressed signature of 256 EVM bytes; raises ``BlsError`` unless it is a valid point."""
    try:
        x0, x1, y0, y1 = encoding.from_evm(data, 4)
        signature = encoding.compress_g2((x0, x1), (y0, y1))
    except ValueError as error:
        raise BlsError(f"not a signature: {error}") from error
    check_signature(signature)
    return signature


def _g1(key: bytes) -> tuple[int, int]:
    check_key(key)
    return encoding.decompress_g1(key)


def _compress_key(x: int, y: int) -> bytes:
    try:
        key = encoding.compress_g1(x, y)
    except ValueError as error:
        raise BlsError(f"not a public key: {error}") from error
    check_key(key)
    return key
