"""Peer exchange, `/p2pavs/peers/1`: nodes tell each other the signed records that the other lacks.

request  = CBOR [own envelope, [[peer id, seq], ...]]      who I am, and what I have
response = CBOR [envelope, ...]                            records that are newer, or that you do not have
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Final

import cbor2

from p2pavs.network.errors import InvalidRecord
from p2pavs.network.peer_ids import check_peer_id, peer_id_from_text, peer_id_to_text
from p2pavs.network.records import MAX_ENVELOPE, MAX_SEQ, PeerRecord

PROTOCOL: Final = "/p2pavs/peers/1"
MAX_SUMMARY: Final = 512  # peers a request may name
MAX_RECORDS: Final = 64  # records in one response
MAX_REQUEST: Final = MAX_ENVELOPE + MAX_SUMMARY * 56 + 64  # bytes
MAX_RESPONSE: Final = MAX_RECORDS * (MAX_ENVELOPE + 8) + 64  # bytes


def encode_request(own: PeerRecord, known: Iterable[PeerRecord]) -> bytes:
    """Write what we say when we ask."""
    summary = [[peer_id_from_text(record.peer_id), record.seq] for record in known][:MAX_SUMMARY]
    return bytes(cbor2.dumps([own.envelope, summary], canonical=True))


def decode_request(data: bytes) -> tuple[bytes, dict[str, int]]:
    """Return the asking peer's envelope, not yet verified, and the sequence numbers it has.

    Raises:
        InvalidRecord: malformed.

    """
    value = _decode(data, MAX_REQUEST)
    if len(value) != 2 or not isinstance(value[0], bytes) or not isinstance(value[1], list):
        raise InvalidRecord("the request is not [envelope, summary]")
    if len(value[1]) > MAX_SUMMARY:
        raise InvalidRecord(f"the request names more than {MAX_SUMMARY} peers")
    known: dict[str, int] = {}
    for item in value[1]:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], bytes):
            raise InvalidRecord("an item of the summary is not [peer id, seq]")
        if not isinstance(item[1], int) or not 0 <= item[1] <= MAX_SEQ:
            raise InvalidRecord("a sequence number of the summary is out of range")
        try:
            check_peer_id(item[0])
        except ValueError as error:
            raise InvalidRecord(str(error)) from error
        known[peer_id_to_text(item[0])] = item[1]
    return value[0], known


def encode_response(own: PeerRecord, records: Iterable[PeerRecord], known: dict[str, int]) -> bytes:
    """Choose the records that are news to the asking peer, ours among them, at random if they are many."""
    news = [record for record in records if known.get(record.peer_id, -1) < record.seq]
    if len(news) > MAX_RECORDS - 1:
        news = random.sample(news, MAX_RECORDS - 1)
    if known.get(own.peer_id, -1) < own.seq:
        news.append(own)
    return bytes(cbor2.dumps([record.envelope for record in news], canonical=True))


def decode_response(data: bytes) -> list[bytes]:
    """Return envelopes, not yet verified.

    Raises:
        InvalidRecord: malformed.

    """
    value = _decode(data, MAX_RESPONSE)
    if len(value) > MAX_RECORDS or not all(isinstance(envelope, bytes) for envelope in value):
        raise InvalidRecord(f"the response is not a list of at most {MAX_RECORDS} envelopes")
    return value


def _decode(data: bytes, limit: int) -> list[Any]:
    if len(data) > limit:
        raise InvalidRecord(f"{len(data)} bytes are more than the {limit} allowed")
    try:
        value = cbor2.loads(data, max_depth=4, allow_indefinite=False)
    except Exception as error:
        raise InvalidRecord("it is not CBOR") from error
    if not isinstance(value, list):
        raise InvalidRecord("it is not a CBOR array")
    return value
