from __future__ import annotations

import pytest

from tests.integration.contracts.test_callbacks import ATTACK, encoded, puppet
from tests.integration.contracts.world import ETHER, WITHDRAWAL_DELAY, Reverted, World, account


def members(world: World) -> dict[str, int]:
    accounts, stakes = world.stakes.functions.members().call()
    assert len(set(accounts)) == len(accounts)
    return dict(zip(accounts, stakes, strict=True))


def test_stake_comes_back_after_the_delay_and_counts_no_more_at_once(world: World) -> None:
    alice, bob = account("alice"), account("bob")
    for who, stake in ((alice, 5 * ETHER), (bob, 2 * ETHER)):
        world.send(world.stakes.functions.deposit(), who, value=stake)
    assert members(world) == {alice: 5 * ETHER, bob: 2 * ETHER}
    world.send(world.stakes.functions.requestWithdrawal(3 * ETHER), alice)
    assert members(world) == {alice: 2 * ETHER, bob: 2 * ETHER}
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.withdraw(), alice)
    assert refusal.value.name == "StillLocked"
    world.pass_time(WITHDRAWAL_DELAY // 2)
    world.send(world.stakes.functions.requestWithdrawal(2 * ETHER), alice)
    assert members(world) == {bob: 2 * ETHER}
    world.pass_time(WITHDRAWAL_DELAY // 2 + 10)
    with pytest.raises(Reverted) as refusal:  # the second request began the delay again
        world.send(world.stakes.functions.withdraw(), alice)
    assert refusal.value.name == "StillLocked"
    world.pass_time(WITHDRAWAL_DELAY)
    before = world.wei(alice)
    world.send(world.stakes.functions.withdraw(), alice)
    assert world.wei(alice) - before == 5 * ETHER
    assert world.wei(world.stakes.address) == 2 * ETHER
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.withdraw(), alice)
    assert refusal.value.name == "NothingToWithdraw"


def test_refuses_what_cannot_be(world: World) -> None:
    alice = account("alice")
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.deposit(), alice)
    assert refusal.value.name == "NothingDeposited"
    world.send(world.stakes.functions.deposit(), alice, value=ETHER // 2)
    assert members(world) == {}
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.join(), alice)
    assert (refusal.value.name, refusal.value.arguments) == ("BelowMinimum", (ETHER // 2, ETHER))
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.requestWithdrawal(ETHER), alice)
    assert (refusal.value.name, refusal.value.arguments) == ("NotEnoughStake", (ETHER, ETHER // 2))
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.requestWithdrawal(0), alice)
    assert refusal.value.name == "NothingToWithdraw"


def test_no_stake_is_too_large_to_be_counted(world: World) -> None:
    """What a member has is kept in 96 bits: more wei than any chain has."""
    whale, most = account("whale"), 2**96 - 1
    world.send(world.stakes.functions.deposit(), whale, value=most)
    assert members(world) == {whale: most}
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.deposit(), whale, value=1)
    assert (refusal.value.name, refusal.value.arguments) == ("TooMuchStake", (most + 1, most))


def test_who_is_paid_cannot_take_it_twice_at_once(world: World) -> None:
    stakes, member = world.stakes, puppet(world, ATTACK)
    world.send(stakes.functions.deposit(), account("bystander"), value=2 * ETHER)
    world.send(member.functions.poke(stakes.address, encoded(stakes.functions.deposit())), value=ETHER)
    ask = stakes.functions.requestWithdrawal(ETHER)
    world.send(member.functions.poke(stakes.address, encoded(ask)))
    world.pass_time(WITHDRAWAL_DELAY)
    withdraw = encoded(stakes.functions.withdraw())
    world.send(member.functions.plan(stakes.address, [withdraw]))
    world.send(member.functions.poke(stakes.address, withdraw))
    assert world.wei(member.address) == ETHER
    assert world.wei(stakes.address) == 2 * ETHER
    assert not member.functions.outcomes(0).call()


def test_a_full_set_keeps_those_with_most_stake(world: World) -> None:
    crowd = [account(f"member {i}") for i in range(256)]
    for i, who in enumerate(crowd):
        world.send(world.stakes.functions.deposit(), who, value=2 * ETHER + i)
    poor, rich = account("poor"), account("rich")
    world.send(world.stakes.functions.deposit(), poor, value=2 * ETHER)  # as much as the least: not more
    assert not world.stakes.functions.isMember(poor).call()
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.join(), poor)
    assert (refusal.value.name, refusal.value.arguments) == ("SetFull", (2 * ETHER, 2 * ETHER))
    world.send(world.stakes.functions.deposit(), rich, value=9 * ETHER)
    assert members(world).keys() == {*crowd[1:], rich}
    # Who was pushed out keeps the stake, and comes back when there is room.
    assert world.stakes.functions.stakeOf(crowd[0]).call() == 2 * ETHER
    world.send(world.stakes.functions.requestWithdrawal(9 * ETHER), rich)
    world.send(world.stakes.functions.join(), crowd[0])
    assert members(world).keys() == set(crowd)
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.join(), crowd[0])
    assert refusal.value.name == "AlreadyMember"


def test_members_leave_in_any_order(world: World) -> None:
    """The last member takes the place of who leaves, and must itself be found there afterwards."""
    crowd = [account(f"member {i}") for i in range(5)]
    for who in crowd:
        world.send(world.stakes.functions.deposit(), who, value=ETHER)
    staying = set(crowd)
    for position in (0, 4, 1, 3, 2):
        world.send(world.stakes.functions.requestWithdrawal(ETHER), crowd[position])
        staying.discard(crowd[position])
        assert members(world).keys() == staying
        assert [world.stakes.functions.isMember(who).call() for who in crowd] == [
            who in staying for who in crowd
        ]
