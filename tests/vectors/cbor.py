"""The CBOR codec against RFC 8949's appendix A: ``python -m tests.vectors.cbor PATH`` (a file or folder).

The codec covers a part of CBOR. A vector in that part which is marked as round-tripping must decode to its
value and encode to its bytes. Every other vector (longer than needed, indefinite, or of a kind that
consensus has no use for) must be refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2

from consensus.encoding import CborValue, EncodingError, decode, encode
from tests.vectors.report import Finding, main

LIMIT = 1 << 16
WHY = {
    "cut": "floats, tags and simple values other than true, false and null are no part of the codec",
    "form": "not the preferred encoding",
}


def covered(value: object) -> bool:
    """Whether the codec has this kind of value at all."""
    if value is None or isinstance(value, bool | str | bytes):
        return True
    if isinstance(value, int):
        return -(2**64) <= value < 2**64
    if isinstance(value, list):
        return all(map(covered, value))
    return isinstance(value, dict) and all(covered(k) and covered(v) for k, v in value.items())


def frozen(value: Any) -> CborValue:
    """Return the value with arrays as tuples, as the codec gives them."""
    if isinstance(value, list):
        return tuple(map(frozen, value))
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return value


def check_vector(vector: dict[str, Any]) -> Finding:
    """Compare one vector."""
    name, data = vector["hex"], bytes.fromhex(vector["hex"])
    expected = expected_value(vector, data)
    try:
        found = decode(data, LIMIT)
    except EncodingError as error:
        if vector["roundtrip"] and covered(expected):
            return Finding(name, f"refused: {error}")
        return Finding(name, None, f"refused: {WHY['cut' if vector['roundtrip'] else 'form']}")
    if not (vector["roundtrip"] and covered(expected)):
        return Finding(name, f"decoded to {found!r}, but is to be refused")
    if found != frozen(expected) or type(found) is not type(frozen(expected)):
        return Finding(name, f"decoded to {found!r} instead of {expected!r}")
    if encode(found) != data:
        return Finding(name, f"encoded to {encode(found).hex()}")
    return Finding(name, None)


def expected_value(vector: dict[str, Any], data: bytes) -> Any:
    """Return what a vector stands for: as it says, or (bytes, integer keys) as another library reads it."""
    if "decoded" in vector:
        return vector["decoded"]
    try:
        return cbor2.loads(data)
    except cbor2.CBORDecodeError:
        return ...  # not even that library has it


def check(path: Path) -> Iterator[Finding]:
    """Compare all vectors of a file, or of every file in a folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    for file in files:
        for vector in json.loads(file.read_text()):
            finding = check_vector(vector)
            yield Finding(f"{file.name} {finding.name}", finding.difference, finding.note)


if __name__ == "__main__":
    sys.exit(main(check))
