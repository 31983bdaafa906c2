"""Bare libp2p hosts, whose streams say what a test likes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr

from p2pavs.network import Network
from p2pavs.network.shutdown import close_host


@asynccontextmanager
async def stranger(network: Network, seed: int = 1) -> AsyncIterator[Any]:
    """A host with an honest connection to the network."""
    key = create_new_key_pair(seed.to_bytes(32, "little"))
    host: Any = new_host(key_pair=key, muxer_preference="YAMUX")
    async with host.run(listen_addrs=[]):
        try:
            await host.connect(info_from_p2p_addr(Multiaddr(network.addresses[0])))
            yield host
        finally:
            with trio.CancelScope(shield=True):
                await close_host(host)


async def ask(host: Any, network: Network, protocol: str, data: bytes) -> bytes:
    """Send a well-formed request and return the raw response."""
    stream = await host.new_stream(network._libp2p.host.get_id(), [protocol])
    await stream.write(len(data).to_bytes(4, "big") + data)
    await stream.close_write()
    response = b""
    with trio.fail_after(60):
        while len(response) < 5 or len(response) < 5 + int.from_bytes(response[1:5], "big"):
            response += await stream.read(65536)
    return response
