"""Signed peer records: one encoding, one signer, bounded."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from p2pavs.network.addresses import MAX_ADDRESSES
from p2pavs.network.errors import InvalidRecord
from p2pavs.network.peer_ids import peer_id_of_key, peer_id_to_text
from p2pavs.network.records import DOMAIN, MAX_ENVELOPE, MAX_PAYLOAD, MAX_SEQ, make_record, read_record

KEY = SigningKey(b"k" * 32)
OTHER = SigningKey(b"o" * 32)
PEER = peer_id_of_key(bytes(KEY.verify_key))
ADDRESS = "/ip4/192.0.2.1/tcp/4001"


def envelope(body: Any, key: SigningKey = KEY, domain: bytes = DOMAIN) -> bytes:
    encoded = body if isinstance(body, bytes) else cbor2.dumps(body, canonical=True)
    return bytes(cbor2.dumps([encoded, key.sign(domain + encoded).signature], canonical=True))


@given(
    seq=st.integers(0, MAX_SEQ),
    addresses=st.lists(
        st.sampled_from([ADDRESS, "/dns4/a.example/tcp/1", "/ip6/::1/tcp/65535"]), max_size=MAX_ADDRESSES
    ),
    payload=st.binary(max_size=MAX_PAYLOAD),
)
@settings(deadline=None, max_examples=50)
def test_what_is_made_is_read(seq: int, addresses: list[str], payload: bytes) -> None:
    made = make_record(KEY, seq, tuple(addresses), payload)
    read = read_record(made.envelope)
    assert read == made
    assert (read.peer_id, read.seq, read.payload) == (peer_id_to_text(PEER), seq, payload)
    assert read.addresses == tuple(addresses)


def test_the_bytes_are_those_of_the_format() -> None:
    """Changing one byte of the format makes nodes of different versions deaf to each other."""
    made = make_record(KEY, 7, (ADDRESS,), b"hi")
    body = (
        b"\x85"  # array of 5
        b"\x01"  # version
        b"\x58\x26" + PEER + b"\x07"  # 38 bytes  # seq
        b"\x81\x77" + ADDRESS.encode() + b"\x42hi"  # array of one text of 23 characters  # 2 bytes
    )
    signature = KEY.sign(b"p2pavs/peer-record/1\x00" + body).signature
    assert made.envelope == b"\x82\x58" + bytes([len(body)]) + body + b"\x58\x40" + signature


def test_the_largest_record_fits() -> None:
    address = "/dns4/" + "a" * 100 + "/tcp/65535"
    assert (
        len(make_record(KEY, MAX_SEQ, (address,) * MAX_ADDRESSES, bytes(MAX_PAYLOAD)).envelope)
        <= MAX_ENVELOPE
    )


@pytest.mark.parametrize(
    ("seq", "addresses", "payload"),
    [
        (-1, (), b""),
        (MAX_SEQ + 1, (), b""),
        (0, (ADDRESS,) * (MAX_ADDRESSES + 1), b""),
        (0, ("/ip4/0.0.0.0/tcp/4001",), b""),
        (0, (), bytes(MAX_PAYLOAD + 1)),
    ],
)
def test_we_do_not_make_what_others_would_refuse(
    seq: int, addresses: tuple[str, ...], payload: bytes
) -> None:
    with pytest.raises(InvalidRecord):
        make_record(KEY, seq, addresses, payload)


GOOD = [1, PEER, 7, [ADDRESS], b"hi"]
HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "not CBOR": b"\xff\xff",
    "a map": cbor2.dumps({}),
    "a number": b"\x01",
    "deeply nested": b"\x81" * 500 + b"\x01",
    "three parts": cbor2.dumps([b"", b"", b""]),
    "short signature": cbor2.dumps([cbor2.dumps(GOOD), b"x" * 63]),
    "text signature": cbor2.dumps([cbor2.dumps(GOOD), "x" * 64]),
    "signed by another": envelope(GOOD, OTHER),
    "signed for another purpose": envelope(GOOD, domain=b"p2pavs/other/1\x00"),
    "signed without a domain": envelope(GOOD, domain=b""),
    "trailing byte": envelope(GOOD) + b"\x00",
    "trailing byte in the body": envelope(cbor2.dumps(GOOD, canonical=True) + b"\x00"),
    "long form of a number": envelope(
        cbor2.dumps(GOOD, canonical=True).replace(b"\x07\x81", b"\x18\x07\x81")
    ),
    "indefinite array": envelope(b"\x9f" + cbor2.dumps(GOOD, canonical=True)[1:] + b"\xff"),
    "a body that is a number": envelope(5),
    "four fields": envelope(GOOD[:4]),
    "six fields": envelope([*GOOD, b""]),
    "version 2": envelope([2, *GOOD[1:]]),
    "version true": envelope([True, *GOOD[1:]]),
    "peer id as text": envelope([1, peer_id_to_text(PEER), *GOOD[2:]]),
    "peer id of another kind of key": envelope([1, b"\x12\x20" + bytes(32), *GOOD[2:]]),
    "negative seq": envelope([1, PEER, -1, [], b""]),
    "seq of 64 bits": envelope([1, PEER, 2**63, [], b""]),
    "seq of 200 bits": envelope([1, PEER, 2**200, [], b""]),
    "seq true": envelope([1, PEER, True, [], b""]),
    "seq as float": envelope([1, PEER, 1.5, [], b""]),
    "addresses as text": envelope([1, PEER, 7, ADDRESS, b""]),
    "nine addresses": envelope([1, PEER, 7, [ADDRESS] * 9, b""]),
    "address as bytes": envelope([1, PEER, 7, [ADDRESS.encode()], b""]),
    "address of every interface": envelope([1, PEER, 7, ["/ip4/0.0.0.0/tcp/1"], b""]),
    "address with a peer": envelope([1, PEER, 7, [f"{ADDRESS}/p2p/{peer_id_to_text(PEER)}"], b""]),
    "address of another transport": envelope([1, PEER, 7, ["/ip4/1.2.3.4/udp/1/quic-v1"], b""]),
    "address with port 0": envelope([1, PEER, 7, ["/ip4/1.2.3.4/tcp/0"], b""]),
    "address of 200 characters": envelope([1, PEER, 7, ["/dns4/" + "a." * 100 + "/tcp/1"], b""]),
    "payload as text": envelope([1, PEER, 7, [], "hi"]),
    "payload of 4097 bytes": envelope([1, PEER, 7, [], bytes(4097)]),
    "larger than any record": envelope([1, PEER, 7, [], bytes(MAX_ENVELOPE)]),
    "a date where the seq belongs": envelope(b"\x85\x01\x58\x26" + PEER + b"\xc1\x00\x80\x40"),
}


def test_the_good_one_is_good() -> None:
    assert read_record(envelope(GOOD)).seq == 7


@pytest.mark.parametrize("name", HOSTILE)
def test_everything_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidRecord):
        read_record(HOSTILE[name])


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=200)
def test_no_bit_can_be_changed(position: int, bit: int) -> None:
    good = bytearray(envelope(GOOD))
    good[position % len(good)] ^= 1 << bit
    with pytest.raises(InvalidRecord):
        read_record(bytes(good))


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=200)
def test_noise_is_refused_by_name(noise: bytes) -> None:
    with pytest.raises(InvalidRecord):
        read_record(noise)
