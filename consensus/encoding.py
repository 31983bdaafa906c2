"""Deterministic CBOR (RFC 8949, section 4.2.1), of which consensus needs a part, decoded strictly.

The part: null, booleans, 64-bit integers, byte strings, UTF-8 text, arrays, and maps with integer, byte or
text keys. One value has one encoding, and only that one is accepted: no indefinite length, no integer or
length longer than needed, no unsorted or repeated map key, no float, tag or other simple value, nothing
after the end. Every length is held against the bytes that are there before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

MAX_DEPTH = 12
"""Arrays and maps inside each other. Bounds the decoder's recursion."""

CborValue: TypeAlias = (
    "None | bool | int | bytes | str | Sequence[CborValue] | Mapping[int | bytes | str, CborValue]"
)

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL = 20, 21, 22
_KINDS = ("unsigned", "negative", "byte string", "text", "array", "map", "tag", "simple value or float")


class EncodingError(ValueError):
    """The value has no encoding here, or the bytes are not the one encoding of a value."""


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise EncodingError("an integer or length does not fit 64 bits")


def encode(value: CborValue) -> bytes:
    """Return the one encoding of a value; raises ``EncodingError`` for what has none."""
    out = bytearray()
    _encode(value, out, 0)
    return bytes(out)


def _encode(value: CborValue, out: bytearray, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise EncodingError(f"more than {MAX_DEPTH} arrays or maps inside each other")
    match value:
        case None:
            out += _head(_SIMPLE, _NULL)
        case bool():
            out += _head(_SIMPLE, _TRUE if value else _FALSE)
        case int():
            out += _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case bytes():
            out += _head(_BYTES, len(value)) + value
        case str():
            try:
                text = value.encode()
            except UnicodeEncodeError as error:
                raise EncodingError("the text is not Unicode") from error
            out += _head(_TEXT, len(text)) + text
        case list() | tuple():
            out += _head(_ARRAY, len(value))
            for item in value:
                _encode(item, out, depth + 1)
        case dict():
            out += _head(_MAP, len(value))
            for key, item in sorted((_encode_key(key), item) for key, item in value.items()):
                out += key
                _encode(item, out, depth + 1)
        case _:
            raise EncodingError(f"{type(value).__name__} has no encoding")


def _encode_key(key: int | bytes | str) -> bytes:
    if isinstance(key, bool) or not isinstance(key, int | bytes | str):
        raise EncodingError(f"{type(key).__name__} is no map key")
    return encode(key)


def decode(data: bytes, max_bytes: int) -> CborValue:
    """Return the value of which ``data`` is the one encoding.

    Arrays come back as tuples and maps as dicts. Raises ``EncodingError``, and nothing else, on anything
    longer than ``max_bytes`` and on any other bytes.
    """
    if len(data) > max_bytes:
        raise EncodingError(f"{len(data)} bytes are more than the {max_bytes} allowed")
    decoder = _Decoder(data)
    value = decoder.item(0)
    if decoder.at != len(data):
        raise EncodingError(f"{len(data) - decoder.at} bytes after the end")
    return value


class _Decoder:
    """A cursor over the bytes."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes, never allocating for ones that are not there."""
        if size > len(self.data) - self.at:
            raise EncodingError(f"{size} bytes announced, {len(self.data) - self.at} left")
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece

    def head(self) -> tuple[int, int]:
        """Read a major type and its argument in the shortest form."""
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if major in (_TAG, _SIMPLE) and first not in (0xE0 | _FALSE, 0xE0 | _TRUE, 0xE0 | _NULL):
            raise EncodingError(f"a {_KINDS[major]} is not allowed")
        if info < 24:
            return major, info
        if info > 27:
            raise EncodingError("an indefinite length" if info == 31 else "a reserved length")
        size = 1 << info - 24
        argument = int.from_bytes(self.take(size), "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise EncodingError("an integer or length is longer than needed")
        return major, argument

    def item(self, depth: int) -> CborValue:
        """Read one value."""
        if depth > MAX_DEPTH:
            raise EncodingError(f"more than {MAX_DEPTH} arrays or maps inside each other")
        major, argument = self.head()
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self.take(argument)
            case 3:
                return self.text(argument)
            case 4:
                self.expect(argument)
                return tuple(self.item(depth + 1) for _ in range(argument))
            case 5:
                return self.map(argument, depth)
            case _:
                return None if argument == _NULL else argument == _TRUE

    def expect(self, items: int) -> None:
        """Refuse a count of items that cannot follow: each takes a byte at least."""
        if items > len(self.data) - self.at:
            raise EncodingError(f"{items} items announced, {len(self.data) - self.at} bytes left")

    def text(self, size: int) -> str:
        """Read UTF-8."""
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise EncodingError("a text is not UTF-8") from error

    def map(self, pairs: int, depth: int) -> dict[int | bytes | str, CborValue]:
        """Read a map, whose encoded keys must ascend."""
        self.expect(2 * pairs)
        found: dict[int | bytes | str, CborValue] = {}
        last = b""
        for _ in range(pairs):
            start = self.at
            key = self.item(MAX_DEPTH)  # a key holds no further items
            if isinstance(key, bool) or not isinstance(key, int | bytes | str):
                raise EncodingError("a map key is not an integer, a byte string or a text")
            encoded = self.data[start : self.at]
            if encoded <= last:
                raise EncodingError("map keys are repeated or not in ascending order")
            last = encoded
            found[key] = self.item(depth + 1)
        return found
