"""Read a GGUF file's header without llama.cpp: whether the file is whole, and what it will need."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, TypeAlias

from inference.errors import DamagedModel

_MAX_ENTRIES = 1_000_000
_MAX_TEXT = 16 * 1024 * 1024
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
# Tensor type to (elements, bytes) of a block, for the types llama.cpp stores.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
}  # fmt: skip

Value: TypeAlias = int | float | bool | str | list["Value"] | None


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The metadata (scalars, texts and short arrays) and how long the file must be."""

    metadata: dict[str, Value]
    needed_bytes: int
    vocabulary: int
    """Rows of the token embedding; 0 if there is none."""

    def whole(self, name: str) -> int | None:
        """A whole number under the architecture's prefix; of an array of them, the largest."""
        value = self.metadata.get(f"{self.metadata.get('general.architecture')}.{name}")
        if isinstance(value, list) and value and all(type(v) is int for v in value):
            return max(v for v in value if isinstance(v, int))
        return value if type(value) is int else None

    def cache_bytes(self, positions: int) -> int:
        """Bytes of F16 keys and values for ``positions`` tokens, 0 if the metadata does not tell.

        An upper bound: as if every layer had the most key heads of any, and a cache.
        """
        layers, heads, width = (
            self.whole("block_count"),
            self.whole("attention.head_count"),
            self.whole("embedding_length"),
        )
        if not layers or not heads or not width:
            return 0
        key_heads = self.whole("attention.head_count_kv") or heads
        key = self.whole("attention.key_length") or width // heads
        value = self.whole("attention.value_length") or width // heads
        return 2 * layers * positions * key_heads * (key + value)


class _Reader:
    """Reads little-endian fields and refuses to run past the end."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def raw(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise self.damaged("it ends inside its header")
        return data

    def number(self, code: str) -> int:
        return int(struct.unpack("<" + code, self.raw(struct.calcsize("<" + code)))[0])

    def count(self, what: str, most: int = _MAX_ENTRIES) -> int:
        value = self.number("Q")
        if value > most:
            raise self.damaged(f"it claims {value} {what}")
        return value

    def text(self) -> str:
        return self.raw(self.count("bytes of text", _MAX_TEXT)).decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> Value:
        if kind in _SCALARS:
            code = _SCALARS[kind]
            found: int | float | bool = struct.unpack("<" + code, self.raw(struct.calcsize("<" + code)))[0]
            return found
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY or depth > 2:
            raise self.damaged(f"it holds a value of unknown type {kind}")
        inner, length = self.number("I"), self.count("array entries")
        if inner in _SCALARS and length > 1024:
            self.raw(length * struct.calcsize("<" + _SCALARS[inner]))
            return None
        values = [self.value(inner, depth + 1) for _ in range(length)]
        return values if length <= 1024 else None

    def damaged(self, why: str) -> DamagedModel:
        return DamagedModel(f"{self._path} is not a whole GGUF file: {why}. Copy or download the file again.")


def read_header(path: Path) -> GgufHeader:
    """Parse the header of ``path`` and check that every tensor lies inside the file. Raises DamagedModel."""
    try:
        with path.open("rb") as file:
            return _read(_Reader(file, path), file, path.stat().st_size)
    except OSError as error:
        raise DamagedModel(
            f"cannot read {path}: {error.strerror}. Check the path and its permissions."
        ) from None
    except (struct.error, RecursionError, OverflowError, MemoryError):
        raise DamagedModel(f"{path} is not a whole GGUF file. Copy or download the file again.") from None


def _read(reader: _Reader, file: BinaryIO, size: int) -> GgufHeader:
    if reader.raw(4) != b"GGUF":
        raise reader.damaged("it does not begin with GGUF")
    version = reader.number("I")
    if version not in (2, 3):
        raise reader.damaged(f"its version is {version}, and only 2 and 3 are known")
    tensors, entries = reader.count("tensors"), reader.count("metadata entries")
    metadata: dict[str, Value] = {}
    for _ in range(entries):
        name = reader.text()
        metadata[name] = reader.value(reader.number("I"))
    furthest = vocabulary = 0
    for _ in range(tensors):
        name = reader.text()
        dimensions = reader.number("I")
        if not 1 <= dimensions <= 4:
            raise reader.damaged(f"tensor {name!r} has {dimensions} dimensions")
        sizes = [reader.number("Q") for _ in range(dimensions)]
        if name == "token_embd.weight":
            vocabulary = sizes[-1]
        elements = prod(sizes)
        kind, offset = reader.number("I"), reader.number("Q")
        block, bytes_each = _BLOCKS.get(kind, (256, 0))
        furthest = max(furthest, offset + elements // block * bytes_each)
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 1 << 20:
        raise reader.damaged("its alignment makes no sense")
    start = -(-file.tell() // alignment) * alignment
    if start + furthest > size:
        raise reader.damaged(f"it has {size} bytes and its tensors need {start + furthest} (truncated)")
    return GgufHeader(metadata, start + furthest, vocabulary)
