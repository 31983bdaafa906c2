"""Encodings of BLS12-381 points, in integers: the compressed form (Zcash's) and coordinates.

No backend is asked: this is the project's own check that an encoding is canonical, and how the compressed
form and the one of the EVM precompiles (EIP-2537) turn into each other. Subgroups are not checked here.
"""

from __future__ import annotations

from typing import TypeAlias

P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
KEY_BYTES = 48
SIGNATURE_BYTES = 96
FIELD_BYTES = 48
EVM_FIELD_BYTES = 64
INFINITY_G1 = b"\xc0" + bytes(KEY_BYTES - 1)
INFINITY_G2 = b"\xc0" + bytes(SIGNATURE_BYTES - 1)

_COMPRESSED = 0x80
_INFINITY = 0x40
_LARGER_Y = 0x20
_FLAGS = _COMPRESSED | _INFINITY | _LARGER_Y
_B = 4  # G1: y^2 = x^3 + 4; G2: y^2 = x^3 + 4 (1 + i)

Fp2: TypeAlias = tuple[int, int]
"""c0 + c1 * i."""


def _check_form(data: bytes, size: int, infinity: bytes) -> None:
    if len(data) != size:
        raise ValueError(f"a compressed point has {size} bytes here, not {len(data)}")
    flags = data[0] & _FLAGS
    if not flags & _COMPRESSED:
        raise ValueError("the point is not marked as compressed")
    if flags & _INFINITY:
        if data != infinity:
            raise ValueError("the encoding of infinity is not the canonical one")
        return
    _field(bytes([data[0] & ~_FLAGS]) + data[1:FIELD_BYTES])
    if size == SIGNATURE_BYTES:
        _field(data[FIELD_BYTES:])


def check_g1_form(data: bytes) -> None:
    """Raise ``ValueError`` unless length, flags and field elements are canonical."""
    _check_form(data, KEY_BYTES, INFINITY_G1)


def check_g2_form(data: bytes) -> None:
    """Raise ``ValueError`` unless length, flags and field elements are canonical."""
    _check_form(data, SIGNATURE_BYTES, INFINITY_G2)


def _field(data: bytes) -> int:
    value = int.from_bytes(data, "big")
    if value >= P:
        raise ValueError("a coordinate is not below the field's modulus")
    return value


def _sqrt(value: int) -> int | None:
    root = pow(value, (P + 1) // 4, P)  # P = 3 mod 4
    return root if root * root % P == value % P else None


def _mul2(a: Fp2, b: Fp2) -> Fp2:
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def _sqrt2(value: Fp2) -> Fp2 | None:
    """Square root in Fp2 by the norm: (x + yi)^2 = a + bi with x^2 = (a +- sqrt(a^2 + b^2)) / 2."""
    a, b = value
    if b == 0:
        root = _sqrt(a)
        if root is not None:
            return root, 0
        root = _sqrt(-a % P)  # -1 is no square, so exactly one of a and -a is one
        return None if root is None else (0, root)
    norm = _sqrt((a * a + b * b) % P)
    if norm is None:
        return None
    half = pow(2, -1, P)
    x = _sqrt((a + norm) * half % P)
    if x is None:
        x = _sqrt((a - norm) * half % P)
    if x is None:
        return None
    return x, b * half * pow(x, -1, P) % P


def _curve_g1(x: int) -> int:
    return (x * x * x + _B) % P


def _curve_g2(x: Fp2) -> Fp2:
    cube = _mul2(_mul2(x, x), x)
    return (cube[0] + _B) % P, (cube[1] + _B) % P


def _larger_g1(y: int) -> bool:
    return y > (P - 1) // 2


def _larger_g2(y: Fp2) -> bool:
    return _larger_g1(y[1]) if y[1] else _larger_g1(y[0])


def _x_and_sign(data: bytes) -> tuple[bytes, bool]:
    if data[0] & _INFINITY:
        raise ValueError("the point at infinity has no coordinates")
    return bytes([data[0] & ~_FLAGS]) + data[1:], bool(data[0] & _LARGER_Y)


def decompress_g1(data: bytes) -> tuple[int, int]:
    """Return (x, y) of a compressed G1 point on the curve."""
    check_g1_form(data)
    raw, larger = _x_and_sign(data)
    x = _field(raw)
    y = _sqrt(_curve_g1(x))
    if y is None:
        raise ValueError("the point is not on the curve")
    return x, y if _larger_g1(y) == larger else P - y


def decompress_g2(data: bytes) -> tuple[Fp2, Fp2]:
    """Return (x, y) of a compressed G2 point on the curve. The compressed form holds c1 before c0."""
    check_g2_form(data)
    raw, larger = _x_and_sign(data)
    x = (_field(raw[FIELD_BYTES:]), _field(raw[:FIELD_BYTES]))
    y = _sqrt2(_curve_g2(x))
    if y is None:
        raise ValueError("the point is not on the curve")
    return x, y if _larger_g2(y) == larger else (-y[0] % P, -y[1] % P)


def compress_g1(x: int, y: int) -> bytes:
    """Compress a finite point; raises ``ValueError`` if it is not on the curve."""
    if not (0 <= x < P and 0 <= y < P) or y * y % P != _curve_g1(x):
        raise ValueError("the point is not on the curve")
    data = bytearray(x.to_bytes(FIELD_BYTES, "big"))
    data[0] |= _COMPRESSED | (_LARGER_Y if _larger_g1(y) else 0)
    return bytes(data)


def compress_g2(x: Fp2, y: Fp2) -> bytes:
    """Compress a finite point; raises ``ValueError`` if it is not on the curve."""
    if not all(0 <= c < P for c in (*x, *y)) or _mul2(y, y) != _curve_g2(x):
        raise ValueError("the point is not on the curve")
    data = bytearray(x[1].to_bytes(FIELD_BYTES, "big") + x[0].to_bytes(FIELD_BYTES, "big"))
    data[0] |= _COMPRESSED | (_LARGER_Y if _larger_g2(y) else 0)
    return bytes(data)


def to_evm(*coordinates: int) -> bytes:
    """Write field elements as the precompiles take them: 64 bytes each, G2 with c0 before c1."""
    return b"".join(value.to_bytes(EVM_FIELD_BYTES, "big") for value in coordinates)


def from_evm(data: bytes, count: int) -> tuple[int, ...]:
    """Read field elements of 64 bytes each; raises ``ValueError`` on a wrong length or a value >= P."""
    if len(data) != count * EVM_FIELD_BYTES:
        raise ValueError(f"{count} EVM field elements have {count * EVM_FIELD_BYTES} bytes, not {len(data)}")
    return tuple(_field(data[at : at + EVM_FIELD_BYTES]) for at in range(0, len(data), EVM_FIELD_BYTES))
