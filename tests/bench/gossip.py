"""What a gossip mesh's degree costs and gives: ``python -m tests.bench.gossip [--nodes 16] [--degree 4]``.

All networks run in this one process, real libp2p over the loopback. Every node publishes a vote-sized
message every second, in turn: through meshes, and first-hand, as operators do. The table says how long a
message took to reach a node, how many copies came for each message and node, and the computing time for each
message and node. With one processor core for all nodes the times compare ways; they are no times of a real
network.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import trio

from p2pavs.bench.part import percentile, run, say
from p2pavs.bench.result import Cell, Result
from p2pavs.network import Network, NetworkConfig

TOPIC = "p2pavs/bench"
SIZE = 273  # bytes of a prevote
SECONDS = 20.0


async def open_all(count: int, degree: int, nursery: trio.Nursery) -> list[Network]:
    """Networks that see each other, each in a task of its own."""
    networks: list[Network] = []

    async def run(config: NetworkConfig, task_status: trio.TaskStatus[Network]) -> None:
        async with Network.open(config) as network:
            task_status.started(network)
            await trio.sleep_forever()

    for number in range(count):
        bootstrap = (networks[0].addresses[0],) if networks else ()
        config = NetworkConfig(
            listen="/ip4/127.0.0.1/tcp/0",
            key_seed=(number + 1).to_bytes(32, "big"),
            bootstrap=bootstrap,
            max_outbound=count,
            degree=degree,
        )
        networks.append(await nursery.start(run, config))
    for network in networks:
        await network.wait_for_peers(count - 1)
    return networks


async def one_degree(
    count: int, degree: int, rate: float, seconds: float, *, first_hand: bool = False
) -> tuple[Cell, ...]:
    """One line of the table. With ``first_hand`` all are operators, and send their messages themselves."""
    latencies: list[float] = []
    copies = 0

    def counted(original: Any) -> Any:
        def seen(self: Any, message: Any) -> bool:
            nonlocal copies
            copies += 1
            return bool(original(self, message))

        return seen

    from libp2p.pubsub.pubsub import Pubsub

    async def listen(messages: Any) -> None:
        async for message in messages:
            latencies.append(time.perf_counter() - float(message.data[:20]))

    async with trio.open_nursery() as nursery:
        networks = await open_all(count, degree, nursery)
        if first_hand:
            for network in networks:
                network.prefer({one.peer_id for one in networks} - {network.peer_id})
        async with AsyncExitStack() as stack:
            for network in networks:
                messages = await stack.enter_async_context(
                    network.subscribe(TOPIC, lambda author, data: True)
                )
                nursery.start_soon(listen, messages)
            for network in networks:
                await network.wait_for_subscribers(TOPIC, count - 1)
            await trio.sleep(4)  # until the meshes have settled
            original = Pubsub._is_msg_seen
            Pubsub._is_msg_seen = counted(original)  # type: ignore[method-assign]
            latencies.clear()
            copies, sent, begin = 0, 0, time.process_time()
            with trio.move_on_after(seconds):
                while True:
                    for network in networks:
                        stamp = f"{time.perf_counter():<20.6f}"[:20].encode()
                        await network.publish(TOPIC, stamp.ljust(SIZE, b"."))
                        sent += 1
                        await trio.sleep(1 / rate)
            await trio.sleep(2)
            cpu = time.process_time() - begin
            Pubsub._is_msg_seen = original  # type: ignore[method-assign]
            nursery.cancel_scope.cancel()
    found = sorted(latencies)
    due = sent * (count - 1)
    return (
        "first-hand" if first_hand else degree,
        sent,
        f"{100 * len(found) / due:.1f}%",
        1000 * percentile(found, 0.5),
        1000 * percentile(found, 0.99),
        copies / due,
        1000 * cpu / sent / count,
    )


def measure(options: argparse.Namespace) -> Result:
    """One mesh for each degree, one after the other."""
    nodes, seconds = (8, 5.0) if options.quick else (options.nodes, SECONDS)
    rows = []
    for degree in options.degree or (4, 6, 8):
        say(f"{nodes} networks, degree {degree}")
        rows.append(trio.run(one_degree, nodes, degree, options.rate, seconds))
    say(f"{nodes} networks, first-hand")
    rows.append(trio.run(partial(one_degree, nodes, 4, options.rate, seconds, first_hand=True)))
    result = Result()
    columns = ("degree", "messages", "arrived", "p50 ms", "p99 ms", "copies", "CPU ms")
    result.table(
        columns,
        rows,
        f"{nodes} networks in one process, {options.rate:g} messages a second; copies and processor time "
        "for each message and node",
    )
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--rate", type=float, default=4.0, help="messages a second, of all together")
    parser.add_argument("--degree", type=int, action="append", help="repeatable; default 4, 6, 8")


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, add_options=add_options, description=__doc__))
