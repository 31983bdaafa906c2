"""The fast backend: arkworks (Rust) through py-arkworks-bls12381."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from consensus.bls_backends.encoding import check_g1_form, check_g2_form
from consensus.bls_backends.protocol import Backend


class _ArkworksBackend:
    """See ``protocol.Backend``."""

    def __init__(self) -> None:
        self.name = f"py-arkworks-bls12381 {version('py-arkworks-bls12381')}"
        self._generator = G1Point()
        self._negative_generator = -G1Point()
        self._infinity_g1 = G1Point.identity()
        self._infinity_g2 = G2Point.identity()

    def decode_g1(self, data: bytes) -> G1Point:
        # The library takes several encodings of infinity, so the form is checked before it.
        check_g1_form(data)
        return G1Point.from_compressed_bytes(data)

    def decode_g2(self, data: bytes) -> G2Point:
        check_g2_form(data)
        return G2Point.from_compressed_bytes(data)

    def encode_g1(self, point: G1Point) -> bytes:
        return bytes(point.to_compressed_bytes())

    def encode_g2(self, point: G2Point) -> bytes:
        return bytes(point.to_compressed_bytes())

    def is_infinity_g1(self, point: G1Point) -> bool:
        return point == self._infinity_g1

    def is_infinity_g2(self, point: G2Point) -> bool:
        return point == self._infinity_g2

    def negative_generator(self) -> G1Point:
        return self._negative_generator

    def public_key(self, secret: int) -> G1Point:
        return self._generator * _scalar(secret)

    def multiply_g2(self, point: G2Point, scalar: int) -> G2Point:
        return point * _scalar(scalar)

    def sum_g1(self, points: Sequence[G1Point]) -> G1Point:
        return sum(points, self._infinity_g1)

    def sum_g2(self, points: Sequence[G2Point]) -> G2Point:
        return sum(points, self._infinity_g2)

    def weigh_g1(self, points: Sequence[G1Point], scalars: Sequence[int]) -> G1Point:
        return G1Point.multiexp_unchecked(list(points), [_scalar(scalar) for scalar in scalars])

    def weigh_g2(self, points: Sequence[G2Point], scalars: Sequence[int]) -> G2Point:
        return G2Point.multiexp_unchecked(list(points), [_scalar(scalar) for scalar in scalars])

    def hash_to_g2(self, message: bytes, dst: bytes) -> G2Point:
        return G2Point.hash_to_curve(message, dst)

    def pairings_cancel(self, left: Sequence[G1Point], right: Sequence[G2Point]) -> bool:
        return GT.pairing_check(list(left), list(right))


def _scalar(value: int) -> Scalar:
    return Scalar.from_be_bytes(value.to_bytes(32, "big"))


def load() -> Backend:
    """Return the backend."""
    return _ArkworksBackend()
