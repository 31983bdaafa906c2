"""A request that was paid is not called unpaid because its task cannot be read at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from p2pavs import Client, Payer, client
from p2pavs.chain.errors import RpcUnreachable
from p2pavs.client import RequestUnseen
from tests.integration.anvil import Anvil
from tests.integration.chain.network import Network, dev_account, running_network


async def tasks(network: Network) -> int:
    return int(await network.chain.read_one("TaskGateway", "taskCount"))


async def ask(url: str, network: Network, directory: Path, interrupt: Any) -> int:
    """Ask once; `interrupt(calls, block_events, block)` stands for what the task's block is asked for."""
    payer = Payer(dev_account(1), directory / "payer.sqlite")
    async with Client(url, network.chain.deployment, payer=payer) as asking:
        block_events, calls = asking.chain.block_events, 0

        async def interrupted(block: bytes) -> Any:
            nonlocal calls
            calls += 1
            return await interrupt(calls, block_events, block)

        with pytest.MonkeyPatch.context() as patch, trio.fail_after(300):
            patch.setattr(asking.chain, "block_events", interrupted)
            return (await asking.request("Is it?", max_tokens=8)).id


async def test_an_endpoint_that_falls_silent_after_the_payment(anvil: Anvil, tmp_path: Path) -> None:
    async def silent_for_a_while(calls: int, block_events: Any, block: bytes) -> Any:
        if calls <= 3:
            raise RpcUnreachable(anvil.url, "it is away")
        return await block_events(block)

    async with running_network(anvil, tmp_path) as network:
        assert await ask(anvil.url, network, tmp_path, silent_for_a_while) == 1
        assert await tasks(network) == 1


async def test_a_reorganisation_right_after_the_payment(anvil: Anvil, tmp_path: Path) -> None:
    async def undone(calls: int, block_events: Any, block: bytes) -> Any:
        if calls == 1:
            await trio.to_thread.run_sync(anvil.rpc, "anvil_reorg", 1, [])
        return await block_events(block)

    async with running_network(anvil, tmp_path) as network:
        assert await ask(anvil.url, network, tmp_path, undone) == 1
        assert await tasks(network) == 1


async def test_what_is_never_seen_is_said_to_be_paid(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(calls: int, block_events: Any, block: bytes) -> Any:
        raise RpcUnreachable(anvil.url, "it is away")

    monkeypatch.setattr(client, "UNSEEN_SECONDS", 1.0)
    async with running_network(anvil, tmp_path) as network:
        with pytest.raises(RequestUnseen, match=r"was paid in transaction 0x[0-9a-f]{64}") as unseen:
            await ask(anvil.url, network, tmp_path, silent)
        assert "it is away" in unseen.value.message and "would pay again" in unseen.value.remedy
        assert await tasks(network) == 1
