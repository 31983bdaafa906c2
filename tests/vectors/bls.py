"""The signature scheme against ethereum/bls12-381-tests: ``python -m tests.vectors.bls PATH``.

PATH is a folder of that repository's JSON layout (``<handler>/<case>.json``), at any level, or one file.

The standard lets the point at infinity be decoded and aggregated; it only never verifies. The node refuses
it outright. Where a vector expects such a point, the backend below must give it and the scheme must refuse.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from consensus import bls
from consensus.bls import BlsScheme
from consensus.bls_backends.encoding import INFINITY_G1, INFINITY_G2, decompress_g2
from consensus.signing import SignatureCheck
from tests.vectors.report import Finding, main

DST_HASH = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_"
REFUSED = "the scheme refuses infinity, the backend agrees with the vector"

Answer = Any
"""A truth value, a string of hex, a dict of coordinates, or None for a refusal."""


def unhex(text: str) -> bytes:
    """Return the bytes of 0x-prefixed hex."""
    return bytes.fromhex(text.removeprefix("0x"))


def tohex(data: bytes) -> str:
    """Return 0x-prefixed hex."""
    return "0x" + data.hex()


class Coefficients:
    """Gives different coefficients at each call, the same in each run: nobody attacks a test vector."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, size: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(b"coefficient %d" % self._calls).digest(size)


def sign(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Sign, or refuse the secret."""
    try:
        secret = bls.SecretKey(unhex(case["privkey"]))
    except bls.BlsError:
        return None
    return tohex(scheme.sign(secret, unhex(case["message"])))


def verify(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Verify one signature."""
    return scheme.verify(unhex(case["pubkey"]), unhex(case["message"]), unhex(case["signature"]))


def aggregate(case: list[str], scheme: BlsScheme) -> Answer:
    """Aggregate signatures, or refuse them."""
    try:
        return tohex(scheme.aggregate([unhex(each) for each in case]))
    except bls.BlsError:
        return None


def fast_aggregate_verify(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Verify an aggregate over one message."""
    keys = [unhex(key) for key in case["pubkeys"]]
    return scheme.fast_aggregate_verify(keys, unhex(case["message"]), unhex(case["signature"]))


def aggregate_verify(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Verify an aggregate over several messages."""
    keys, messages = ([unhex(each) for each in case[name]] for name in ("pubkeys", "messages"))
    return scheme.aggregate_verify(keys, messages, unhex(case["signature"]))


def batch_verify(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Verify a batch of signatures of several messages."""
    columns = [[unhex(each) for each in case[name]] for name in ("pubkeys", "messages", "signatures")]
    if len({len(column) for column in columns}) != 1 or not columns[0]:
        return False
    checks = [SignatureCheck((key,), message, made) for key, message, made in zip(*columns, strict=True)]
    return scheme.find_bad(checks, Coefficients()) == ()


def accepted(check: Callable[[bytes], object], data: bytes) -> bool:
    """Whether a decoder takes the bytes."""
    try:
        check(data)
    except ValueError:
        return False
    return True


def deserialization_g1(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Decode a public key."""
    return accepted(scheme.check_key, unhex(case["pubkey"]))


def deserialization_g2(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Decode a signature."""
    return accepted(scheme.check_signature, unhex(case["signature"]))


def hash_to_g2(case: dict[str, Any], scheme: BlsScheme) -> Answer:
    """Hash to the curve with the RFC's own domain tag."""
    backend = scheme.backend
    x, y = decompress_g2(backend.encode_g2(backend.hash_to_g2(case["msg"].encode(), DST_HASH)))
    return {name: ",".join(f"0x{part:096x}" for part in value) for name, value in (("x", x), ("y", y))}


HANDLERS: dict[str, Callable[[Any, BlsScheme], Answer]] = {
    "sign": sign,
    "verify": verify,
    "aggregate": aggregate,
    "fast_aggregate_verify": fast_aggregate_verify,
    "aggregate_verify": aggregate_verify,
    "batch_verify": batch_verify,
    "deserialization_G1": deserialization_g1,
    "deserialization_G2": deserialization_g2,
    "hash_to_G2": hash_to_g2,
}


def infinity_below(handler: str, case: Any, expected: Answer, scheme: BlsScheme) -> bool:
    """Whether the vector expects infinity, and the backend without the scheme's refusal gives it."""
    backend = scheme.backend
    match handler:
        case "deserialization_G1":
            data = unhex(case["pubkey"])
            return data == INFINITY_G1 and expected is True and accepted(backend.decode_g1, data)
        case "deserialization_G2":
            data = unhex(case["signature"])
            return data == INFINITY_G2 and expected is True and accepted(backend.decode_g2, data)
        case "aggregate" if expected is not None and INFINITY_G2 in map(unhex, case):
            total = backend.sum_g2([backend.decode_g2(unhex(each)) for each in case])
            return tohex(backend.encode_g2(total)) == expected
    return False


def check_file(file: Path, scheme: BlsScheme = bls.SCHEME) -> Finding:
    """Compare one vector."""
    handler = file.parent.name
    name = f"{handler}/{file.name}"
    if handler not in HANDLERS:
        return Finding(name, f"{handler} is no handler of ethereum/bls12-381-tests that is known here")
    vector = json.loads(file.read_text())
    expected = vector["output"]
    found = HANDLERS[handler](vector["input"], scheme)
    if found == expected and type(found) is type(expected):
        return Finding(name, None)
    if found in (None, False) and infinity_below(handler, vector["input"], expected, scheme):
        return Finding(name, None, REFUSED)
    return Finding(name, f"gave {found!r} instead of {expected!r}")


def check(path: Path, scheme: BlsScheme = bls.SCHEME) -> Iterator[Finding]:
    """Compare one file, or every file in a folder and below."""
    for file in [path] if path.is_file() else sorted(path.rglob("*.json")):
        yield check_file(file, scheme)


if __name__ == "__main__":
    sys.exit(main(check))
