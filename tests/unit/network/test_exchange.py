"""The messages of peer exchange."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from p2pavs.network.errors import InvalidRecord
from p2pavs.network.exchange import (
    MAX_RECORDS,
    MAX_REQUEST,
    MAX_RESPONSE,
    MAX_SUMMARY,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from p2pavs.network.peer_ids import peer_id_from_text
from p2pavs.network.records import MAX_PAYLOAD, PeerRecord, make_record


def record(number: int, seq: int = 1, payload: bytes = b"") -> PeerRecord:
    addresses = tuple(f"/dns4/{'a' * 100}/tcp/{port}" for port in range(1, 9)) if payload else ()
    return make_record(SigningKey(number.to_bytes(32, "big")), seq, addresses, payload)


RECORDS = [record(number) for number in range(1, 101)]
OWN = record(1000)


def test_a_request_says_who_asks_and_what_it_has() -> None:
    envelope, known = decode_request(encode_request(OWN, RECORDS))
    assert envelope == OWN.envelope
    assert known == {record.peer_id: 1 for record in RECORDS}


def test_a_response_has_what_is_news() -> None:
    older = {RECORDS[0].peer_id: 0, RECORDS[1].peer_id: 1, RECORDS[2].peer_id: 2, OWN.peer_id: 1}
    answer = decode_response(encode_response(OWN, RECORDS[:4], older))
    assert set(answer) == {RECORDS[0].envelope, RECORDS[3].envelope}
    assert decode_response(encode_response(OWN, [], {})) == [OWN.envelope]


def test_the_largest_messages_are_within_the_limits() -> None:
    largest = [record(number, payload=bytes(MAX_PAYLOAD)) for number in range(1, MAX_RECORDS + 10)]
    answer = encode_response(largest[0], largest[1:], {})
    assert len(answer) <= MAX_RESPONSE
    assert len(decode_response(answer)) == MAX_RECORDS
    many = [PeerRecord(RECORDS[0].peer_id, 2**63 - 1, (), b"", b"")] * (MAX_SUMMARY + 5)
    request = encode_request(largest[0], many)
    assert len(request) <= MAX_REQUEST
    decode_request(request)


PEER = peer_id_from_text(OWN.peer_id)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        cbor2.dumps(1),
        cbor2.dumps({}),
        cbor2.dumps([]),
        cbor2.dumps([b""]),
        cbor2.dumps(["", []]),
        cbor2.dumps([b"", {}]),
        cbor2.dumps([b"", [PEER]]),
        cbor2.dumps([b"", [[PEER]]]),
        cbor2.dumps([b"", [[PEER, -1]]]),
        cbor2.dumps([b"", [[PEER, 2**63]]]),
        cbor2.dumps([b"", [[PEER, "1"]]]),
        cbor2.dumps([b"", [["a", 1]]]),
        cbor2.dumps([b"", [[b"a", 1]]]),
        cbor2.dumps([b"", [[PEER, 1]] * (MAX_SUMMARY + 1)]),
        b"\x81" * 1000,
        bytes(MAX_REQUEST + 1),
    ],
)
def test_malformed_requests_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decode_request(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        cbor2.dumps({}),
        cbor2.dumps([""]),
        cbor2.dumps([[b""]]),
        cbor2.dumps([b""] * (MAX_RECORDS + 1)),
        bytes(MAX_RESPONSE + 1),
    ],
)
def test_malformed_responses_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decode_response(value)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_noise_is_refused_or_empty(noise: bytes) -> None:
    for decode in (decode_request, decode_response):
        try:
            decode(noise)
        except InvalidRecord:
            continue
