"""Keccak-256 over 32-byte words, as ``keccak256(abi.encode(...))`` in the contracts computes it."""

from __future__ import annotations

from Crypto.Hash import keccak

WORD_BYTES = 32
ADDRESS_BYTES = 20
MAX_TAG_BYTES = 31
_UINT256 = 1 << 256


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest (Ethereum's, not NIST SHA-3)."""
    return keccak.new(data=data, digest_bits=256).digest()


def _word(value: int | bytes) -> bytes:
    if isinstance(value, int):
        if not 0 <= value < _UINT256:
            raise ValueError(f"{value} does not fit an unsigned 256-bit word")
        return value.to_bytes(WORD_BYTES, "big")
    if len(value) == WORD_BYTES:
        return value
    if len(value) == ADDRESS_BYTES:
        return value.rjust(WORD_BYTES, b"\0")
    raise ValueError(f"a word is 32 bytes or a 20-byte address, not {len(value)} bytes")


def words(tag: str, *args: int | bytes) -> bytes:
    """Hash a tag and static arguments: ``keccak256(abi.encode(bytes32(tag), args...))``.

    The tag is ASCII of at most 31 bytes, left-aligned. Integers are uint256, 20-byte addresses are
    left-padded, 32-byte words go in as they are. Raises ``ValueError`` on anything else.
    """
    name = tag.encode("ascii")
    if not 0 < len(name) <= MAX_TAG_BYTES:
        raise ValueError(f"a tag has 1 to {MAX_TAG_BYTES} ASCII bytes, not {len(name)}")
    return keccak256(name.ljust(WORD_BYTES, b"\0") + b"".join(map(_word, args)))


def draw(tag: str, seed: bytes, a: int, b: int, bound: int) -> int:
    """Draw an integer in ``range(bound)`` from the seed, without modulo bias and without floats.

    Hashes above the largest multiple of ``bound`` are drawn again under the next counter.
    """
    if not 0 < bound <= _UINT256:
        raise ValueError(f"cannot draw below {bound}")
    limit = _UINT256 - _UINT256 % bound
    counter = 0
    while True:
        number = int.from_bytes(words(tag, seed, a, b, counter), "big")
        if number < limit:
            return number % bound
        counter += 1
