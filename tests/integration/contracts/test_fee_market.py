"""The base fee follows demand; buckets bound each requester; the pool pays for seeds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.test_rewards import certified, claim
from tests.integration.contracts.world import (
    BASE_FEE,
    BEACON_REWARD,
    BUCKET_SECONDS,
    BUCKET_UNITS,
    ETHER,
    STAKED_UNITS,
    TARGET_UNITS,
    Reverted,
    World,
    account,
    operator,
)

LARGE = {"input": b"x" * 32}  # one unit, and as many as there are tokens


def ask(world: World, units: int, who: str) -> Any:
    """Ask for so many units in a block of its own."""
    call = world.request_call(params=world.params(maxTokens=units - 1), **LARGE)
    return world.send(call, who, value=ETHER)


def ask_in_one_block(world: World, units: list[int], name: str) -> list[int]:
    """Ask in one block, each for so many units; returns which went through."""
    world.rpc("evm_setAutomine", False)
    try:
        sent = []
        for number, one in enumerate(units):
            who = account(f"{name} {number}")
            world.fund(who)
            call = world.request_call(params=world.params(maxTokens=one - 1), **LARGE)
            sent.append(call.transact(world.transaction(who, ETHER, gas=1_000_000)))
        world.mine()
    finally:
        world.rpc("evm_setAutomine", True)
    return [world.w3.eth.wait_for_transaction_receipt(one)["status"] for one in sent]


def give_stake(world: World, name: str, count: int) -> None:
    """Give those who ask in one block enough stake to have all of it, and too little to be operators."""
    for number in range(count):
        who = account(f"{name} {number}")
        world.fund(who)
        world.send(world.stakes.functions.deposit(), who, value=ETHER // 1000)


def base_fee(world: World) -> int:
    return int(world.gateway.functions.baseFee().call(block_identifier="pending"))


def test_the_base_fee_rises_with_full_blocks_and_falls_with_empty_ones(staffed: Staffed) -> None:
    world = staffed.world
    full = [4096] * (2 * TARGET_UNITS // 4096)
    for block in range(8):
        give_stake(world, f"block {block}", len(full))
    world.mine(50)
    assert base_fee(world) == BASE_FEE
    fee = BASE_FEE
    for block in range(8):
        assert ask_in_one_block(world, full, f"block {block}") == [1] * len(full)
        fee += fee * TARGET_UNITS // TARGET_UNITS // 8
        assert base_fee(world) == fee
    task = world.task_of(ask(world, 100, account("late")))
    assert task.fields["baseFee"] == 100 * fee
    assert task.fields["fee"] == world.gateway.functions.quote(world.model_id, 99, 32).call() - 100 * (
        world.gateway.functions.baseFee().call() - fee
    )
    fee -= fee * (TARGET_UNITS - 100) // TARGET_UNITS // 8
    for _ in range(3):
        assert base_fee(world) == fee
        world.mine()
        fee -= fee // 8
    world.mine(100)
    assert base_fee(world) == BASE_FEE
    world.mine(300)
    assert base_fee(world) == BASE_FEE


def test_a_block_takes_twice_the_target(staffed: Staffed) -> None:
    world = staffed.world
    give_stake(world, "crowd", 6)
    world.mine(2)
    assert ask_in_one_block(world, [4096, 4096, 4096, 4095, 2, 1 + 1], "crowd") == [1, 1, 1, 1, 0, 0]
    # The next block has room again.
    ask(world, 4096, account("next"))


def test_the_last_quarter_of_a_block_is_for_stake(staffed: Staffed) -> None:
    world, staked = staffed.world, operator(6).account
    world.fund(staked)
    world.mine(2)
    limit = 2 * TARGET_UNITS
    stranger = account("stranger")
    assert world.gateway.functions.unitsLeft(stranger).call()[0] == limit - limit // 4
    assert world.gateway.functions.unitsLeft(staked).call()[0] == limit
    quote = world.gateway.functions.quote(world.model_id, 4095, 32).call()
    for who in (stranger, staked):
        assert world.gateway.functions.quoteFor(who, world.model_id, 4095, 32).call() == [quote, True]
    assert ask_in_one_block(world, [4096, 4096, 4096, 1 + 1], "crowd") == [1, 1, 1, 0]

    # Three quarters are gone: who has no stake is told so, and who has some is taken.
    world.rpc("evm_setAutomine", False)
    try:
        for number in range(3):
            who = account(f"rush {number}")
            world.fund(who)
            call = world.request_call(params=world.params(maxTokens=4095), **LARGE)
            call.transact(world.transaction(who, ETHER, gas=1_000_000))
        pending = {"block_identifier": "pending"}
        assert world.gateway.functions.unitsLeft(stranger).call(**pending)[0] == 0
        fits = world.gateway.functions.quoteFor(stranger, world.model_id, 16, 32).call(**pending)[1]
        assert not fits
        assert world.gateway.functions.quoteFor(staked, world.model_id, 16, 32).call(**pending)[1]
        call = world.request_call(params=world.params(maxTokens=4095), **LARGE)
        sent = call.transact(world.transaction(staked, ETHER, gas=1_000_000))
        world.mine()
    finally:
        world.rpc("evm_setAutomine", True)
    assert world.w3.eth.wait_for_transaction_receipt(sent)["status"] == 1


def test_a_requester_has_a_bucket_that_empties_with_time(staffed: Staffed) -> None:
    world, who = staffed.world, account("hungry")
    for _ in range(BUCKET_UNITS // 4096):
        ask(world, 4096, who)
    left = world.gateway.functions.unitsLeft(who).call()[1]
    assert left < 4096
    with pytest.raises(Reverted) as refusal:
        ask(world, 4096, who)
    assert refusal.value.name == "RequesterAtLimit"
    ask(world, 4096, account("somebody else"))
    world.pass_time(BUCKET_SECONDS // 2)
    for _ in range(BUCKET_UNITS // 2 // 4096):
        ask(world, 4096, who)
    world.pass_time(2 * BUCKET_SECONDS)
    assert world.gateway.functions.unitsLeft(who).call()[1] == BUCKET_UNITS


def test_stake_makes_the_bucket_larger(staffed: Staffed) -> None:
    world, staked = staffed.world, operator(6).account
    size = BUCKET_UNITS + STAKED_UNITS * STAKES[6] // sum(STAKES)
    assert world.gateway.functions.unitsLeft(staked).call()[1] == size
    for _ in range(BUCKET_UNITS // 4096 + 4):
        ask(world, 4096, staked)

    # Without the stake the bucket is smaller than what is in it: nothing fits until it has emptied.
    world.send(world.stakes.functions.requestWithdrawal(STAKES[6]), staked)
    assert world.gateway.functions.unitsLeft(staked).call()[1] == 0
    quote = world.gateway.functions.quote(world.model_id, 1, 32).call()
    assert world.gateway.functions.quoteFor(staked, world.model_id, 1, 32).call() == [quote, False]
    with pytest.raises(Reverted) as refusal:
        ask(world, 2, staked)
    assert (refusal.value.name, refusal.value.arguments) == ("RequesterAtLimit", (staked, 2, 0))
    world.pass_time(BUCKET_SECONDS)
    ask(world, 4096, staked)


def test_tips_go_to_the_signers(staffed: Staffed) -> None:
    world = staffed.world
    plain = certified(staffed)
    tipped = certified(staffed, tip=7_000, value=world.fee + 7_000)
    shares = [world.gateway.functions.rewardOf(one.header, 6).call()[0] for one in (plain, tipped)]
    assert shares[1] - shares[0] in (7_000 * STAKES[6] // sum(STAKES), 7_000 * STAKES[6] // sum(STAKES) + 1)


def test_royalties_and_base_fees_are_passed_on_once(staffed: Staffed) -> None:
    world, functions = staffed.world, staffed.world.gateway.functions
    one, two, open_task = certified(staffed), certified(staffed), world.request()
    royalty, base = one.fields["royalty"], one.fields["baseFee"]
    assert (royalty, base) == ((1000 + 16 * 7) // 10, 17 * BASE_FEE)
    world.send(functions.settle([one.header]), account("anyone"))
    assert (functions.balanceOf(world.owner).call(), functions.pool().call()) == (royalty, base)
    for tasks, error in (([one], "AlreadySettled"), ([open_task], "NotCertified")):
        with pytest.raises(Reverted) as refusal:
            world.send(functions.settle([task.header for task in tasks]))
        assert refusal.value.name == error
    with pytest.raises(Reverted) as refusal:
        world.send(functions.settle([two.altered(royalty=10**9).header]))
    assert refusal.value.name == "HeaderMismatch"
    for index in (0, 1):  # claims settle, once
        claim(world, index, [one, two])
        assert (functions.balanceOf(world.owner).call(), functions.pool().call()) == (2 * royalty, 2 * base)
    world.send(functions.withdraw(), world.owner)


def test_the_pool_pays_who_made_a_seed(staffed: Staffed) -> None:
    world, functions = staffed.world, staffed.world.gateway.functions

    def refused(epoch: int) -> str:
        with pytest.raises(Reverted) as refusal:
            world.send(functions.claimBeaconReward(epoch))
        return refusal.value.name

    assert refused(1) == "NoRevealer"
    world.next_epoch()
    assert refused(2) == "PoolEmpty"
    revealer = world.epochs.functions.revealerOf(2).call()
    tokens = 1500
    params = world.params(maxTokens=tokens)
    task = world.request(params=params, value=ETHER)
    world.send(world.submit_call(task, world.certify(task, world.operator_set())))
    world.send(functions.settle([task.header]))
    pool = (tokens + 1) * BASE_FEE
    assert functions.pool().call() == pool > BEACON_REWARD
    world.send(functions.claimBeaconReward(2), account("anyone"))
    assert functions.balanceOf(revealer).call() == BEACON_REWARD
    assert functions.pool().call() == pool - BEACON_REWARD
    assert refused(2) == "BeaconRewardClaimedAlready"
    assert refused(3) == "NoRevealer"
    world.next_epoch()
    world.send(functions.claimBeaconReward(3))
    assert functions.pool().call() == 0, "it pays what it has"
    assert world.wei(world.gateway.address) >= sum(
        functions.balanceOf(who).call() for who in {revealer, world.epochs.functions.revealerOf(3).call()}
    )
