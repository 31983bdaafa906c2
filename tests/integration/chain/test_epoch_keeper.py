"""Operators begin epochs in turn, on a real chain."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import trio
from eth_account.signers.local import LocalAccount

from consensus import bls, vrf
from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.epochs import freeze_epoch, turn
from p2pavs.epoch_keeper import EpochKeeper
from tests.integration.anvil import Anvil
from tests.integration.chain.network import OUTSIDER, address_of, running_network, running_sender

LENGTH = 5  # blocks, as running_network deploys it
NOBODY = b"\0" * 96


async def mine(anvil: Anvil, blocks: int) -> None:
    await trio.to_thread.run_sync(anvil.rpc, "anvil_mine", hex(blocks))


async def test_turns(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=3) as network:
        chain = network.chain

        def keeper(account: bytes) -> EpochKeeper:
            return EpochKeeper(chain, network.sender, account, {}, 5)

        keepers = [keeper(address_of(m.account)) for m in network.operators]
        outsider = keeper(address_of(OUTSIDER))

        async def turns() -> list[bool]:
            return [await keeper.is_my_turn() for keeper in keepers]

        assert await turns() == [False, False, False]  # the epoch is not over
        info = await reader.read_epoch(chain, 1)
        assert info is not None
        missing = info.opened_at + LENGTH - await chain.rpc.block_number()
        await mine(anvil, missing)
        assert await turns() == [False, True, False]  # epoch 1 ranks index 1 first
        await mine(anvil, 5)
        assert await turns() == [False, True, True]
        await mine(anvil, 5)
        assert await turns() == [True, True, True]  # whoever is dead, somebody's turn comes
        assert not await outsider.is_my_turn()


async def test_keepers_begin_the_next_epoch_with_a_dead_leader(anvil: Anvil, tmp_path: Path) -> None:
    """The first leader is dead: its window passes, and the first living one after it makes the seed."""
    async with running_network(anvil, tmp_path, operators=3) as network:
        chain = network.chain
        await mine(anvil, 2 * LENGTH)
        await freeze_epoch(chain, network.sender)
        pending = await reader.pending_epoch(chain)
        first = await turn(chain, pending)
        assert first is not None and first.rank == 0
        living = [member for member in network.operators if address_of(member.account) != first.operator]
        async with trio.open_nursery() as nursery:
            for member in living:
                nursery.start_soon(_keep, chain, tmp_path, member.account, member.secret)
            with trio.fail_after(180):
                while await reader.current_epoch(chain) < 2:
                    await mine(anvil, 1)
                    await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
        begun = await reader.read_epoch(chain, 2)
        assert begun is not None and begun.count == 3 and any(begun.seed)
        revealer = await chain.read_one("EpochManager", "revealerOf", 2)
        assert revealer in {address_of(member.account) for member in living}


async def _keep(chain: Chain, directory: Path, account: LocalAccount, secret: bls.SecretKey) -> None:
    async with running_sender(chain.rpc, directory, account) as sender:
        keeper = EpochKeeper(
            chain,
            sender,
            address_of(account),
            {bls.public_key(secret): partial(vrf.prove, secret)},
            check_every=0.2,
        )
        await keeper.run()


async def test_keepers_freeze_and_reveal(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=2) as network:
        chain = network.chain
        async with trio.open_nursery() as nursery:
            for member in network.operators:
                nursery.start_soon(_keep, chain, tmp_path, member.account, member.secret)
            await mine(anvil, 2 * LENGTH)
            with trio.fail_after(180):
                while await reader.current_epoch(chain) < 3:
                    await mine(anvil, 1)
                    await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
        begun = await reader.read_epoch(chain, 3)
        assert begun is not None and begun.count == 2 and any(begun.seed)
