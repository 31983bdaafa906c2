from __future__ import annotations

import random
from typing import Any

import pytest
from web3.logs import DISCARD

from p2pavs.chain.preparing import GAS_MARGIN
from p2pavs.chain.rewards import MAX_BATCH
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.world import (
    BASE_FEE,
    PRICE,
    ROYALTY_BPS,
    SUPPLEMENT_WINDOW,
    Reverted,
    Task,
    World,
    account,
    operator,
)


def claim(world: World, index: int, tasks: list[Task]) -> int:
    """Claim, once that can be done, and return what the operator was credited."""
    world.pass_time(SUPPLEMENT_WINDOW)
    call = world.gateway.functions.claim(index, [task.header for task in tasks])
    receipt = world.send(call, account("anyone"))
    [log] = world.gateway.events.RewardsClaimed().process_receipt(receipt, errors=DISCARD)
    assert log["args"]["operator"] == operator(index).account
    assert log["args"]["tasks"] == len(tasks)
    return int(log["args"]["amount"])


def certified(staffed: Staffed, signers: list[int] | None = None, **request: Any) -> Task:
    task = staffed.world.request(**request)
    staffed.world.send(
        staffed.world.submit_call(task, staffed.world.certify(task, staffed.operators, signers))
    )
    return task


def test_signers_share_by_stake(staffed: Staffed) -> None:
    world, signers = staffed.world, [0, 1, 3, 4, 6]
    task = certified(staffed, signers)
    signed = sum(STAKES[index] for index in signers)
    for index in signers:
        expected = world.reward * STAKES[index] // signed
        assert world.gateway.functions.rewardOf(task.header, index).call() == [expected, False]
        assert claim(world, index, [task]) == expected
        assert world.gateway.functions.rewardOf(task.header, index).call() == [expected, True]
        assert world.gateway.functions.balanceOf(operator(index).account).call() == expected
    for index in (2, 5):
        with pytest.raises(Reverted) as refusal:
            claim(world, index, [task])
        assert (refusal.value.name, refusal.value.arguments) == ("DidNotSign", (task.id, index))


def test_signers_share_by_seats(staffed: Staffed) -> None:
    world = staffed.world
    task = certified(staffed, committeeSize=9)
    committee = world.committee(task, staffed.operators)
    for member in committee.members:
        assert claim(world, member.index, [task]) == world.reward * member.weight // 9
    for index in set(range(len(STAKES))) - {member.index for member in committee.members}:
        with pytest.raises(Reverted) as refusal:
            claim(world, index, [task])
        assert refusal.value.name == "DidNotSign"


def test_claims_are_in_bulk_and_once(staffed: Staffed) -> None:
    world = staffed.world
    tasks = [certified(staffed, committeeSize=size) for size in (0, 256, 0)]
    shares = [world.gateway.functions.rewardOf(task.header, 6).call()[0] for task in tasks]
    with pytest.raises(Reverted) as refusal:
        claim(world, 6, [*tasks, tasks[1]])
    assert (refusal.value.name, refusal.value.arguments[0]) == ("AlreadyClaimed", tasks[1].id)
    assert claim(world, 6, tasks) == sum(shares)
    for task in tasks:
        with pytest.raises(Reverted) as refusal:
            claim(world, 6, [task])
        assert refusal.value.name == "AlreadyClaimed"


def test_the_largest_claim_that_is_sent_fits_a_transaction(staffed: Staffed) -> None:
    """Chains take no transaction with a gas limit above 2^24 (EIP-7825)."""
    world = staffed.world
    headers = [certified(staffed, committeeSize=256).header for _ in range(MAX_BATCH)]
    world.pass_time(SUPPLEMENT_WINDOW)
    receipt = world.send(world.gateway.functions.claim(6, headers), account("anyone"))
    assert receipt["gasUsed"] * GAS_MARGIN < 0.9 * 2**24


def test_claims_that_cannot_be(staffed: Staffed) -> None:
    world = staffed.world
    task, waiting = certified(staffed), world.request()
    with pytest.raises(Reverted) as refusal:
        claim(world, 0, [])
    assert refusal.value.name == "NothingToClaim"
    with pytest.raises(Reverted) as refusal:
        claim(world, 0, [waiting])
    assert (refusal.value.name, refusal.value.arguments) == ("NotCertified", (waiting.id,))
    with pytest.raises(Reverted) as refusal:
        claim(world, 7, [task])
    assert (refusal.value.name, refusal.value.arguments) == ("UnknownOperatorIndex", (7, 7))
    with pytest.raises(Reverted) as refusal:
        claim(world, 0, [task.altered(fee=10**30)])
    assert refusal.value.name == "HeaderMismatch"
    staffed.world.next_epoch()
    later = world.request()
    with pytest.raises(Reverted) as refusal:
        claim(world, 0, [task, later])
    assert (refusal.value.name, refusal.value.arguments) == ("AnotherEpoch", (later.id, 2, 1))


@pytest.mark.parametrize("seed", range(4))
def test_no_coin_is_made_or_lost(staffed: Staffed, seed: int) -> None:
    """Whatever happens to tasks: all that was paid in is paid out, but for the dust of the divisions."""
    world, rng = staffed.world, random.Random(seed)
    gateway = world.gateway
    requesters = [account(f"requester {i}") for i in range(3)]
    workers = [operator(index).account for index in range(len(STAKES))]
    start = {who: world.wei(who) for who in (*requesters, *workers, world.owner)}
    paid_in, dust, signed, open_tasks = 0, 0, [], []
    for _ in range(12):
        who, value = rng.choice(requesters), world.fee + rng.choice([0, 0, 1, 999])
        task = world.request(who, value=value, committeeSize=rng.choice([0, 0, 5]))
        paid_in += value
        if rng.random() < 0.7:
            committee = world.committee(task, staffed.operators)
            members = [member.index for member in committee.members]
            random.Random(rng.random()).shuffle(members)  # as many draws however many members there are
            while committee.quorum(sum(map(committee.weight_of, members[1:]))):
                members.pop(0)
            members.sort()
            world.send(world.submit_call(task, world.certify(task, staffed.operators, members)))
            signed.append((task, members))
            total = sum(map(committee.weight_of, members))
            dust += world.reward - sum(
                world.reward * committee.weight_of(index) // total for index in members
            )
        else:
            open_tasks.append(task)
    assert signed and open_tasks
    assert world.wei(gateway.address) == paid_in
    world.pass_time(601)
    for task in open_tasks:
        world.send(gateway.functions.refund(task.header))
    for index in range(len(STAKES)):
        mine = [task for task, members in signed if index in members]
        if mine:
            claim(world, index, mine)
    accounts = [who for who in start if gateway.functions.balanceOf(who).call()]
    pool = gateway.functions.pool().call()
    assert pool == len(signed) * 17 * BASE_FEE
    royalty = PRICE * ROYALTY_BPS // 10_000
    assert gateway.functions.balanceOf(world.owner).call() == len(signed) * royalty
    assert sum(gateway.functions.balanceOf(who).call() for who in accounts) == paid_in - dust - pool
    for who in accounts:
        world.send(gateway.functions.withdraw(), who)
    assert world.wei(gateway.address) == dust + pool
    assert dust < 12 * len(STAKES)
    # ``World.send`` gives senders exactly what they pay, so what they have more came out of the gateway.
    assert sum(world.wei(who) - start[who] for who in start) == paid_in - dust - pool
