"""Rewards on a chain: which an operator has, and how they come to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from p2pavs.chain import reader, rewards
from p2pavs.chain.epochs import advance_epoch
from p2pavs.chain.errors import ContractRevert, RpcRefused
from p2pavs.chain.records import TaskHeader
from p2pavs.chain.rewards import claim_rewards, find_rewards
from p2pavs.chain.rpc_values import Log
from tests.integration.anvil import Anvil
from tests.integration.chain.network import Network, address_of, running_network

STAKES = (1, 2, 3, 4)


async def certified(network: Network, *, absent: tuple[int, ...] = (), seats: int = 0) -> TaskHeader:
    header = await network.request(seats=seats)
    _, call = await network.certify(header, absent)
    await network.sender.send(call)
    return header


async def next_epoch(network: Network, anvil: Anvil) -> None:
    anvil.mine(6)
    await advance_epoch(network.chain, network.sender, network.provers)


async def test_what_an_operator_signed_is_found_and_claimed(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain = network.chain
        first, last = (address_of(network.operators[index].account) for index in (0, 3))
        assert await find_rewards(chain, first) == ()
        whole = await certified(network)
        without_first = await certified(network, absent=(0,))
        await network.request()  # never certified
        drawn = await certified(network, seats=9)
        singles = [await certified(network, seats=1) for _ in range(4)]  # bit 0 is the seat's, whoever has it
        await next_epoch(network, anvil)
        later = await certified(network)

        shares: Counter[int] = Counter()
        for index, member in enumerate(network.operators):
            operator = address_of(member.account)
            found = await find_rewards(chain, operator)
            numbers = [reward.header.id for reward in found]
            assert numbers == sorted(numbers)
            assert (without_first.id in numbers) == (index != 0)
            by_task = {reward.header.id: reward for reward in found}
            assert by_task[whole.id].header == whole
            assert by_task[whole.id].amount == whole.reward * STAKES[index] // 10
            assert by_task[later.id].index == index
            shares.update({number: reward.amount for number, reward in by_task.items()})
        assert drawn.reward - 4 < shares[drawn.id] <= drawn.reward, "the seats' owners share it all"
        for single in singles:
            assert shares[single.id] == single.reward

        found = await find_rewards(chain, last)
        claims = await claim_rewards(chain, network.sender, found)
        assert [claim.epoch for claim in claims] == [1, 2]
        assert [task for claim in claims for task in claim.tasks] == [reward.header.id for reward in found]
        amount = sum(reward.amount for reward in found)
        assert sum(claim.amount for claim in claims) == amount == await reader.credit_of(chain, last)
        assert await find_rewards(chain, last) == ()
        assert await find_rewards(chain, b"\x99" * 20) == (), "it is in no set"


async def test_claims_go_in_batches(anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewards, "MAX_BATCH", 2)
    async with running_network(anvil, tmp_path) as network:
        operator = address_of(network.operators[1].account)
        tasks = [(await certified(network)).id for _ in range(3)]
        found = await find_rewards(network.chain, operator)
        claims = await claim_rewards(network.chain, network.sender, found)
        assert [claim.tasks for claim in claims] == [tuple(tasks[:2]), (tasks[2],)]
        assert len({claim.transaction_hash for claim in claims}) == 2


async def test_what_somebody_else_claimed_meanwhile_is_left_out(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain, operator = network.chain, address_of(network.operators[2].account)
        tasks = [(await certified(network)).id for _ in range(3)]
        found = await find_rewards(chain, operator)
        assert [reward.header.id for reward in found] == tasks
        await claim_rewards(chain, network.sender, found[1:2])
        (claim,) = await claim_rewards(chain, network.sender, found)
        assert claim.tasks == (tasks[0], tasks[2])
        assert await claim_rewards(chain, network.sender, found) == ()
        assert await reader.credit_of(chain, operator) == sum(reward.amount for reward in found)


async def test_another_refusal_is_passed_on(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        await certified(network)
        (reward,) = await find_rewards(network.chain, address_of(network.operators[3].account))
        greedy = replace(reward, header=replace(reward.header, fee=2 * reward.header.fee))
        with pytest.raises(ContractRevert) as refusal:
            await claim_rewards(network.chain, network.sender, [greedy])
        assert refusal.value.name == "HeaderMismatch"


async def test_the_search_can_begin_at_a_block(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain, operator = network.chain, address_of(network.operators[3].account)
        old = await certified(network)
        asked_before = await network.request()
        anvil.mine()
        block = await chain.rpc.block_number()
        _, call = await network.certify(asked_before)
        await network.sender.send(call)
        found = await find_rewards(chain, operator, first_block=block)
        assert [reward.header for reward in found] == [asked_before]
        assert [reward.header for reward in await find_rewards(chain, operator)] == [old, asked_before]
        assert await find_rewards(chain, operator, first_block=block + 1000) == ()


async def test_an_endpoint_that_allows_small_ranges_only_is_enough(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain, operator = network.chain, address_of(network.operators[3].account)
        headers = [await certified(network) for _ in range(3)]
        logs = chain.rpc.logs

        async def limited(
            addresses: Sequence[bytes], *, first: int, last: int, topics: Sequence[bytes | None]
        ) -> tuple[Log, ...]:
            if last - first > 2:
                raise RpcRefused("eth_getLogs", -32005, "too many blocks")
            return await logs(addresses, first=first, last=last, topics=topics)

        monkeypatch.setattr(chain.rpc, "logs", limited)
        assert [reward.header for reward in await find_rewards(chain, operator)] == headers
