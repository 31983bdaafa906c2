"""Operators begin epochs in turn, on a real chain."""

from __future__ import annotations

from pathlib import Path

import trio

from p2pavs.chain import reader
from p2pavs.epoch_keeper import EpochKeeper
from tests.integration.anvil import Anvil
from tests.integration.chain.network import OUTSIDER, address_of, running_network, running_sender

LENGTH = 5  # blocks, as running_network deploys it


async def test_turns(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=3) as network:
        chain = network.chain
        keepers = [EpochKeeper(chain, network.sender, address_of(m.account), 5) for m in network.operators]
        outsider = EpochKeeper(chain, network.sender, address_of(OUTSIDER), 5)

        async def turns() -> list[bool]:
            return [await keeper.is_my_turn() for keeper in keepers]

        assert await turns() == [False, False, False]  # the epoch is not over
        info = await reader.read_epoch(chain, 1)
        assert info is not None
        missing = info.opened_at + LENGTH - await chain.rpc.block_number()
        await trio.to_thread.run_sync(anvil.rpc, "anvil_mine", hex(missing))
        assert await turns() == [False, True, False]  # epoch 1 ranks index 1 first
        await trio.to_thread.run_sync(anvil.rpc, "anvil_mine", hex(5))
        assert await turns() == [False, True, True]
        await trio.to_thread.run_sync(anvil.rpc, "anvil_mine", hex(5))
        assert await turns() == [True, True, True]  # whoever is dead, somebody's turn comes
        assert not await outsider.is_my_turn()


async def test_a_keeper_begins_the_next_epoch_once(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=2) as network:
        chain, first = network.chain, network.operators[1]
        async with (
            running_sender(chain.rpc, tmp_path, first.account) as sender,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(EpochKeeper(chain, sender, address_of(first.account)).run)
            await trio.to_thread.run_sync(anvil.rpc, "anvil_mine", hex(2 * LENGTH))
            with trio.fail_after(30):
                while await reader.current_epoch(chain) < 2:
                    await trio.to_thread.run_sync(anvil.rpc, "anvil_mine", hex(1))
                    await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        begun = await reader.read_epoch(chain, 2)
        assert begun is not None and begun.count == 2 and any(begun.seed)
