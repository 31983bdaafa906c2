"""Networks on the loopback, real libp2p throughout."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio

from p2pavs.network import Network, NetworkConfig

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
_seeds = itertools.count(1)

Open = Callable[..., Awaitable[Network]]


def fresh_config(*bootstrap: str, **changes: Any) -> NetworkConfig:
    """A configuration with a key of its own."""
    settings: dict[str, Any] = {
        "listen": LOOPBACK,
        "key_seed": next(_seeds).to_bytes(32, "big"),
        "bootstrap": bootstrap,
    }
    return NetworkConfig(**settings | changes)


@pytest.fixture
async def open_network() -> AsyncIterator[Open]:
    """Open networks that end with the test, each in a task of its own, as nodes are."""
    end = trio.Event()

    async def run(config: NetworkConfig, task_status: trio.TaskStatus[Network]) -> None:
        async with Network.open(config) as network:
            task_status.started(network)
            await end.wait()

    async with trio.open_nursery() as nursery:

        async def open_one(*bootstrap: str, **changes: Any) -> Network:
            network: Network = await nursery.start(run, fresh_config(*bootstrap, **changes))
            return network

        yield open_one
        end.set()
