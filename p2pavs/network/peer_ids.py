"""Peer ids: the name of a node is its Ed25519 public key, wrapped as libp2p does it."""

from __future__ import annotations

import functools
from typing import Final

import base58
from libp2p.peer.id import ID

PREFIX: Final = bytes.fromhex("002408011220")  # identity multihash of 36 bytes: protobuf of an Ed25519 key
ENCODED_LENGTH: Final = len(PREFIX) + 32
TEXT_LENGTH: Final = 52  # "12D3KooW..." in base58
KEPT: Final = 2048
"""Peer ids whose text is kept: base58 takes 0.1 ms, and the same ones are asked for again and again."""


@functools.lru_cache(maxsize=KEPT)
def libp2p_id(text: str) -> ID:
    """Libp2p's own form of a peer id."""
    return ID.from_base58(text)


@functools.lru_cache(maxsize=KEPT)
def peer_id_to_text(raw: bytes) -> str:
    """Base58 text of a 38-byte peer id."""
    return base58.b58encode(raw).decode()


@functools.lru_cache(maxsize=KEPT)
def peer_id_from_text(text: str) -> bytes:
    """Return the 38 bytes of a peer id.

    Raises:
        ValueError: not the base58 text of an Ed25519 peer id.

    """
    if len(text) != TEXT_LENGTH:
        raise ValueError(f"a peer id has {TEXT_LENGTH} characters, this one has {len(text)}")
    raw = bytes(base58.b58decode(text))
    check_peer_id(raw)
    return raw


def check_peer_id(raw: bytes) -> None:
    """Raise ValueError unless `raw` is the id of an Ed25519 key."""
    if len(raw) != ENCODED_LENGTH or not raw.startswith(PREFIX):
        raise ValueError("not the peer id of an Ed25519 key")


def public_key_of(raw: bytes) -> bytes:
    """Return the 32-byte Ed25519 key inside a peer id."""
    check_peer_id(raw)
    return raw[len(PREFIX) :]


def peer_id_of_key(public_key: bytes) -> bytes:
    """Return the peer id of a 32-byte Ed25519 public key."""
    if len(public_key) != 32:
        raise ValueError(f"an Ed25519 public key has 32 bytes, this one has {len(public_key)}")
    return PREFIX + public_key
