from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import RpcUnreachable, WrongChain
from p2pavs.chain.events import EpochOpened, OperatorRegistered, TaskCertified, TaskRequested
from p2pavs.chain.follower import BlockAdded, BlockRemoved, Follower
from p2pavs.chain.rpc import Rpc
from testnet.network import free_port
from tests.integration.anvil import Anvil
from tests.integration.chain.network import POLL, Network, address_of, running_network, wait_for

T = TypeVar("T")


def follow(network: Network, start: int | None = None, chain: Chain | None = None) -> Follower:
    first = network.chain.deployment.deployed_at_block if start is None else start
    return Follower(chain or network.chain, first, poll_interval=POLL)


async def next_event(follower: Follower, kind: type[T]) -> tuple[BlockAdded, T]:
    with trio.fail_after(60):
        async for change in follower:
            if isinstance(change, BlockAdded):
                for logged in change.events:
                    if isinstance(logged.event, kind):
                        return change, logged.event
    raise AssertionError("the follower ended")


async def test_everything_that_happened_is_told_in_order(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=2) as network:
        header = await network.request(b"text")
        _, call = await network.certify(header)
        await network.sender.send(call)
        follower = follow(network)
        before = 0
        for number in range(2):
            block, registered = await next_event(follower, OperatorRegistered)
            assert registered.operator == address_of(network.operators[number].account)
            assert registered.previous == before
            before = block.number
        assert (await next_event(follower, EpochOpened))[1].epoch == 1
        block, requested = await next_event(follower, TaskRequested)
        assert (requested.header, requested.input) == (header, b"text")
        assert requested.params.choices == ("yes", "no")
        assert block.events[0].block_hash == block.hash
        certified = (await next_event(follower, TaskCertified))[1]
        assert (certified.id, certified.output, certified.bitmap) == (header.id, b"yes", 0b11)
        assert certified.signed_weight == certified.total_weight == 3 * 10**18


async def test_a_reorganisation_takes_a_task_back(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        follower = follow(network)
        anvil.mine(3)
        header = await network.request()
        block, event = await next_event(follower, TaskRequested)
        assert event.header == header
        assert await next_change_is_quiet(follower)
        anvil.rpc("anvil_reorg", 2, [])
        removed: list[BlockRemoved] = []
        with trio.fail_after(60):
            while not removed or removed[-1].number != block.number - 1:
                change = await anext(follower)
                assert isinstance(change, BlockRemoved)
                removed.append(change)
        assert block.hash in {change.hash for change in removed}
        # The sender notices too and sends the request again; it is a new task with another seed.
        again, repeated = await next_event(follower, TaskRequested)
        assert again.hash != block.hash
        assert repeated.header.id == header.id
        assert repeated.header.task_seed != header.task_seed


async def next_change_is_quiet(follower: Follower) -> bool:
    """Whether the follower has caught up and nothing comes."""
    with trio.move_on_after(5 * POLL):
        change = await anext(follower)
        return isinstance(change, BlockAdded) and not change.events
    return True


@asynccontextmanager
async def cable(port: int, to: int) -> AsyncIterator[None]:
    """A connection from one local port to another for as long as the block: pull it by leaving."""

    async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for piece in source:
                await sink.send_all(piece)
            await sink.send_eof()

    async def carry(client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", to)
        async with client, server, trio.open_nursery() as both:
            both.start_soon(pump, client, server)
            both.start_soon(pump, server, client)

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, carry, port, host="127.0.0.1"))
        yield
        nursery.cancel_scope.cancel()


async def test_an_outage_of_the_endpoint_is_waited_out(anvil: Anvil, tmp_path: Path) -> None:
    port = free_port()
    async with (
        running_network(anvil, tmp_path, operators=1) as network,
        Rpc(f"http://127.0.0.1:{port}", retries=0, timeout=5) as far,
    ):
        follower = follow(network, chain=Chain(far, network.chain.deployment))
        seen: list[TaskRequested] = []

        async def read() -> None:
            async for change in follower:
                assert isinstance(change, BlockAdded)
                seen.extend(e.event for e in change.events if isinstance(e.event, TaskRequested))

        async def seen_are(count: int) -> bool:
            return len(seen) == count and follower.last_error is None

        async def is_cut_off() -> bool:
            return isinstance(follower.last_error, RpcUnreachable)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_for(is_cut_off)  # from the start
            async with cable(port, anvil.port):
                await network.request()
                await wait_for(lambda: seen_are(1))
            await wait_for(is_cut_off)
            await network.request()
            async with cable(port, anvil.port):
                await wait_for(lambda: seen_are(2))
            nursery.cancel_scope.cancel()
    assert [event.id for event in seen] == [1, 2]


async def test_another_chain_behind_the_address_is_noticed(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        follower = follow(network)
        await anext(follower)
        anvil.kill()
        anvil.arguments = ["--chain-id", "999"]
        anvil.launch()
        other = Follower(network.chain, 1, poll_interval=POLL)
        other.last_error = RpcUnreachable(anvil.url, "it was away")
        with pytest.raises(WrongChain, match="chain 31337, but the RPC endpoint serves chain 999"):
            await anext(other)
        with pytest.raises(WrongChain):
            await Chain.connect(network.chain.rpc, network.chain.deployment)


async def test_it_goes_on_after_what_was_remembered(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        first = follow(network)
        await network.request()
        block, _ = await next_event(first, TaskRequested)
        await network.request()
        second = Follower(network.chain, first.remembered, poll_interval=POLL)
        following, event = await next_event(second, TaskRequested)
        assert (following.number, event.id) == (block.number + 1, 2)


async def test_catching_up_over_many_blocks(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        await network.request()
        anvil.mine(700)
        await network.request()
        follower = follow(network)
        assert (await next_event(follower, TaskRequested))[1].id == 1
        assert (await next_event(follower, TaskRequested))[1].id == 2
        assert follower.behind == 0
