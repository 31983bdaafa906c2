"""What nodes say of themselves by mDNS, and what may be heard there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey
from structlog.testing import capture_logs
from trio.testing import MockClock
from zeroconf import ServiceInfo

from p2pavs.network import neighbours
from p2pavs.network.addresses import MAX_ADDRESSES, Address, parse_address
from p2pavs.network.neighbours import KEY, SERVICE, Neighbours, decode_txt, encode_txt
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


class SegmentDouble:
    """A segment of which a test says what is heard there, and that cannot be spoken on."""

    def __init__(self, said: dict[str, bytes]) -> None:
        self.said = said
        self.open = True

    def browse(self, zeroconf: object, service: str, handlers: list[Any]) -> Any:
        for name in self.said:
            handlers[0](zeroconf, service, name, "added")
        return SimpleNamespace(cancel=lambda: None)

    def register_service(self, info: object) -> None:
        raise OSError("the network is unreachable")

    def close(self) -> None:
        self.open = False


async def run_sync(function: Any, *args: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return function(*args)


async def test_a_name_that_is_none_and_a_segment_that_cannot_be_spoken_on(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Whoever is on the segment says any name; that ends neither the node nor the listening."""
    good = f"/ip4/192.0.2.1/tcp/4001/p2p/{PEER}"
    segment = SegmentDouble({"another.service.": b"", f"good.{SERVICE}": encode_txt([good])})

    class Answered:
        def __init__(self, service: str, name: str, **fields: Any) -> None:
            self.name = ServiceInfo(service, name, **fields).name  # refuses what is no name
            self.text = b""

        def request(self, zeroconf: object, milliseconds: int) -> None:
            self.text = segment.said[self.name]

    monkeypatch.setattr(neighbours, "ServiceBrowser", segment.browse)
    monkeypatch.setattr(neighbours, "ServiceInfo", Answered)
    monkeypatch.setattr(neighbours.trio.to_thread, "run_sync", run_sync)
    heard: list[Address] = []
    near = Neighbours(parse_address("/ip4/127.0.0.1/tcp/1"), heard.append)
    monkeypatch.setattr(near, "_open", lambda: segment)
    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.run, cast(Any, [good]))
            await trio.sleep(10)
            await near.say([good])  # as when the machine has other addresses
            nursery.cancel_scope.cancel()
    assert [str(address) for address in heard] == [good]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "neighbours cannot be found"
    ] * 2
    assert not segment.open
