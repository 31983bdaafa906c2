"""The fastest backend: blst (C and assembly), as the ``ckzg`` package carries it, through ctypes.

``ckzg`` does not promise that its shared object exports blst. So the package is pinned to one release, every
symbol is looked up and every size compared before anything is called, and what is missing is an
``ImportError``: the choice then falls back to another backend and says so.

Points are affine, as immutable ``bytes`` in blst's own form (infinity is all zero), checked for their length
before each call, so no call reads or writes outside its buffers. Nothing is shared between calls: any
number of threads may use one backend.

ctypes releases the interpreter lock around a call of ``CDLL`` and keeps it in one of ``PyDLL``. The sums and
pairings of a batch (milliseconds) release it. What takes a tenth of a millisecond keeps it: each release is
a chance for a busy thread to take the lock for a whole switch interval, 5 ms.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import ckzg

from consensus.bls_backends.encoding import (
    INFINITY_G1,
    INFINITY_G2,
    KEY_BYTES,
    SIGNATURE_BYTES,
    check_g1_form,
    check_g2_form,
)
from consensus.bls_backends.protocol import CURVE_ORDER, Backend

PACKAGE: Final = "ckzg"
PINNED: Final = "2.1.8"

_G1_AFFINE = 96
_G1_JACOBIAN = 144
_G2_AFFINE = 192
_G2_JACOBIAN = 288
_FP12 = 576
_SCALAR = 32
_ZERO_G1 = bytes(_G1_AFFINE)
_ZERO_G2 = bytes(_G2_AFFINE)

_SIZES = {
    "blst_p1_affine_sizeof": _G1_AFFINE,
    "blst_p1_sizeof": _G1_JACOBIAN,
    "blst_p2_affine_sizeof": _G2_AFFINE,
    "blst_p2_sizeof": _G2_JACOBIAN,
    "blst_fp12_sizeof": _FP12,
}

# c_char_p takes bytes and character arrays, and no integer: a number never becomes an address.
_BYTES = ctypes.c_char_p
_MANY = ctypes.POINTER(ctypes.c_char_p)
_SIZE = ctypes.c_size_t


class _Group:
    """One of the two groups: its sizes, and blst's functions for it."""

    def __init__(self, short: ctypes.PyDLL, long: ctypes.CDLL, number: int) -> None:
        self.affine_size = _G1_AFFINE if number == 1 else _G2_AFFINE
        self.jacobian_size = _G1_JACOBIAN if number == 1 else _G2_JACOBIAN
        self.compressed_size = KEY_BYTES if number == 1 else SIGNATURE_BYTES
        self.zero = bytes(self.affine_size)
        p = f"blst_p{number}"
        self.uncompress = _function(short, f"{p}_uncompress", ctypes.c_int, _BYTES, _BYTES)
        self.compress = _function(short, f"{p}_affine_compress", None, _BYTES, _BYTES)
        self.in_subgroup = _function(short, f"{p}_affine_in_g{number}", ctypes.c_bool, _BYTES)
        self.to_affine = _function(short, f"{p}_to_affine", None, _BYTES, _BYTES)
        self.from_affine = _function(short, f"{p}_from_affine", None, _BYTES, _BYTES)
        self.multiply = _function(short, f"{p}_mult", None, _BYTES, _BYTES, _BYTES, _SIZE)
        self.add_all = _function(short, f"{p}s_add", None, _BYTES, _MANY, _SIZE)
        pippenger = f"{p}s_mult_pippenger"
        self.scratch_size = _function(short, f"{pippenger}_scratch_sizeof", _SIZE, _SIZE)
        self.weigh_all = _function(long, pippenger, None, _BYTES, _MANY, _SIZE, _MANY, _SIZE, _BYTES)

    def decode(self, data: bytes) -> bytes:
        """Return the point of a canonical encoding that is not infinity's."""
        point = ctypes.create_string_buffer(self.affine_size)
        if self.uncompress(point, data) != 0:
            raise ValueError("the point is not on the curve")
        if not self.in_subgroup(point):
            raise ValueError("the point is not in the subgroup")
        return point.raw

    def encode(self, point: bytes) -> bytes:
        """Compress a point."""
        data = ctypes.create_string_buffer(self.compressed_size)
        self.compress(data, self._one(point))
        return data.raw

    def normal(self, jacobian: ctypes.Array[ctypes.c_char]) -> bytes:
        """Return the affine form of what blst computed."""
        point = ctypes.create_string_buffer(self.affine_size)
        self.to_affine(point, jacobian)
        return point.raw

    def jacobian(self, point: bytes) -> ctypes.Array[ctypes.c_char]:
        """Return a point in the form that blst's arithmetic takes."""
        made = self.room()
        self.from_affine(made, self._one(point))
        return made

    def room(self) -> ctypes.Array[ctypes.c_char]:
        """Return room for a Jacobian point."""
        return ctypes.create_string_buffer(self.jacobian_size)

    def add(self, points: Sequence[bytes]) -> bytes:
        """Add up points."""
        finite = [point for point in points if self._one(point) != self.zero]
        if len(finite) < 2:
            return finite[0] if finite else self.zero
        total = self.room()
        self.add_all(total, _pointers(finite), len(finite))
        return self.normal(total)

    def weigh(self, points: Sequence[bytes], scalars: Sequence[int]) -> bytes:
        """Add up points times public scalars."""
        pairs = [(p, s) for p, s in zip(points, scalars, strict=True) if self._one(p) != self.zero and s]
        if not pairs:
            return self.zero
        if not all(0 < scalar < CURVE_ORDER for _, scalar in pairs):
            raise ValueError("a scalar is not of the field")
        size = (max(scalar.bit_length() for _, scalar in pairs) + 7) // 8
        weights = [scalar.to_bytes(size, "little") for _, scalar in pairs]
        total = self.room()
        if len(pairs) == 1:
            self.multiply(total, self.jacobian(pairs[0][0]), weights[0], 8 * size)
        else:
            count = len(pairs)
            scratch = ctypes.create_string_buffer(self.scratch_size(count))
            finite = _pointers([point for point, _ in pairs])
            self.weigh_all(total, finite, count, _pointers(weights), 8 * size, scratch)
        return self.normal(total)

    def _one(self, point: bytes) -> bytes:
        if len(point) != self.affine_size:
            raise ValueError(f"a point has {self.affine_size} bytes here, not {len(point)}")
        return point


class _BlstBackend:
    """See ``protocol.Backend``."""

    def __init__(self, path: str) -> None:
        """Raise ``OSError`` or ``AttributeError`` where the library or one of its functions is missing."""
        short, long = ctypes.PyDLL(path), ctypes.CDLL(path)
        for name, size in _SIZES.items():
            found = _function(short, name, _SIZE)()
            if found != size:
                raise ImportError(f"{name} is {found} bytes in this build of {PACKAGE}, not {size}")
        self.name = f"blst in {PACKAGE} {version(PACKAGE)}"
        self._g1 = _Group(short, long, 1)
        self._g2 = _Group(short, long, 2)
        self._public_key = _function(short, "blst_sk_to_pk_in_g1", None, _BYTES, _BYTES)
        self._sign = _function(short, "blst_sign_pk_in_g1", None, _BYTES, _BYTES, _BYTES)
        hashed = (_BYTES, _BYTES, _SIZE, _BYTES, _SIZE, _BYTES, _SIZE)
        self._hash = _function(short, "blst_hash_to_g2", None, *hashed)
        self._miller_loops = _function(long, "blst_miller_loop_n", None, _BYTES, _MANY, _MANY, _SIZE)
        self._final_power = _function(long, "blst_final_exp", None, _BYTES, _BYTES)
        self._is_one = _function(short, "blst_fp12_is_one", ctypes.c_bool, _BYTES)
        self._negative_generator = self.public_key(CURVE_ORDER - 1)

    def decode_g1(self, data: bytes) -> bytes:
        check_g1_form(data)  # also its length
        return _ZERO_G1 if data == INFINITY_G1 else self._g1.decode(data)

    def decode_g2(self, data: bytes) -> bytes:
        check_g2_form(data)
        return _ZERO_G2 if data == INFINITY_G2 else self._g2.decode(data)

    def encode_g1(self, point: bytes) -> bytes:
        return self._g1.encode(point)

    def encode_g2(self, point: bytes) -> bytes:
        return self._g2.encode(point)

    def is_infinity_g1(self, point: bytes) -> bool:
        return point == _ZERO_G1

    def is_infinity_g2(self, point: bytes) -> bool:
        return point == _ZERO_G2

    def negative_generator(self) -> bytes:
        return self._negative_generator

    def public_key(self, secret: int) -> bytes:
        key = self._g1.room()
        self._public_key(key, _scalar(secret))
        return self._g1.normal(key)

    def multiply_g2(self, point: bytes, scalar: int) -> bytes:
        product = self._g2.room()
        # The function that signs: it takes the same time for every scalar.
        self._sign(product, self._g2.jacobian(point), _scalar(scalar))
        return self._g2.normal(product)

    def sum_g1(self, points: Sequence[bytes]) -> bytes:
        return self._g1.add(points)

    def sum_g2(self, points: Sequence[bytes]) -> bytes:
        return self._g2.add(points)

    def weigh_g1(self, points: Sequence[bytes], scalars: Sequence[int]) -> bytes:
        return self._g1.weigh(points, scalars)

    def weigh_g2(self, points: Sequence[bytes], scalars: Sequence[int]) -> bytes:
        return self._g2.weigh(points, scalars)

    def hash_to_g2(self, message: bytes, dst: bytes) -> bytes:
        point = self._g2.room()
        self._hash(point, message, len(message), dst, len(dst), None, 0)
        return self._g2.normal(point)

    def pairings_cancel(self, left: Sequence[bytes], right: Sequence[bytes]) -> bool:
        if any(len(p) != _G1_AFFINE for p in left) or any(len(q) != _G2_AFFINE for q in right):
            raise ValueError("points of the wrong group or of another backend")
        # A pairing with infinity is one.
        pairs = [(p, q) for p, q in zip(left, right, strict=True) if p != _ZERO_G1 and q != _ZERO_G2]
        if not pairs:
            return True
        product = ctypes.create_string_buffer(_FP12)
        in_g1, in_g2 = _pointers([p for p, _ in pairs]), _pointers([q for _, q in pairs])
        self._miller_loops(product, in_g2, in_g1, len(pairs))
        result = ctypes.create_string_buffer(_FP12)
        self._final_power(result, product)
        return bool(self._is_one(result))


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


def _pointers(items: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    """Return an array of pointers. It keeps the bytes alive; blst takes one pointer for each item."""
    return (ctypes.c_char_p * len(items))(*items)


def _scalar(value: int) -> bytes:
    if not 0 <= value < CURVE_ORDER:
        raise ValueError("the scalar is not of the field")
    return value.to_bytes(_SCALAR, "little")


def load() -> Backend:
    """Return the backend; raises ``ImportError`` unless the pinned package is there with all of blst."""
    found = version(PACKAGE)
    if found != PINNED:
        raise ImportError(f"{PACKAGE} {found} is installed, {PINNED} is the one whose blst is known")
    try:
        return _BlstBackend(ckzg.__file__)
    except (OSError, AttributeError) as error:
        raise ImportError(f"{PACKAGE} {found} does not offer blst on this machine: {error}") from error
