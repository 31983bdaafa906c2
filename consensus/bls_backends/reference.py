"""The reference backend: py-ecc, pure Python, about two hundred times slower."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from eth_typing import BLSPubkey, BLSSignature
from py_ecc.bls.g2_primitives import (
    G1_to_pubkey,
    G2_to_signature,
    pubkey_to_G1,
    signature_to_G2,
    subgroup_check,
)
from py_ecc.bls.hash_to_curve import hash_to_G2
from py_ecc.fields import optimized_bls12_381_FQ12 as FQ12
from py_ecc.optimized_bls12_381.optimized_curve import G1, Z1, Z2, add, is_inf, multiply, neg
from py_ecc.optimized_bls12_381.optimized_pairing import final_exponentiate, pairing

from consensus.bls_backends.encoding import check_g1_form, check_g2_form
from consensus.bls_backends.protocol import Backend

# py-ecc wants the constructor and annotates a digest.
_SHA256: Any = hashlib.sha256


class _ReferenceBackend:
    """See ``protocol.Backend``."""

    def __init__(self) -> None:
        self.name = f"py-ecc {version('py-ecc')}"

    def decode_g1(self, data: bytes) -> Any:
        check_g1_form(data)
        return _in_subgroup(pubkey_to_G1(BLSPubkey(data)))

    def decode_g2(self, data: bytes) -> Any:
        check_g2_form(data)
        return _in_subgroup(signature_to_G2(BLSSignature(data)))

    def encode_g1(self, point: Any) -> bytes:
        return bytes(G1_to_pubkey(point))

    def encode_g2(self, point: Any) -> bytes:
        return bytes(G2_to_signature(point))

    def is_infinity_g1(self, point: Any) -> bool:
        return bool(is_inf(point))

    def is_infinity_g2(self, point: Any) -> bool:
        return bool(is_inf(point))

    def negative_generator(self) -> Any:
        return neg(G1)

    def public_key(self, secret: int) -> Any:
        return multiply(G1, secret)

    def multiply_g2(self, point: Any, scalar: int) -> Any:
        return multiply(point, scalar)

    def sum_g1(self, points: Sequence[Any]) -> Any:
        return _sum(points, Z1)

    def sum_g2(self, points: Sequence[Any]) -> Any:
        return _sum(points, Z2)

    def weigh_g1(self, points: Sequence[Any], scalars: Sequence[int]) -> Any:
        return _sum([multiply(p, s) for p, s in zip(points, scalars, strict=True)], Z1)

    def weigh_g2(self, points: Sequence[Any], scalars: Sequence[int]) -> Any:
        return _sum([multiply(p, s) for p, s in zip(points, scalars, strict=True)], Z2)

    def hash_to_g2(self, message: bytes, dst: bytes) -> Any:
        return hash_to_G2(message, dst, _SHA256)

    def pairings_cancel(self, left: Sequence[Any], right: Sequence[Any]) -> bool:
        product = FQ12.one()
        for in_g1, in_g2 in zip(left, right, strict=True):
            product = product * pairing(in_g2, in_g1, final_exponentiate=False)
        return bool(final_exponentiate(product) == FQ12.one())


def _in_subgroup(point: Any) -> Any:
    if not subgroup_check(point):
        raise ValueError("the point is not in the subgroup")
    return point


def _sum(points: Sequence[Any], zero: Any) -> Any:
    total = zero
    for point in points:
        total = add(total, point)
    return total


def load() -> Backend:
    """Return the backend."""
    return _ReferenceBackend()
