"""Opening the listen address, and finding out under which addresses others reach it."""

from __future__ import annotations

import socket

from libp2p.abc import IHost
from libp2p.utils.address_validation import get_available_interfaces
from multiaddr import Multiaddr

from p2pavs.network.addresses import MAX_ADDRESSES, Address, is_dialable, parse_address
from p2pavs.network.config import NetworkConfig
from p2pavs.network.errors import ListenFailed


async def listen(host: IHost, address: Multiaddr) -> None:
    """Open the listener.

    Raises:
        ListenFailed: with the reason of the operating system.

    """
    # libp2p listens with SO_REUSEPORT: a second node on the same port would start, and share its connections.
    problem = _problem(parse_address(str(address)))
    if problem is None and not await host.get_network().listen(address):
        problem = "libp2p gave no reason"
    if problem is not None:
        raise ListenFailed(
            f"The node cannot listen on {address} ({problem}).",
            "Stop the program that uses the port, or choose another address.",
        )


def own_addresses(host: IHost, config: NetworkConfig) -> tuple[str, ...]:
    """Choose what to announce: the configured addresses, else those of the listener, without /p2p."""
    if config.announce:
        return tuple(address.transport for address in config.announce_addresses)
    found: list[str] = []
    transports = [parse_address(str(address)) for address in host.get_transport_addrs()]
    for address in transports:
        found.extend(_expand(address) if address.is_wildcard else [address.transport])
    return tuple(dict.fromkeys(address for address in found if is_dialable(address)))[:MAX_ADDRESSES]


def _expand(address: Address) -> list[str]:
    """All interfaces of this machine; the loopback only where there is nothing else."""
    candidates = [str(candidate) for candidate in get_available_interfaces(address.port)]
    same_family = [candidate for candidate in candidates if candidate.startswith(f"/{address.family}/")]
    outside = [candidate for candidate in same_family if not candidate.startswith(("/ip4/127.", "/ip6/::1/"))]
    return outside or same_family


def _problem(address: Address) -> str | None:
    family = socket.AF_INET if address.family == "ip4" else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None
