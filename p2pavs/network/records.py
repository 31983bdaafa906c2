"""Signed peer records: what a node says about itself, which anybody may pass on and nobody may change.

    body      = CBOR [1, peer id (38 bytes), seq, [address, ...], payload bytes]
    envelope  = CBOR [body bytes, signature (64 bytes)]
    signature = Ed25519 by the peer's key over "p2pavs/peer-record/1" + 0x00 + body

CBOR is canonical, and anything else is refused, so that one record has one encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cbor2
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from p2pavs.network.addresses import MAX_ADDRESS_LENGTH, MAX_ADDRESSES, is_dialable
from p2pavs.network.errors import InvalidRecord
from p2pavs.network.peer_ids import check_peer_id, peer_id_of_key, peer_id_to_text, public_key_of

VERSION: Final = 1
DOMAIN: Final = b"p2pavs/peer-record/1\x00"
MAX_PAYLOAD: Final = 4096  # bytes
MAX_ENVELOPE: Final = MAX_PAYLOAD + MAX_ADDRESSES * (MAX_ADDRESS_LENGTH + 2) + 256  # bytes
MAX_SEQ: Final = 2**63 - 1
MAX_DEPTH: Final = 3  # nesting of arrays


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A verified record."""

    peer_id: str
    seq: int
    """The higher one replaces the lower; made from the clock, in microseconds."""

    addresses: tuple[str, ...]
    """Transport addresses, without /p2p."""

    payload: bytes
    """What the application attached; opaque here, at most 4,096 bytes."""

    envelope: bytes
    """The signed bytes, as they travel."""


def make_record(key: SigningKey, seq: int, addresses: tuple[str, ...], payload: bytes) -> PeerRecord:
    """Sign a record about ourselves.

    Raises:
        InvalidRecord: something is above a limit.

    """
    peer_id = peer_id_of_key(bytes(key.verify_key))
    _check(seq, addresses, payload)
    body = cbor2.dumps([VERSION, peer_id, seq, list(addresses), payload], canonical=True)
    signature = key.sign(DOMAIN + body).signature
    envelope = cbor2.dumps([body, signature], canonical=True)
    return PeerRecord(peer_id_to_text(peer_id), seq, addresses, payload, envelope)


def read_record(envelope: bytes) -> PeerRecord:
    """Verify what a stranger sent.

    Raises:
        InvalidRecord: anything at all is wrong with it.

    """
    if len(envelope) > MAX_ENVELOPE:
        raise InvalidRecord(f"a record has at most {MAX_ENVELOPE} bytes, this one has {len(envelope)}")
    body, signature = _array(envelope, 2, "envelope")
    if not isinstance(body, bytes) or not isinstance(signature, bytes) or len(signature) != 64:
        raise InvalidRecord("the envelope is not [bytes, 64 bytes]")
    version, peer_id, seq, addresses, payload = _array(body, 5, "body")
    if version != VERSION or isinstance(version, bool):
        raise InvalidRecord("unknown version of the record")
    if not isinstance(peer_id, bytes) or not isinstance(addresses, list):
        raise InvalidRecord("a field of the record has the wrong type")
    try:
        check_peer_id(peer_id)
    except ValueError as error:
        raise InvalidRecord(str(error)) from error
    _check(seq, tuple(addresses), payload)
    try:
        VerifyKey(public_key_of(peer_id)).verify(DOMAIN + body, signature)
    except (CryptoError, ValueError) as error:
        raise InvalidRecord("the signature is not the peer's") from error
    return PeerRecord(peer_id_to_text(peer_id), seq, tuple(addresses), payload, envelope)


def _array(data: bytes, length: int, name: str) -> list[Any]:
    try:
        value = cbor2.loads(data, max_depth=MAX_DEPTH, allow_indefinite=False)
        canonical = isinstance(value, list) and cbor2.dumps(value, canonical=True) == data
    except Exception as error:
        raise InvalidRecord(f"the {name} is not CBOR") from error
    if not canonical or len(value) != length:
        raise InvalidRecord(f"the {name} is not a canonical array of {length}")
    return list(value)


def _check(seq: object, addresses: tuple[object, ...], payload: object) -> None:
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq <= MAX_SEQ:
        raise InvalidRecord("the sequence number is not an unsigned 63-bit number")
    if not isinstance(payload, bytes) or len(payload) > MAX_PAYLOAD:
        raise InvalidRecord(f"the payload is not bytes, or above {MAX_PAYLOAD}")
    if len(addresses) > MAX_ADDRESSES:
        raise InvalidRecord(f"more than {MAX_ADDRESSES} addresses")
    for address in addresses:
        if not isinstance(address, str) or len(address) > MAX_ADDRESS_LENGTH or not is_dialable(address):
            raise InvalidRecord("an address of the record cannot be dialled")
