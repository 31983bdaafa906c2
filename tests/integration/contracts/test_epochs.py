from __future__ import annotations

import pytest
from eth_utils.address import to_canonical_address, to_checksum_address
from py_ecc.bls.point_compression import modular_squareroot_in_FQ2
from py_ecc.optimized_bls12_381 import (
    FQ2,
    add,
    b2,
    curve_order,
    is_inf,
    is_on_curve,
    multiply,
    normalize,
)
from web3.logs import DISCARD

from consensus import bls, sortition, vrf
from consensus.committee import Operator, OperatorSet
from consensus.hashing import words
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.world import (
    EPOCH_LENGTH,
    ETHER,
    REVEAL_BLOCKS,
    Reverted,
    World,
    account,
    operator,
)

RANKS, DRAFT_BLOCKS = 32, 256


def refused(world: World, name: str, *arguments: object, sender: str | None = None) -> tuple[object, ...]:
    call = getattr(world.epochs.functions, name)(*arguments)
    with pytest.raises(Reverted) as refusal:
        world.send(call, sender)
    return (refusal.value.name, *refusal.value.arguments)


def test_nothing_before_the_first_epoch(world: World) -> None:
    assert world.epochs.functions.currentEpoch().call() == 0
    assert refused(world, "freeze", b"") == ("NoOperators",)
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
    assert world.w3.eth.get_code(blobs[0]) == b"\0" + expected.to_blobs()[0] + root + bls.key_xy(
        apk_of(expected)
    )
    assert apk == bls.public_key_to_evm(apk_of(expected))
    assert world.epochs.functions.recordsOf(1).call() == expected.to_records()


def apk_of(operators: OperatorSet) -> bytes:
    """The sum of all keys."""
    backend = bls.SCHEME.backend
    return backend.encode_g1(backend.sum_g1([backend.decode_g1(one.key) for one in operators.operators]))


def mix_hash(world: World) -> bytes:
    return bytes(world.w3.eth.get_block("latest")["mixHash"])


def test_seeds_are_chained_and_made_by_leaders(staffed: Staffed) -> None:
    world = staffed.world
    manager = to_canonical_address(world.epochs.address)
    chain_id = world.w3.eth.chain_id
    first = world.epochs.functions.epochInfo(1).call()[0]
    assert first == words("p2pavs/seed/0", chain_id, manager, mix_hash(world))
    assert world.epochs.functions.revealerOf(1).call() == "0x" + "00" * 20
    world.mine(EPOCH_LENGTH)
    world.send(world.freeze_call())
    pre_seed = vrf.pre_seed(first, 2, mix_hash(world))
    assert world.epochs.functions.pending().call() == [2, world.w3.eth.block_number, pre_seed]
    assert world.epochs.functions.epochInfo(2).call()[0] == bytes(32)
    leader = staffed.operators.operators[world.leader()]
    proof = world.proof()
    output = vrf.verify(leader.key, vrf.vrf_input(chain_id, manager, 2, 0, pre_seed), proof)
    assert output is not None
    receipt = world.send(world.reveal_call(), account("stranger"))
    second = vrf.next_seed(pre_seed, output)
    assert world.epochs.functions.epochInfo(2).call()[0] == second
    assert world.epochs.functions.current().call() == [2, second, len(STAKES)]
    [log] = world.epochs.events.BeaconRevealed().process_receipt(receipt, errors=DISCARD)
    assert dict(log["args"]) == {"epoch": 2, "operator": to_checksum_address(leader.operator), "rank": 0}
    assert world.epochs.functions.revealerOf(2).call() == to_checksum_address(leader.operator)


@pytest.fixture
def frozen(staffed: Staffed) -> Staffed:
    """The set of epoch 2 is frozen, and its seed is the leaders' to make."""
    staffed.world.mine(EPOCH_LENGTH)
    staffed.world.send(staffed.world.freeze_call())
    return staffed


def test_each_rank_has_a_window_of_its_own(frozen: Staffed) -> None:
    world = frozen.world
    leaders = [world.leader(rank) for rank in range(RANKS)]
    assert len(set(leaders)) > 1
    for rank in range(3):
        for wrong in range(len(STAKES)):
            if wrong != leaders[rank]:
                proof = bls.signature_to_evm(world.proof(rank, wrong))
                hint = world.key_hint(wrong)
                assert refused(world, "reveal", wrong, hint, proof) == ("NotTheLeader", wrong, rank)
        world.simulate(world.reveal_call(rank), world.owner)
        assert refused(world, "open")[0] == "LadderNotOver"
        world.mine(REVEAL_BLOCKS)
        # The proof of a leader that let its window pass is worth nothing any more, whoever comes next.
        late = world.reveal_call(rank)
        with pytest.raises(Reverted) as refusal:
            world.send(late)
        assert refusal.value.name in ("NotTheLeader", "SignatureMismatch")
    world.send(world.reveal_call(3))
    assert world.epochs.functions.currentEpoch().call() == 2


def test_with_all_leaders_dead_the_block_makes_the_seed(frozen: Staffed) -> None:
    world = frozen.world
    frozen_at, pre_seed = world.epochs.functions.pending().call()[1:]
    world.mine(frozen_at + RANKS * REVEAL_BLOCKS - world.w3.eth.block_number - 1)
    assert refused(world, "open")[0] == "LadderNotOver"
    world.mine()
    assert refused(world, "reveal", 0, bytes(48), bytes(256)) == ("LadderOver", 2, RANKS)
    world.send(world.epochs.functions.open(), account("stranger"))
    assert world.epochs.functions.epochInfo(2).call()[0] == words("p2pavs/seed/2", pre_seed, mix_hash(world))
    assert world.epochs.functions.revealerOf(2).call() == "0x" + "00" * 20


def test_a_set_that_is_never_opened_is_frozen_anew(frozen: Staffed) -> None:
    world = frozen.world
    world.mine(RANKS * REVEAL_BLOCKS + EPOCH_LENGTH - 1)
    assert refused(world, "freeze", b"") == ("AlreadyFrozen", 2)
    world.send(world.registry.functions.exit(), operator(0).account)
    world.send(world.freeze_call())
    assert world.epochs.functions.epochInfo(2).call()[2] == len(STAKES) - 1
    world.send(world.reveal_call())


def test_the_seed_cannot_be_ground_through_encodings(frozen: Staffed) -> None:
    """Only one form of the one valid proof is taken: each other form would be another seed."""
    world = frozen.world
    leader, proof = world.leader(), world.proof()
    hint = world.key_hint(leader)
    evm = bls.signature_to_evm(proof)
    world.simulate(world.reveal_call(), world.owner)
    elements = [evm[at : at + 64] for at in range(0, 256, 64)]
    plus_p = [(int.from_bytes(element, "big") + FIELD).to_bytes(64, "big") for element in elements]
    negated = bls.signature_to_evm(bytes([proof[0] ^ 0x20]) + proof[1:])
    off_subgroup = _g2_outside_the_subgroup()
    forms = {
        **{
            f"coordinate {i} plus p": b"".join([*elements[:i], plus_p[i], *elements[i + 1 :]])
            for i in range(4)
        },
        **{f"padding of {i}": evm[: 64 * i] + b"\1" + evm[64 * i + 1 :] for i in range(4)},
        "the other root": negated,
        "swapped coordinates": elements[1] + elements[0] + elements[3] + elements[2],
        "infinity": bytes(256),
        "not on the curve": evm[:-1] + bytes([evm[-1] ^ 1]),
        "outside the subgroup": off_subgroup,
        "plus a point of the cofactor": _add_g2(evm, off_subgroup),
        "too short": evm[:-1],
        "too long": evm + b"\0",
        "compressed": proof,
    }
    for name, form in forms.items():
        refusal = refused(world, "reveal", leader, hint, form)[0]
        assert refusal in REFUSED_FORMS, (name, refusal)
    other = [index for index in range(len(STAKES)) if index != leader]
    for index in other:  # nor by another's key, nor under another suite
        form = bls.signature_to_evm(world.proof(0, index))
        assert refused(world, "reveal", leader, hint, form) == ("SignatureMismatch",)
    for wrong in (negated_y(hint), hint[:-1], hint + b"\0"):
        assert refused(world, "reveal", leader, wrong, evm) == ("WrongKeyHint", leader)
    off_curve = hint[:-1] + bytes([hint[-1] ^ 1])
    assert refused(world, "reveal", leader, off_curve, evm) == ("InvalidPoint",)
    world.send(world.reveal_call())


def negated_y(y: bytes) -> bytes:
    """The other root: on the curve as well."""
    return (FIELD - int.from_bytes(y, "big")).to_bytes(48, "big")


REFUSED_FORMS = {"InvalidPoint", "InfinitySignature", "SignatureMismatch", "WrongSignatureLength"}
FIELD = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB


def _g2_outside_the_subgroup() -> bytes:
    """A point of the twist that no signature can be: the first one found by its x."""
    for x in range(1, 50):
        x_squared = (FQ2([x, 0]) * FQ2([x, 0])) * FQ2([x, 0]) + FQ2([4, 4])
        y = modular_squareroot_in_FQ2(x_squared)
        if y is not None:
            point = (FQ2([x, 0]), y, FQ2.one())
            assert is_on_curve(point, b2) and not is_inf(multiply(point, curve_order))
            return _evm(point)
    raise AssertionError


def _evm(point: tuple[FQ2, FQ2, FQ2]) -> bytes:
    x, y = normalize(point)
    return b"".join(int(c).to_bytes(64, "big") for c in (*x.coeffs, *y.coeffs))


def _add_g2(one: bytes, other: bytes) -> bytes:
    points = []
    for raw in (one, other):
        c = [int.from_bytes(raw[at : at + 64], "big") for at in range(0, 256, 64)]
        points.append((FQ2(c[:2]), FQ2(c[2:]), FQ2.one()))
    return _evm(add(*points))


def test_who_stays_away_is_in_no_snapshot_of_the_next(world: World) -> None:
    """A set is written in several transactions, all from the stakes of the first one's moment."""
    crew = world.enlist([ETHER + i for i in range(70)])
    world.send(world.freeze_call(64))
    assert refused(world, "open") == ("NothingFrozen", 1)
    late = operator(70)
    world.send(world.registration(late), late.account)
    world.send(world.stakes.functions.deposit(), late.account, value=ETHER)
    world.send(world.stakes.functions.deposit(), crew[69].account, value=ETHER)
    world.send(world.stakes.functions.requestWithdrawal(ETHER), crew[0].account)
    receipt = world.send(world.freeze_call(64), account("stranger"))
    assert [log["args"]["count"] for log in world.epochs.events.EpochFrozen().process_receipt(receipt)] == [
        70
    ]
    world.send(world.epochs.functions.open())
    operators = world.operator_set()
    assert [one.operator for one in operators.operators] == [who.address for who in crew]
    assert [one.stake for one in operators.operators] == [ETHER + i for i in range(70)]
    assert world.epochs.functions.epochInfo(1).call()[3] == operators.root


def test_an_abandoned_snapshot_is_begun_anew(world: World) -> None:
    crew = world.enlist([ETHER + i for i in range(65)])
    world.send(world.freeze_call(64))
    world.send(world.stakes.functions.requestWithdrawal(ETHER), crew[0].account)
    world.mine(DRAFT_BLOCKS + 1)
    world.send(world.freeze_call(128))
    world.send(world.epochs.functions.open())
    assert crew[0].address not in {one.operator for one in world.operator_set().operators}


def test_keys_are_those_that_the_registry_has(world: World) -> None:
    """Others do no harm, but without the right ones there is no set."""
    crew = world.enlist([ETHER + i for i in range(3)])
    good = [bls.key_xy(who.key) for who in crew]
    missing = ("KeyMissing", crew[2].account)
    for keys in (good[:2], [*good[:2], good[1]], [good[0], good[1], bls.key_xy(operator(9).key)]):
        assert refused(world, "freeze", b"".join(keys)) == missing
    assert refused(world, "freeze", b"".join([good[1], good[0], good[2]])) == ("KeyMissing", crew[1].account)
    wrong_sign = good[2][:48] + negated_y(good[2][48:])
    assert refused(world, "freeze", b"".join([*good[:2], wrong_sign])) == missing
    # Its hash has only x and the sign of y; that the point is on the curve, the precompile says.
    for off_curve in (bytes([good[2][48] ^ 2]) + good[2][49:], good[2][49:] + b"\1"):
        keys = good[0] + good[1] + good[2][:48] + off_curve
        assert refused(world, "freeze", keys)[0] in ("PrecompileFailed", "KeyMissing")
    shifted = (int.from_bytes(good[2][48:], "big") + FIELD).to_bytes(48, "big")
    assert refused(world, "freeze", good[0] + good[1] + good[2][:48] + shifted)[0] in (
        "PrecompileFailed",
        "KeyMissing",
    )
    assert refused(world, "freeze", good[0][:-1]) == ("WrongKeysLength", 95)
    stranger = bls.key_xy(operator(9).key)
    world.send(world.epochs.functions.freeze(b"".join([stranger, *good, stranger])))
    assert world.epochs.functions.pending().call()[1] == world.w3.eth.block_number


def test_a_snapshot_without_keys_notes_who_counts(world: World) -> None:
    """So nobody can keep a set from being frozen by joining or leaving all the time."""
    crew = world.enlist([ETHER + i for i in range(3)])
    world.send(world.epochs.functions.freeze(b""))
    late = operator(3)
    world.send(world.registration(late), late.account)
    world.send(world.stakes.functions.deposit(), late.account, value=ETHER)
    world.send(world.stakes.functions.requestWithdrawal(ETHER), crew[0].account)
    assert world.wanted_keys() == [who.key for who in crew]
    world.send(world.freeze_call())
    world.send(world.epochs.functions.open())
    assert [one.operator for one in world.operator_set().operators] == [who.address for who in crew]


def test_a_draft_whose_rest_has_left_is_begun_anew(world: World) -> None:
    crew = world.enlist([ETHER + i for i in range(65)])
    world.send(world.freeze_call(64))
    world.send(world.registry.functions.exit(), crew[64].account)
    world.send(world.freeze_call())
    assert world.epochs.functions.pending().call()[1] == 0
    world.send(world.freeze_call())
    world.send(world.epochs.functions.open())
    operators = world.operator_set()
    assert [one.operator for one in operators.operators] == [who.address for who in crew[:64]]
    assert world.epochs.functions.epochInfo(1).call()[3] == operators.root


def test_exactly_full_blobs_with_members_behind_that_do_not_count(world: World) -> None:
    crew = world.enlist([ETHER + i for i in range(66)])
    for who in crew[64:]:
        world.send(world.registry.functions.exit(), who.account)
    operators = world.next_epoch()
    assert (len(operators.operators), operators.blob_counts) == (64, (64,))
    assert world.epochs.functions.epochInfo(1).call()[3] == operators.root


def test_an_unchanged_set_is_not_written_again(staffed: Staffed) -> None:
    world = staffed.world
    before = world.epochs.functions.epochInfo(1).call()
    world.mine(EPOCH_LENGTH)
    cheap = world.send(world.freeze_call())["gasUsed"]
    world.send(world.reveal_call())
    after = world.epochs.functions.epochInfo(2).call()
    assert (after[3], after[5]) == (before[3], before[5])
    world.send(world.stakes.functions.deposit(), operator(0).account, value=1)
    world.mine(EPOCH_LENGTH)
    dear = world.send(world.freeze_call())["gasUsed"]
    assert cheap < 0.8 * dear
    changed = world.epochs.functions.epochInfo(3).call()
    assert changed[5] != before[5]
    assert world.epochs.functions.recordsOf(1).call() != world.epochs.functions.recordsOf(3).call()


def test_selection_follows_stake_on_chain_and_off(staffed: Staffed) -> None:
    """Seats and leaders of Python and Solidity are the same; tests/unit/consensus has the distribution."""
    harness = staffed.world.deploy_test_contract("Harness")
    starts = sortition.starts(STAKES)
    for number in range(8):
        seed = words("test", number)
        points = harness.functions.seatPoints(seed, 3, 256, sum(STAKES)).call()
        ours = sortition.seats(seed, 3, STAKES, 256)
        assert tuple(sortition.owner(starts, point) for point in points) == ours


def test_a_set_is_frozen_before_its_seed_exists(world: World) -> None:
    world.enlist([ETHER])
    world.rpc("evm_setAutomine", False)
    try:
        sent = [
            call.transact(world.transaction(world.owner, gas=5_000_000))
            for call in (world.freeze_call(), world.epochs.functions.open())
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
    assert refused(world, "freeze", b"") == ("AlreadyFrozen", 1)
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
    assert refused(world, "freeze", b"") == (
        "EpochNotDue",
        opened_at + EPOCH_LENGTH,
        opened_at + EPOCH_LENGTH - 1,
    )
    world.mine()
    receipt = world.send(world.freeze_call(), account("stranger"))
    [log] = world.epochs.events.EpochFrozen().process_receipt(receipt)
    assert dict(log["args"]) == {
        "epoch": 2,
        "count": len(STAKES),
        "totalStake": sum(STAKES),
        "setRoot": world.epochs.functions.setRootOf(2).call(),
    }
    assert world.epochs.functions.currentEpoch().call() == 1
    receipt = world.send(world.reveal_call(), account("stranger"))
    [log] = world.epochs.events.EpochOpened().process_receipt(receipt, errors=DISCARD)
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
