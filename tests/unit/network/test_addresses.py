"""Addresses, in our own configuration and from others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pavs.network import InvalidAddress, InvalidConfig, NetworkConfig
from p2pavs.network.addresses import is_dialable, parse_address
from p2pavs.network.peer_ids import peer_id_from_text, peer_id_of_key, peer_id_to_text

PEER = peer_id_to_text(peer_id_of_key(bytes(32)))
SEED = b"s" * 32


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/127.0.0.1/tcp/4001",
        "/ip6/::1/tcp/1",
        "/dns4/node-1.example.org/tcp/65535",
        "/dns/bootstrap/tcp/4001",
        f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}",
    ],
)
def test_good_addresses_are_kept_as_they_are(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "127.0.0.1:4001",
        "ip4/127.0.0.1/tcp/4001",
        "/ip4/127.0.0.1/tcp/4001/",
        "/ip4/127.0.0.1/udp/4001",
        "/ip4/127.0.0.1/tcp/65536",
        "/ip4/127.0.0.1/tcp/-1",
        "/ip4/127.0.0.1/tcp/04001",
        "/ip4/127.0.0.1/tcp/٤",
        "/ip4/127.0.0.256/tcp/1",
        "/ip4/localhost/tcp/1",
        "/ip6/fe80::1%eth0/tcp/1",
        "/dns4/-bad/tcp/1",
        "/dns4/bad host/tcp/1",
        "/dns4//tcp/1",
        "/dns4/" + "a" * 101 + "/tcp/1",
        "/onion/abc/tcp/1",
        f"/ip4/127.0.0.1/tcp/1/p2p/{PEER[:-1]}",
        f"/ip4/127.0.0.1/tcp/1/p2p/{PEER[:-1]}0",
        f"/ip4/127.0.0.1/tcp/1/p3p/{PEER}",
        "/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "/ip4/127.0.0.1/tcp/1\n",
    ],
)
def test_bad_addresses_are_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address(text)
    assert not is_dialable(text)
    with pytest.raises(InvalidAddress, match="bootstrap address"):
        NetworkConfig(listen="/ip4/0.0.0.0/tcp/0", key_seed=SEED, bootstrap=(text,))


@pytest.mark.parametrize(
    "text",
    ["/ip4/0.0.0.0/tcp/1", "/ip6/::/tcp/1", "/ip4/1.2.3.4/tcp/0", f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}"],
)
def test_addresses_that_others_cannot_dial(text: str) -> None:
    parse_address(text)
    assert not is_dialable(text)
    with pytest.raises(InvalidAddress, match="cannot be dialled"):
        NetworkConfig(listen="/ip4/0.0.0.0/tcp/0", key_seed=SEED, announce=(text,))


def test_bootstrap_must_say_who_answers() -> None:
    with pytest.raises(InvalidAddress, match="does not say who answers"):
        NetworkConfig(listen="/ip4/0.0.0.0/tcp/0", key_seed=SEED, bootstrap=("/ip4/1.2.3.4/tcp/1",))


@pytest.mark.parametrize("text", ["/dns4/me.example/tcp/1", f"/ip4/0.0.0.0/tcp/1/p2p/{PEER}"])
def test_listen_is_an_interface(text: str) -> None:
    with pytest.raises(InvalidAddress, match="not an interface"):
        NetworkConfig(listen=text, key_seed=SEED)


def test_numbers_and_keys_are_checked() -> None:
    with pytest.raises(InvalidConfig, match="31 bytes instead of 32"):
        NetworkConfig(listen="/ip4/0.0.0.0/tcp/0", key_seed=SEED[1:])
    with pytest.raises(InvalidConfig, match="max_peers is 0"):
        NetworkConfig(listen="/ip4/0.0.0.0/tcp/0", key_seed=SEED, max_peers=0)


def test_the_key_is_not_in_the_text_of_the_configuration() -> None:
    config = NetworkConfig(listen="/ip4/0.0.0.0/tcp/0", key_seed=SEED, peers_file=Path("peers"))
    assert "s" * 32 not in repr(config)
    assert SEED.hex() not in repr(config)


@given(st.binary(min_size=32, max_size=32))
def test_peer_ids_have_one_text(key: bytes) -> None:
    raw = peer_id_of_key(key)
    assert peer_id_from_text(peer_id_to_text(raw)) == raw


@given(st.text(max_size=60))
def test_other_texts_are_no_peer_ids(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        peer_id_from_text(text)
