"""Ports, and whether others reach this node: a peer dials back."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from p2pavs.api.serving import host_and_port
from p2pavs.doctor.chain import peer_clocks
from p2pavs.doctor.check import Check, fail, ok, skip, warn
from p2pavs.errors import P2pavsError
from p2pavs.network import Network, NetworkConfig, NetworkError
from p2pavs.network.addresses import parse_address, parse_listen

CONNECT_SECONDS: Final = 15.0
PEERS_ASKED: Final = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the node is, or will be, started."""

    listen: str
    announce: tuple[str, ...]
    bootstrap: tuple[str, ...]
    peers_file: Path
    running: tuple[str, ...]
    """Addresses of the node that runs now; empty if none does."""


def port(what: str, host: str, number: int, remedy: str) -> Check:
    """Whether an address can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as error:
        why = (
            "is in use"
            if error.errno == errno.EADDRINUSE
            else f"cannot be opened: {os.strerror(error.errno or 0)}"
        )
        return fail(what, f"{host} port {number} {why}", remedy)
    return ok(what, f"{host} port {number} is free" if number else "any free one")


def ports(wanted: Wanted, api: str) -> list[Check]:
    """Whether the node's addresses are free, unless it runs and has them."""
    if wanted.running:
        return [ok("port", f"the node listens: {', '.join(wanted.running)}")]
    try:
        listen = parse_listen(wanted.listen)
    except P2pavsError as error:
        return [fail("port", error.message, error.remedy)]
    checks = [
        port("port", listen.host, listen.port, "Stop the program that has it, or choose another --listen.")
    ]
    try:
        host, number = host_and_port(api)
    except ValueError as error:
        return [*checks, fail("API port", str(error), "Mend --api.")]
    remedy = "Stop the program that has it, or choose another --api."
    return [*checks, port("API port", host, number, remedy)]


async def reachability(wanted: Wanted) -> list[Check]:
    """Join the network under a throw-away key and let peers dial back."""
    if not wanted.bootstrap and not wanted.peers_file.exists():
        return [skip("reachable", "no peer is known: give --bootstrap")]
    with tempfile.TemporaryDirectory() as scratch:
        peers = Path(scratch) / "peers.cbor"
        if wanted.peers_file.exists():
            shutil.copyfile(wanted.peers_file, peers)
        try:
            config = NetworkConfig(
                listen="/ip4/0.0.0.0/tcp/0" if wanted.running else wanted.listen,
                key_seed=secrets.token_bytes(32),
                announce=wanted.announce,
                bootstrap=wanted.bootstrap,
                peers_file=peers,
            )
            async with Network.open(config) as network:
                return await _ask(network, wanted)
        except NetworkError as error:
            return [fail("peers", error.message, error.remedy)]


async def _ask(network: Network, wanted: Wanted) -> list[Check]:
    with trio.move_on_after(CONNECT_SECONDS):
        await network.wait_for_peers(1)
    peers = network.operators_first()[:PEERS_ASKED]
    if not peers:
        return [
            fail(
                "peers",
                f"none answered within {CONNECT_SECONDS:g} s. {network.bootstrap_error() or ''}".rstrip(),
                "Check the addresses of --bootstrap, and that this machine may open connections to them.",
            )
        ]
    checks = [ok("peers", f"{len(network.connected())} answer")]
    offsets: list[float] = []
    for address in (wanted.announce or _transports(wanted.running or network.addresses))[:2]:
        checks.append(await _reached(network, peers, address, offsets))
    return [*checks, peer_clocks(offsets)]


async def _reached(network: Network, peers: Sequence[str], address: str, offsets: list[float]) -> Check:
    name, reasons = "reachable", []
    for peer in peers:
        begin = time.time()
        try:
            answer = await network.dial_back(peer, address)
        except NetworkError:
            continue  # it is busy, or of a version that does not dial back
        # The peer looked at its clock in between; to reach an address takes next to nothing.
        if answer.reached:
            offsets.append(answer.time - (begin + time.time()) / 2)
            return ok(name, f"a peer dialled {address}")
        reasons.append(answer.reason)
    if not reasons:
        return skip(name, "no peer dialled back")
    why = "".join(c if c.isprintable() else "?" for c in "; ".join(dict.fromkeys(reasons)))
    return warn(
        name,
        f"no peer could dial {address}: {why}"[:300],
        "Open the port in the firewall, forward it behind NAT, and name the outside address with --announce.",
    )


def _transports(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(parse_address(address).transport for address in addresses)
