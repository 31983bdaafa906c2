"""Encodings that no scheme may take for a key or a signature."""

from __future__ import annotations

from consensus import bls
from consensus.bls_backends import encoding
from tests.unit.consensus.factory import key, secret

MESSAGE = b"\x42" * 32
KEY = key(0)
SIGNATURE = bls.sign(secret(0), MESSAGE)
FIELD_BITS = 381


def shifted(data: bytes) -> bytes | None:
    """The same point written with its first coordinate plus the modulus, if that fits below the flags."""
    value = int.from_bytes(data[:48], "big")
    flags, coordinate = value >> FIELD_BITS, value % 2**FIELD_BITS + encoding.P
    if coordinate >= 2**FIELD_BITS:
        return None
    return (flags << FIELD_BITS | coordinate).to_bytes(48, "big") + data[48:]


# Not canonical, but of a right key and a right signature.
KEY_SHIFTED = next(made for i in range(100) if (made := shifted(key(i))) is not None)
SIGNATURE_SHIFTED = next(
    made for i in range(100) if (made := shifted(bls.sign(secret(i), MESSAGE))) is not None
)

MALFORMED_KEYS = [
    b"",
    KEY[:-1],
    KEY + b"\0",
    SIGNATURE,
    bytes(48),
    b"\xff" * 48,
    b"\x40" + bytes(47),  # infinity, not marked as compressed
    b"\xe0" + bytes(47),  # infinity with a sign
    b"\xc0" + bytes(46) + b"\x01",  # infinity with a coordinate
    bytes([KEY[0] & 0x7F]) + KEY[1:],  # not marked as compressed
    bytes([KEY[0] | 0x40]) + KEY[1:],  # a point marked as infinity
    b"\x9a" + b"\xff" * 47,
    (encoding.P | 0x80 << 376).to_bytes(48, "big"),
    KEY_SHIFTED,
    b"\x80" + bytes(46) + b"\x01",  # no point of the curve
    b"\x80" + bytes(46) + b"\x04",  # outside the subgroup
    b"\xa0" + bytes(46) + b"\x04",
    b"\x80" + bytes(47),  # x = 0: y = 2, of order 3
]
MALFORMED_SIGNATURES = [
    b"",
    SIGNATURE[:-1],
    SIGNATURE + b"\0",
    KEY,
    bytes(96),
    b"\xff" * 96,
    b"\x40" + bytes(95),
    b"\xe0" + bytes(95),
    b"\xc0" + bytes(94) + b"\x01",
    bytes([SIGNATURE[0] & 0x7F]) + SIGNATURE[1:],
    bytes([SIGNATURE[0] | 0x40]) + SIGNATURE[1:],
    SIGNATURE[:48] + encoding.P.to_bytes(48, "big"),
    SIGNATURE[:48] + (int.from_bytes(SIGNATURE[48:], "big") + encoding.P).to_bytes(48, "big"),
    SIGNATURE[:48] + bytes([SIGNATURE[48] | 0x80]) + SIGNATURE[49:],  # flags on the second coordinate
    SIGNATURE_SHIFTED,
    b"\x80" + bytes(94) + b"\x01",  # no point of the curve
    b"\x80" + bytes(94) + b"\x02",  # outside the subgroup
    b"\xa0" + bytes(94) + b"\x02",
    b"\x80" + bytes(95),
]
NO_KEYS = [encoding.INFINITY_G1, *MALFORMED_KEYS]
NO_SIGNATURES = [encoding.INFINITY_G2, *MALFORMED_SIGNATURES]
