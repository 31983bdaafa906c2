"""A node in a process of its own, to be killed, stopped and restarted.

    python -m tests.integration.network.peer

reads its settings as a line of JSON ({"seed", "listen", "bootstrap", "peers_file"}), then commands
({"publish"}), and prints events: {"ready": addresses}, {"connected": peer ids}, {"message": [author, text]}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import structlog
import trio

from p2pavs.network import Network, NetworkConfig

TOPIC = "p2pavs/test"


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


async def read_line() -> dict[str, Any]:
    line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if not line:
        raise SystemExit
    content: dict[str, Any] = json.loads(line)
    return content


async def report_peers(network: Network) -> None:
    while True:
        say(connected=sorted(network.connected()))
        await network.wait_for_change()


async def obey(network: Network) -> None:
    while True:
        command = await read_line()
        await network.publish(TOPIC, command["publish"].encode())


async def main() -> None:
    settings = await read_line()
    config = NetworkConfig(
        listen=settings.get("listen", "/ip4/127.0.0.1/tcp/0"),
        key_seed=bytes.fromhex(settings["seed"]),
        bootstrap=tuple(settings.get("bootstrap", ())),
        peers_file=Path(settings["peers_file"]) if "peers_file" in settings else None,
    )
    async with (
        Network.open(config) as network,
        network.subscribe(TOPIC, lambda author, data: True) as messages,
        trio.open_nursery() as nursery,
    ):
        say(ready=network.addresses, peer_id=network.peer_id)
        nursery.start_soon(report_peers, network)
        nursery.start_soon(obey, network)
        async for message in messages:
            say(message=[message.peer, message.data.decode()])


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    trio.run(main)
