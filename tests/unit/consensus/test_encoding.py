"""One value, one encoding: what is written can be read, and nothing else can."""

from __future__ import annotations

import tracemalloc

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consensus.encoding import MAX_DEPTH, CborValue, EncodingError, decode, encode

KEYS = st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | KEYS,
    lambda inner: st.lists(inner, max_size=30).map(tuple) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=40,
)
LIMIT = 1 << 20


@given(VALUES)
def test_values_turn_back(value: CborValue) -> None:
    assert decode(encode(value), LIMIT) == value


@given(VALUES)
def test_another_implementation_writes_and_reads_the_same(value: CborValue) -> None:
    assert cbor2.loads(encode(value)) == cbor2.loads(cbor2.dumps(value))
    # cbor2's canonical form is RFC 7049's, which differs in the order of map keys only.
    if not has_map(value):
        assert encode(value) == cbor2.dumps(value, canonical=True)


def has_map(value: CborValue) -> bool:
    return isinstance(value, dict) or (isinstance(value, tuple) and any(map(has_map, value)))


@settings(max_examples=500)
@given(st.binary(max_size=60))
@example(b"\x9f\xff")
def test_bytes_are_refused_or_are_the_one_encoding(data: bytes) -> None:
    try:
        value = decode(data, LIMIT)
    except EncodingError:
        return
    assert encode(value) == data


@settings(max_examples=300)
@given(VALUES, st.data())
def test_damaged_encodings_are_refused_or_are_the_one_encoding(value: CborValue, data: st.DataObject) -> None:
    damaged = bytearray(encode(value))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(damaged), LIMIT)
    except EncodingError:
        return
    assert encode(other) == damaged


REFUSED = {
    "nothing": "",
    "bytes after the end": "0000",
    "one byte where none is needed": "1817",
    "two bytes where one is enough": "1900ff",
    "four bytes where two are enough": "1a0000ffff",
    "eight bytes where four are enough": "1b00000000ffffffff",
    "a long length": "580161",
    "a long negative": "3800",
    "a long array": "980100",
    "a reserved length": "1c",
    "indefinite bytes": "5f4100ff",
    "indefinite text": "7f6161ff",
    "indefinite array": "9fff",
    "indefinite map": "bfff",
    "a lone break": "ff",
    "repeated keys": "a201000100",
    "keys out of order": "a202000100",
    "text before number": "a261610001f4",
    "an array as key": "a18000",
    "a map as key": "a1a000",
    "null as key": "a1f600",
    "true as key": "a1f500",
    "half float": "f93c00",
    "single float": "fa47c35000",
    "double float": "fb3ff199999999999a",
    "undefined": "f7",
    "simple": "f0",
    "simple with a byte": "f8ff",
    "false with a byte": "f814",
    "tag": "c100",
    "bignum": "c249010000000000000000",
    "broken text": "61ff",
    "surrogates": "63eda080",
    "cut head": "19ff",
    "cut bytes": "4461",
    "cut array": "8301",
    "cut map": "a101",
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_forms_are_refused(name: str) -> None:
    with pytest.raises(EncodingError):
        decode(bytes.fromhex(REFUSED[name]), LIMIT)


@pytest.mark.parametrize("head", ["5b", "7b", "9b", "bb"])
@pytest.mark.parametrize("announced", [2**40, 2**62, 2**64 - 1])
def test_announced_lengths_allocate_nothing(head: str, announced: int) -> None:
    data = bytes.fromhex(head) + announced.to_bytes(8, "big") + bytes(1000)
    tracemalloc.start()
    with pytest.raises(EncodingError, match="announced"):
        decode(data, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_depth_is_bounded() -> None:
    nested: CborValue = 0
    for _ in range(MAX_DEPTH):
        nested = (nested,)
    assert decode(encode(nested), LIMIT) == nested
    with pytest.raises(EncodingError, match="inside each other"):
        encode((nested,))
    for opening in (b"\x81", b"\xa1\x00"):
        with pytest.raises(EncodingError, match="inside each other"):
            decode(opening * 100_000 + b"\x00", LIMIT)


def test_size_is_bounded() -> None:
    assert decode(encode(bytes(97)), 99) == bytes(97)
    with pytest.raises(EncodingError, match="more than the 99 allowed"):
        decode(encode(bytes(98)), 99)


@pytest.mark.parametrize(
    "value", [1.5, 2**64, -(2**64) - 1, "\ud800", {1, 2}, {True: 1}, {(): 1}, object(), bytearray(b"x")]
)
def test_what_has_no_encoding_is_refused(value: object) -> None:
    with pytest.raises(EncodingError):
        encode(value)
