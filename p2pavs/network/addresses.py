"""Addresses of nodes: /ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT, with /p2p/PEER where the peer must be known."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from p2pavs.network.errors import InvalidAddress
from p2pavs.network.peer_ids import peer_id_from_text

MAX_ADDRESS_LENGTH: Final = 128  # characters, without the /p2p part
MAX_ADDRESSES: Final = 8  # of one peer
_HOST_NAME = re.compile(
    r"(?=.{1,100}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_EXAMPLE = "An address looks like /ip4/203.0.113.7/tcp/4001 or /dns4/node.example.org/tcp/4001"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens, and who it is if that is known."""

    family: str
    """One of ip4, ip6, dns, dns4, dns6."""

    host: str
    port: int
    peer_id: str | None = None

    @property
    def transport(self) -> str:
        """The address without the peer."""
        return f"/{self.family}/{self.host}/tcp/{self.port}"

    def __str__(self) -> str:
        return self.transport if self.peer_id is None else f"{self.transport}/p2p/{self.peer_id}"

    @property
    def is_wildcard(self) -> bool:
        """Whether it means every interface of this machine."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def parse_address(text: str) -> Address:
    """Parse strictly; hostile input is welcome.

    Raises:
        ValueError: says what is wrong.

    """
    if len(text) > MAX_ADDRESS_LENGTH + 64:
        raise ValueError("it is too long")
    parts = text.split("/")
    if len(parts) not in (5, 7) or parts[0] != "" or parts[3] != "tcp":
        raise ValueError("it is not of the form /FAMILY/HOST/tcp/PORT[/p2p/PEER]")
    family, host, port = parts[1], parts[2], parts[4]
    _check_host(family, host)
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"{port!r} is not a port")
    peer_id = None
    if len(parts) == 7:
        if parts[5] != "p2p":
            raise ValueError(f"/{parts[5]} stands where /p2p/PEER belongs")
        peer_id_from_text(parts[6])
        peer_id = parts[6]
    return Address(family, host, int(port), peer_id)


def _check_host(family: str, host: str) -> None:
    if family == "ip4":
        ipaddress.IPv4Address(host)
    elif family == "ip6":
        if "%" in host:
            raise ValueError("a zone is not part of an address")
        ipaddress.IPv6Address(host)
    elif family in ("dns", "dns4", "dns6"):
        if not _HOST_NAME.fullmatch(host):
            raise ValueError(f"{host[:40]!r} is not a host name")
    else:
        raise ValueError(f"{family[:20]!r} is not one of ip4, ip6, dns, dns4, dns6")


def is_dialable(text: str) -> bool:
    """Whether an address from somebody else may be dialled: well-formed, no peer part, a real port."""
    try:
        address = parse_address(text)
    except ValueError:
        return False
    return address.peer_id is None and address.port != 0 and not address.is_wildcard


def parse_listen(text: str) -> Address:
    """Parse the address this node listens on. Raises InvalidAddress."""
    address = _parse_own(text, "listen")
    if address.family not in ("ip4", "ip6") or address.peer_id is not None:
        raise InvalidAddress(
            f"The listen address {text!r} is not an interface of this machine.",
            "Use /ip4/0.0.0.0/tcp/4001 for all interfaces, or the IP address of one.",
        )
    return address


def parse_announce(texts: Iterable[str]) -> tuple[Address, ...]:
    """Parse the addresses under which others reach this node. Raises InvalidAddress."""
    addresses = tuple(_parse_own(text, "announce") for text in texts)
    if len(addresses) > MAX_ADDRESSES:
        raise InvalidAddress(
            f"{len(addresses)} announced addresses are too many.", f"Give at most {MAX_ADDRESSES}."
        )
    for address in addresses:
        if not is_dialable(address.transport) or address.peer_id is not None:
            raise InvalidAddress(
                f"The announced address {address} cannot be dialled by others.",
                f"{_EXAMPLE}: a host others can reach, a port that is not 0, no /p2p part.",
            )
    return addresses


def parse_bootstrap(texts: Iterable[str]) -> tuple[Address, ...]:
    """Parse the addresses to start from; each must say which peer answers there. Raises InvalidAddress."""
    addresses = tuple(_parse_own(text, "bootstrap") for text in texts)
    for address in addresses:
        if address.peer_id is None or not is_dialable(address.transport):
            raise InvalidAddress(
                f"The bootstrap address {address} does not say who answers there, or on which port.",
                "Copy the whole address that the other node prints at its start, with /p2p/ and its peer id.",
            )
    return addresses


def _parse_own(text: str, use: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise InvalidAddress(
            f"The {use} address {text[:200]!r} is malformed: {error}.", f"{_EXAMPLE}."
        ) from error
