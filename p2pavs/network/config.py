"""What a node's network needs to know before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from p2pavs.network.addresses import Address, parse_announce, parse_bootstrap, parse_listen
from p2pavs.network.errors import InvalidConfig


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Checked when it is made: a malformed address is an `InvalidAddress` here and not a riddle later."""

    listen: str
    """Own interface and port, /ip4/0.0.0.0/tcp/4001; port 0 picks a free one."""

    key_seed: bytes = field(repr=False)
    """32 bytes, the Ed25519 secret that the peer id is made of."""

    announce: tuple[str, ...] = ()
    """Addresses under which others reach this node; empty means those it listens on."""

    bootstrap: tuple[str, ...] = ()
    """Nodes to start from, each with /p2p/PEER; empty for the first node of a network."""

    mdns: bool = False
    """Whether nodes of the same network segment are looked for."""

    peers_file: Path | None = None
    """Where known peers are kept, so that a restart does not need its bootstrap node."""

    max_peers: int = 200
    """Connections in all; beyond it strangers make room for preferred peers."""

    max_outbound: int = 12
    """Connections that this node opens by itself, preferred peers and bootstrap nodes not counted."""

    degree: int = 4
    """Peers of a topic's mesh that a message is sent to; one less to twice as many are kept."""

    max_known: int = 512
    """Peers whose records are kept."""

    def __post_init__(self) -> None:
        if len(self.key_seed) != 32:
            raise InvalidConfig(
                f"The peer key has {len(self.key_seed)} bytes instead of 32.", "Create a new one."
            )
        for name, low, high in (
            ("max_peers", 1, 1000),
            ("max_outbound", 1, 200),
            ("max_known", 1, 10_000),
            ("degree", 2, 32),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidConfig(f"{name} is {value}.", f"Choose a number from {low} to {high}.")
        parse_listen(self.listen)
        parse_announce(self.announce)
        parse_bootstrap(self.bootstrap)

    @property
    def listen_address(self) -> Address:
        """`listen`, parsed."""
        return parse_listen(self.listen)

    @property
    def announce_addresses(self) -> tuple[Address, ...]:
        """`announce`, parsed."""
        return parse_announce(self.announce)

    @property
    def bootstrap_addresses(self) -> tuple[Address, ...]:
        """`bootstrap`, parsed."""
        return parse_bootstrap(self.bootstrap)
