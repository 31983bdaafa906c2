"""What nodes say of themselves by mDNS, and what may be heard there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from p2pavs.network.addresses import MAX_ADDRESSES
from p2pavs.network.neighbours import KEY, decode_txt, encode_txt
from p2pavs.network.records import make_record

PEER = make_record(SigningKey(bytes(32)), 1, ("/ip4/192.0.2.1/tcp/1",), b"").peer_id


def _txt(*texts: bytes) -> bytes:
    return b"".join(bytes([len(text)]) + text for text in texts)


def test_what_is_said_is_heard() -> None:
    said = [f"/ip4/192.0.2.{host}/tcp/4001/p2p/{PEER}" for host in range(1, 4)]
    assert [str(address) for address in decode_txt(encode_txt(said))] == said


def test_what_cannot_be_dialled_is_left_out() -> None:
    good = f"/dns4/node.example.org/tcp/4001/p2p/{PEER}"
    bad = (
        b"/ip4/192.0.2.1/tcp/4001",  # does not say who
        f"/ip4/0.0.0.0/tcp/4001/p2p/{PEER}".encode(),
        f"/ip4/192.0.2.1/tcp/0/p2p/{PEER}".encode(),
        f"/ip4/192.0.2.1/udp/1/quic-v1/p2p/{PEER}".encode(),
        b"/ip4/192.0.2.1/tcp/4001/p2p/nobody",
        b"\xff\xfe",
    )
    txt = _txt(b"id=" + PEER.encode(), *(KEY + one for one in bad), KEY + good.encode())
    assert [str(address) for address in decode_txt(txt)] == [good]


def test_one_node_has_so_many_addresses() -> None:
    said = [KEY + f"/ip4/192.0.2.1/tcp/{port}/p2p/{PEER}".encode() for port in range(1, 50)]
    assert len(decode_txt(_txt(*said))) == MAX_ADDRESSES


@given(st.binary(max_size=600))
def test_noise_is_no_address(noise: bytes) -> None:
    decode_txt(noise)
    decode_txt(_txt(KEY + noise[:200]))
