"""What a decoder promises.

It returns, or raises one of its named errors, and nothing else; it takes no longer than its input's size
explains; where an encoding is canonical, what it accepts encodes to the same bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One decoder."""

    name: str
    decode: Callable[[bytes], object]
    errors: tuple[type[BaseException], ...]
    samples: tuple[bytes, ...]
    encode: Callable[[object], bytes] | None = None
    """The way back, where the encoding is the only one."""


class Broken(AssertionError):
    """A decoder broke its promise."""


def check(target: Target, data: bytes) -> bool:
    """Whether the input was accepted. Raises Broken."""
    try:
        value = target.decode(data)
    except target.errors:
        return False
    except BaseException as error:
        raise Broken(f"{target.name}: {type(error).__name__}: {error} on {data[:200].hex()}") from error
    if target.encode is not None:
        with contextlib.suppress(Exception):
            if target.encode(value) == data:
                return True
        raise Broken(f"{target.name}: a second encoding is accepted: {data[:200].hex()}")
    return True
