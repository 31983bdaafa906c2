"""When the operators are read again."""

from __future__ import annotations

from pathlib import Path

from p2pavs.chain.registry_watch import READ_ANYWAY, RegistryWatch
from tests.integration.anvil import Anvil
from tests.integration.chain.network import running_network


async def test_they_are_read_again_after_a_change_and_after_a_while(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        now = 0.0
        watch = RegistryWatch(network.chain, lambda: now)
        head = await watch.news()
        assert head == await network.chain.rpc.block_number()
        assert await watch.news() == head  # still not read
        watch.read(head)
        assert await watch.news() is None
        await network.request()  # other contracts are no news
        assert await watch.news() is None
        change = network.chain.call(network.chain.deployment.stake_source, "deposit", value=10**18)
        receipt = await network.sender.send(change)
        found = await watch.news()
        assert found is not None
        assert found >= receipt.block_number
        assert await watch.news() is not None  # until it has been read
        watch.read(found)
        assert await watch.news() is None
        now = READ_ANYWAY
        assert await watch.news() is not None
