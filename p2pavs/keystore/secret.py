"""Secret bytes that do not slip out."""

from __future__ import annotations

import hmac
import secrets
from typing import NoReturn

SECRET_BYTES = 32
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Secret:
    """Bytes that never print themselves. ``reveal`` is the only way to them."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def reveal(self) -> bytes:
        """Return the secret bytes."""
        return self._data

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._data, other._data)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def random_scalar(order: int) -> Secret:
    """Return a random number from 1 to ``order`` - 1, as 32 bytes."""
    return Secret((secrets.randbelow(order - 1) + 1).to_bytes(SECRET_BYTES, "big"))
