"""Takes the decoded fields of a message apart, refusing whatever is not due."""

from __future__ import annotations

from consensus.encoding import CborValue


class WireError(ValueError):
    """The bytes are not a message or an input."""


class UnknownMessage(WireError):
    """A message of a later version or of a kind that is not known here: what it says cannot be judged."""


class Reader:
    """Takes the fields of an array one by one, each of the kind that is due."""

    __slots__ = ("_at", "_fields", "_name")

    def __init__(self, fields: CborValue, name: str) -> None:
        if not isinstance(fields, tuple):
            raise WireError(f"{name} is not an array")
        self._name = name
        self._fields: tuple[CborValue, ...] = fields
        self._at = 0

    def _next(self, name: str) -> CborValue:
        if self._at == len(self._fields):
            raise WireError(f"{self._name} ends before {name}")
        self._at += 1
        return self._fields[self._at - 1]

    def end(self) -> None:
        """Refuse fields that nobody asked for."""
        if self._at < len(self._fields):
            raise WireError(f"{self._name} has {len(self._fields) - self._at} fields too many")

    def integer(self, name: str, low: int, high: int) -> int:
        """Take an integer in a range, both ends included."""
        value = self._next(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise WireError(f"{name} is not an integer from {low} to {high}")
        return value

    def data(self, name: str, low: int, high: int | None = None) -> bytes:
        """Take a byte string of ``low`` to ``high`` bytes, or of exactly ``low``."""
        value = self._next(name)
        most = low if high is None else high
        if not isinstance(value, bytes) or not low <= len(value) <= most:
            raise WireError(f"{name} is not a string of {low} to {most} bytes")
        return value

    def array(self, name: str) -> Reader:
        """Take an array and return a reader of its fields."""
        return Reader(self._next(name), name)

    def optional_array(self, name: str) -> Reader | None:
        """Take an array, or null."""
        value = self._next(name)
        return None if value is None else Reader(value, name)

    def integers(self, name: str, most: int, low: int, high: int) -> tuple[int, ...]:
        """Take an array of 1 to ``most`` integers, each in a range with both ends included."""
        value = self._next(name)
        if not isinstance(value, tuple) or not 1 <= len(value) <= most:
            raise WireError(f"{name} is not an array of 1 to {most}")
        inner = Reader(value, name)
        return tuple(inner.integer(f"{name}[{i}]", low, high) for i in range(len(value)))

    def arrays(self, name: str, most: int) -> list[Reader]:
        """Take an array of arrays."""
        value = self._next(name)
        if not isinstance(value, tuple) or not 1 <= len(value) <= most:
            raise WireError(f"{name} is not an array of 1 to {most}")
        return [Reader(item, name) for item in value]
