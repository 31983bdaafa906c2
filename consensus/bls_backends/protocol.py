"""What a backend has to offer. Points are opaque: they only ever go back into the backend they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

G1: TypeAlias = Any
G2: TypeAlias = Any

CURVE_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


class Backend(Protocol):
    """Group arithmetic. Decoding raises ``ValueError`` on anything but a canonical point of the subgroup.

    The canonical encoding of infinity decodes; who wants no infinity asks ``is_infinity_*``.
    """

    @property
    def name(self) -> str:
        """The library's name and version."""
        ...

    def decode_g1(self, data: bytes) -> G1:
        """Decode 48 compressed bytes: canonical, on the curve, in the subgroup."""
        ...

    def decode_g2(self, data: bytes) -> G2:
        """Decode 96 compressed bytes: canonical, on the curve, in the subgroup."""
        ...

    def encode_g1(self, point: G1) -> bytes:
        """Compress to 48 bytes."""
        ...

    def encode_g2(self, point: G2) -> bytes:
        """Compress to 96 bytes."""
        ...

    def is_infinity_g1(self, point: G1) -> bool:
        """Whether the point is the neutral element."""
        ...

    def is_infinity_g2(self, point: G2) -> bool:
        """Whether the point is the neutral element."""
        ...

    def negative_generator(self) -> G1:
        """Return the negated generator of G1."""
        ...

    def public_key(self, secret: int) -> G1:
        """Multiply the generator of G1 by a scalar of the field."""
        ...

    def multiply_g2(self, point: G2, scalar: int) -> G2:
        """Multiply a point by a scalar of the field."""
        ...

    def sum_g1(self, points: Sequence[G1]) -> G1:
        """Add up points; none give infinity."""
        ...

    def sum_g2(self, points: Sequence[G2]) -> G2:
        """Add up points; none give infinity."""
        ...

    def weigh_g1(self, points: Sequence[G1], scalars: Sequence[int]) -> G1:
        """Add up points times scalars (public ones: this need not run in constant time)."""
        ...

    def weigh_g2(self, points: Sequence[G2], scalars: Sequence[int]) -> G2:
        """Add up points times scalars (public ones: this need not run in constant time)."""
        ...

    def hash_to_g2(self, message: bytes, dst: bytes) -> G2:
        """Hash to the curve (RFC 9380, SHA-256, SSWU, random oracle)."""
        ...

    def pairings_cancel(self, left: Sequence[G1], right: Sequence[G2]) -> bool:
        """Whether the product of the pairings of both lists is one."""
        ...
