from __future__ import annotations

import pytest
from eth_utils.address import to_canonical_address

from consensus import bls
from consensus.committee import Operator, OperatorSet
from consensus.hashing import words
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.world import EPOCH_LENGTH, ETHER, Reverted, World, account, operator


def refused(world: World, name: str, sender: str | None = None) -> tuple[object, ...]:
    call = getattr(world.epochs.functions, name)()
    with pytest.raises(Reverted) as refusal:
        world.send(call, sender)
    return (refusal.value.name, *refusal.value.arguments)


def test_nothing_before_the_first_epoch(world: World) -> None:
    assert world.epochs.functions.currentEpoch().call() == 0
    assert refused(world, "freeze") == ("NoOperators",)
    assert refused(world, "open") == ("NothingFrozen", 1)
    for name in ("epochInfo", "recordsOf", "setRootOf", "setOf"):
        with pytest.raises(Reverted) as refusal:
            world.simulate(getattr(world.epochs.functions, name)(1), world.owner)
        assert (refusal.value.name, refusal.value.arguments) == ("UnknownEpoch", (1,))


def test_the_set_on_chain_is_the_set_off_chain(staffed: Staffed) -> None:
    world = staffed.world
    expected = OperatorSet(
        1, [Operator(operator(i).address, operator(i).key, stake) for i, stake in enumerate(STAKES)]
    )
    assert staffed.operators == expected
    _, total, count, root, opened_at, blobs, apk = world.epochs.functions.epochInfo(1).call()
    assert (total, count, root) == (expected.total_stake, len(STAKES), expected.root)
    assert opened_at == world.w3.eth.block_number
    assert len(blobs) == 1
    assert world.w3.eth.get_code(blobs[0]) == b"\0" + expected.to_records()
    summed = bls.SCHEME.backend.sum_g1(
        [bls.SCHEME.backend.decode_g1(entry.key) for entry in expected.operators]
    )
    assert apk == bls.public_key_to_evm(bls.SCHEME.backend.encode_g1(summed))


def test_seeds_are_chained_and_made_of_the_opening_block(staffed: Staffed) -> None:
    world = staffed.world
    manager = to_canonical_address(world.epochs.address)
    mix = bytes(world.w3.eth.get_block("latest")["mixHash"])
    first = world.epochs.functions.epochInfo(1).call()[0]
    assert first == words("p2pavs/seed/0", world.w3.eth.chain_id, manager, mix)
    world.next_epoch()
    mix = bytes(world.w3.eth.get_block("latest")["mixHash"])
    second = world.epochs.functions.epochInfo(2).call()[0]
    assert second == words("p2pavs/seed/1", first, 2, mix)
    assert world.epochs.functions.current().call() == [2, second, len(STAKES)]


def test_a_set_is_frozen_before_its_seed_exists(world: World) -> None:
    world.enlist([ETHER])
    world.rpc("evm_setAutomine", False)
    try:
        sent = [
            call.transact(world.transaction(world.owner, gas=5_000_000))
            for call in (world.epochs.functions.freeze(), world.epochs.functions.open())
        ]
        world.mine()
    finally:
        world.rpc("evm_setAutomine", True)
    receipts = [world.w3.eth.wait_for_transaction_receipt(one) for one in sent]
    assert receipts[0]["blockNumber"] == receipts[1]["blockNumber"]
    assert [one["status"] for one in receipts] == [1, 0], "open must not go through in the freezing block"
    seed, _, count, root, opened_at, *_ = world.epochs.functions.epochInfo(1).call()
    assert (seed, count, opened_at) == (bytes(32), 1, 0)
    assert root != bytes(32)
    assert refused(world, "freeze") == ("AlreadyFrozen", 1)
    # Who joins now is too late for the frozen set.
    late = operator(1)
    world.send(world.registration(late), late.account)
    world.send(world.stakes.functions.deposit(), late.account, value=ETHER)
    world.send(world.epochs.functions.open())
    assert world.epochs.functions.epochInfo(1).call()[2] == 1
    assert refused(world, "open") == ("NothingFrozen", 2)


def test_an_epoch_lasts_its_length_and_anyone_may_end_it(staffed: Staffed) -> None:
    world = staffed.world
    opened_at = world.epochs.functions.epochInfo(1).call()[4]
    world.mine(EPOCH_LENGTH - 2)
    assert refused(world, "freeze") == ("EpochNotDue", opened_at + EPOCH_LENGTH, opened_at + EPOCH_LENGTH - 1)
    world.mine()
    receipt = world.send(world.epochs.functions.freeze(), account("stranger"))
    [log] = world.epochs.events.EpochFrozen().process_receipt(receipt)
    assert dict(log["args"]) == {
        "epoch": 2,
        "count": len(STAKES),
        "totalStake": sum(STAKES),
        "setRoot": world.epochs.functions.setRootOf(2).call(),
    }
    assert world.epochs.functions.currentEpoch().call() == 1
    receipt = world.send(world.epochs.functions.open(), account("stranger"))
    [log] = world.epochs.events.EpochOpened().process_receipt(receipt)
    assert log["args"]["epoch"] == 2
    assert world.epochs.functions.currentEpoch().call() == 2


def test_only_active_operators_with_enough_stake_count(world: World) -> None:
    crew = world.enlist([ETHER, 2 * ETHER, 3 * ETHER, 4 * ETHER])
    below = operator(4)
    world.send(world.registration(below), below.account)
    world.send(world.stakes.functions.deposit(), below.account, value=ETHER - 1)
    world.send(world.stakes.functions.deposit(), account("staked, not registered"), value=9 * ETHER)
    world.send(world.registry.functions.exit(), crew[0].account)
    world.send(world.stakes.functions.requestWithdrawal(2 * ETHER), crew[1].account)
    world.send(world.stakes.functions.requestWithdrawal(2 * ETHER), crew[2].account)
    operators = world.next_epoch()
    assert {entry.operator: entry.stake for entry in operators.operators} == {
        crew[2].address: ETHER,
        crew[3].address: 4 * ETHER,
    }
    assert world.epochs.functions.epochInfo(1).call()[3] == operators.root
    # They may come back.
    world.send(world.stakes.functions.deposit(), crew[1].account, value=ETHER)
    world.send(world.stakes.functions.deposit(), below.account, value=1)
    operators = world.next_epoch()
    assert {entry.operator for entry in operators.operators} == {
        who.address for who in (crew[1], crew[2], crew[3], below)
    }
    assert world.epochs.functions.epochInfo(2).call()[3] == operators.root
