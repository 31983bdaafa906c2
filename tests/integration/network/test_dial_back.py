"""A peer tells a node whether it can be reached: over real connections."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import trio

from p2pavs.doctor import reach
from p2pavs.doctor.check import Check, Status
from p2pavs.network import Network, RequestFailed
from p2pavs.network.dial_back import PROTOCOL, decode_answer
from testnet.network import free_port
from tests.integration.network.conftest import LOOPBACK, Open


async def pair(open_network: Open) -> tuple[Network, Network]:
    server = await open_network()
    client = await open_network(server.addresses[0])
    with trio.fail_after(60):
        await client.wait_for_peers(1)
        await server.wait_for_peers(1)
    return server, client


async def test_what_a_peer_finds(open_network: Open) -> None:
    server, client = await pair(open_network)
    own = client.addresses[0].partition("/p2p/")[0]
    answer = await client.dial_back(server.peer_id, own)
    assert answer.reached and answer.reason == "" and abs(answer.time - time.time()) < 60
    answer = await client.dial_back(server.peer_id, f"/ip4/127.0.0.1/tcp/{free_port()}")
    assert not answer.reached and answer.reason == "Connection refused"


@pytest.mark.parametrize("address", ["/ip4/192.0.2.1/tcp/80", "/ip4/127.0.0.2/tcp/80"])
async def test_nobody_else_is_dialled(open_network: Open, address: str) -> None:
    server, client = await pair(open_network)
    answer = await client.dial_back(server.peer_id, address)
    assert not answer.reached
    assert answer.reason == "that is not the host which the request came from"


async def test_a_name_that_is_none_is_not_dialled(open_network: Open) -> None:
    server, client = await pair(open_network)
    answer = await client.dial_back(server.peer_id, "/dns4/localhost.invalid/tcp/80")
    assert not answer.reached and answer.reason


@pytest.mark.parametrize(
    "request_", [b"", b"\xff", b"/ip4/0.0.0.0/tcp/80", b"/ip4/127.0.0.1/tcp/0", b"x" * 100]
)
async def test_a_malformed_request_is_refused(open_network: Open, request_: bytes) -> None:
    server, client = await pair(open_network)
    with pytest.raises(RequestFailed):
        await client.request(server.peer_id, PROTOCOL, request_)


@pytest.mark.parametrize("answer", [b"", bytes(8), b"\x02" + bytes(8), bytes(300)])
def test_a_malformed_answer(answer: bytes) -> None:
    with pytest.raises(RequestFailed):
        decode_answer(answer)


# --- what the doctor makes of it --------------------------------------------------------------------------


def wanted(tmp_path: Path, listen: str, *bootstrap: str, announce: tuple[str, ...] = ()) -> reach.Wanted:
    return reach.Wanted(listen, announce, bootstrap, tmp_path / "peers.cbor", ())


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


async def test_the_doctor_is_dialled_back(open_network: Open, tmp_path: Path) -> None:
    server = await open_network()
    found = by_name(await reach.reachability(wanted(tmp_path, LOOPBACK, server.addresses[0])))
    assert {name: check.status for name, check in found.items()} == {
        "peers": Status.OK,
        "reachable": Status.OK,
        "clock of peers": Status.OK,
    }, found
    closed = f"/ip4/127.0.0.1/tcp/{free_port()}"
    there = wanted(tmp_path, LOOPBACK, server.addresses[0], announce=(closed,))
    found = by_name(await reach.reachability(there))
    assert found["reachable"].status is Status.WARN
    assert f"no peer could dial {closed}: Connection refused" in found["reachable"].detail


async def test_nobody_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone,) = await reach.reachability(wanted(tmp_path, LOOPBACK))
    assert alone.status is Status.SKIP
    monkeypatch.setattr(reach, "CONNECT_SECONDS", 3.0)
    peer = "12D3KooWBCTCdRYuRtcfqNCBHg81s1EQE3MteUAGVifBLNYz4mrX"
    silent = f"/ip4/127.0.0.1/tcp/{free_port()}/p2p/{peer}"
    (found,) = await reach.reachability(wanted(tmp_path, LOOPBACK, silent))
    assert (found.name, found.status) == ("peers", Status.FAIL)
    (found,) = await reach.reachability(wanted(tmp_path, LOOPBACK, "/ip4/127.0.0.1/tcp/1"))
    assert "does not say who answers there" in found.detail


def test_ports(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        found = by_name(reach.ports(wanted(tmp_path, f"/ip4/127.0.0.1/tcp/{number}"), f"127.0.0.1:{number}"))
    assert found["port"].status is found["API port"].status is Status.FAIL
    assert "is in use" in found["port"].detail
    found = by_name(reach.ports(wanted(tmp_path, LOOPBACK), "127.0.0.1:0"))
    assert found["port"].status is found["API port"].status is Status.OK
    assert reach.ports(wanted(tmp_path, "/ip4/192.0.2.1/tcp/1"), "127.0.0.1:0")[0].status is Status.FAIL
    assert reach.ports(wanted(tmp_path, "nonsense"), "127.0.0.1:0")[0].status is Status.FAIL
    assert reach.ports(wanted(tmp_path, LOOPBACK), "nonsense")[1].status is Status.FAIL
