"""Operator sets, committees, quorums, and the contract's description of signers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import bls
from consensus.committee import (
    RECORD_BYTES,
    Committee,
    CommitteeError,
    Member,
    Operator,
    OperatorSet,
    OperatorSetError,
)
from consensus.hashing import keccak256, words
from tests.unit.consensus.factory import TASK_HASH, TASK_SEED, address, committee, key, operator_set

STAKES = [5, 1, 3, 1]


def parts(total: int, weights: list[int]) -> Committee:
    members = tuple(Member(i, address(i), bytes(48), weight) for i, weight in enumerate(weights))
    return Committee(members, total, bytes(32), (), TASK_SEED, 0)


def test_records_turn_back() -> None:
    made = operator_set(STAKES)
    records = made.to_records()
    assert len(records) == len(STAKES) * RECORD_BYTES
    assert OperatorSet.from_records(1, records) == made
    second = records[RECORD_BYTES : 2 * RECORD_BYTES]
    assert second == address(1) + key(1) + (5 + 1).to_bytes(16, "big")


def test_the_root_folds_the_blobs() -> None:
    made = operator_set(STAKES)
    records = made.to_records()
    assert made.to_blobs() == (bytes(16) + records,)
    fold = keccak256(bytes(32) + keccak256(bytes(16) + records))
    assert made.root == words("p2pavs/set/1", 4, 10, fold)
    blobs = (bytes(16) + records[:RECORD_BYTES], (5).to_bytes(16, "big") + records[RECORD_BYTES:])
    split = OperatorSet.from_blobs(1, blobs)
    fold = keccak256(bytes(32) + keccak256(blobs[0]))
    fold = keccak256(fold + keccak256(blobs[1]))
    assert split.to_blobs() == blobs
    assert split.root == words("p2pavs/set/1", 4, 10, fold)
    assert split.operators == made.operators


def test_more_records_than_a_blob_holds_are_split() -> None:
    made = operator_set([1] * 161)
    assert made.blob_counts == (64, 64, 33)
    assert OperatorSet.from_records(1, made.to_records()).root == made.root


def broken_records() -> dict[str, bytes]:
    good = operator_set(STAKES).to_records()
    first, second = good[:RECORD_BYTES], good[RECORD_BYTES : 2 * RECORD_BYTES]

    def end(record: bytes, stake: int) -> bytes:
        return record[:68] + stake.to_bytes(16, "big")

    return {
        "no operators": b"",
        "half a record": good[:-1],
        "less than all before it": first + end(second, 4),
        "no stake": first + end(second, 5),
        "same operator": first + first[:20] + second[20:],
        "same key": first + second[:20] + first[20:68] + second[68:],
        "key off the curve": first[:67] + bytes([first[67] ^ 1]) + first[68:],
        "key not compressed": first[:20] + bytes([first[20] & 0x7F]) + first[21:],
        "key at infinity": first[:20] + b"\xc0" + bytes(47) + first[68:],
        "too many": first * 257,
    }


@pytest.mark.parametrize("name", broken_records())
def test_broken_records_are_refused(name: str) -> None:
    with pytest.raises(OperatorSetError):
        OperatorSet.from_records(1, broken_records()[name])


def test_a_blob_begins_with_the_stake_before_it() -> None:
    records = operator_set(STAKES).to_records()
    first, rest = records[:RECORD_BYTES], records[RECORD_BYTES:]
    for one, other in ((1, 5), (0, 4), (0, 0)):
        with pytest.raises(OperatorSetError, match="begins at"):
            OperatorSet.from_blobs(1, [one.to_bytes(16, "big") + first, other.to_bytes(16, "big") + rest])
    with pytest.raises(OperatorSetError, match="whole records"):
        OperatorSet.from_blobs(1, [bytes(15)])


def test_blobs_must_make_up_the_set() -> None:
    entries = [Operator(address(0), key(0), 1)]
    for counts in ([], [2], [1, 0], [161]):
        with pytest.raises(OperatorSetError, match="blobs"):
            OperatorSet(1, entries, counts)


def test_the_whole_set_decides_by_stake() -> None:
    made = committee(STAKES)
    assert [(m.index, m.weight) for m in made.members] == list(enumerate(STAKES))
    assert (made.total_weight, made.seats) == (10, ())
    assert made.root == words("p2pavs/committee/1", 1, operator_set(STAKES).root, TASK_SEED, 0, 0, TASK_HASH)


def test_seats_decide_by_number() -> None:
    made = committee(STAKES, 7)
    assert made.total_weight == 7 == len(made.seats) == sum(m.weight for m in made.members)
    for member in made.members:
        assert member.weight == made.seats.count(member.index) > 0
        assert member.key == key(member.index)
    assert made.root != committee(STAKES, 8).root
    with pytest.raises(CommitteeError, match="257"):
        committee(STAKES, 257)


def test_every_part_of_a_committee_is_in_its_root() -> None:
    one, other = operator_set(STAKES), operator_set(STAKES, epoch=2)
    roots = {
        Committee.select(one, TASK_HASH, TASK_SEED, 0, 4).root,
        Committee.select(other, TASK_HASH, TASK_SEED, 0, 4).root,
        Committee.select(operator_set([6, 1, 3, 1]), TASK_HASH, TASK_SEED, 0, 4).root,
        Committee.select(one, TASK_HASH, bytes(32), 0, 4).root,
        Committee.select(one, bytes(32), TASK_SEED, 0, 4).root,
        Committee.select(one, TASK_HASH, TASK_SEED, 1, 4).root,
        Committee.select(one, TASK_HASH, TASK_SEED, 0, 5).root,
    }
    assert len(roots) == 7


def test_proposers_and_posters_are_members() -> None:
    made = committee([1] * 30, 5)
    indexes = [member.index for member in made.members]
    assert {made.proposer(r) for r in range(200)} == set(indexes)
    assert sorted(made.poster_order()) == indexes


def test_asking_for_who_is_not_there() -> None:
    made = committee([1] * 30, 3)
    outsider = next(i for i in range(30) if i not in made)
    assert made.weight_of(outsider) == 0
    with pytest.raises(CommitteeError, match="not on the committee"):
        made.member(outsider)


def test_a_committee_must_add_up() -> None:
    with pytest.raises(CommitteeError, match="sum"):
        parts(4, [1, 2])
    with pytest.raises(CommitteeError, match="positive"):
        parts(1, [1, 0])
    with pytest.raises(CommitteeError, match="ascending"):
        parts(0, [])
    twice = (Member(1, address(1), bytes(48), 1),) * 2
    with pytest.raises(CommitteeError, match="ascending"):
        Committee(twice, 2, bytes(32), (), TASK_SEED, 0)


@pytest.mark.parametrize(
    ("total", "least", "weak"), [(1, 1, 1), (3, 3, 2), (4, 3, 2), (6, 5, 3), (7, 5, 3), (9, 7, 4), (10, 7, 4)]
)
def test_thresholds(total: int, least: int, weak: int) -> None:
    made = parts(total, [total])
    assert [made.quorum(w) for w in range(total + 1)] == [w >= least for w in range(total + 1)]
    assert [made.weak_quorum(w) for w in range(total + 1)] == [w >= weak for w in range(total + 1)]


@given(st.integers(1, 2**128), st.data())
def test_quorums_overlap_in_more_than_a_third(total: int, data: st.DataObject) -> None:
    made = parts(total, [total])
    one, other = (data.draw(st.integers(0, total)) for _ in range(2))
    if made.quorum(one) and made.quorum(other):
        assert made.weak_quorum(one + other - total)
    # What is left when no quorum is possible without them is a weak quorum, or all but.
    assert not (made.quorum(one) and made.weak_quorum(total - one))
    if not made.quorum(one):
        assert 3 * (total - one) >= total


def y(index: int) -> bytes:
    return bls.key_xy(key(index))[48:]


@settings(max_examples=30)
@given(st.integers(0, 12), st.sets(st.integers(0, 5)))
def test_the_contract_form_names_the_signers(size: int, wanted: set[int]) -> None:
    made = committee([5, 1, 3, 1, 1, 9], size)
    signers = tuple(sorted(index for index in wanted if index in made))
    bitmap, hints = made.bitmap_and_hints(signers)
    assert bitmap == made.bitmap_of(signers)
    places = [bit for bit in range(12) if bitmap >> bit & 1]
    if not size:
        assert places == list(signers)
        assert hints == b"".join(y(index) for index in range(6) if index not in signers)
        assert made.supplement_bitmap_and_hints(signers) == (bitmap, b"".join(map(y, signers)))
        return
    owners = [made.seats[place] for place in places]
    assert (set(owners), len(owners)) == (set(signers), sum(map(made.weight_of, signers)))
    indexes = b"".join(index.to_bytes(2, "big") for index in owners)
    assert hints == indexes + b"".join(map(y, sorted(set(owners), key=owners.index)))
    assert made.supplement_bitmap_and_hints(signers) == (bitmap, hints)


def test_what_a_certificate_has_is_not_added_again() -> None:
    whole, seats = committee(STAKES), committee(STAKES, 8)
    assert whole.supplement_bitmap_and_hints((1, 2), 0b1011) == (0b100, y(2))
    twice = next(member for member in seats.members if member.weight > 1)
    first = 1 << seats.seats.index(twice.index)
    bitmap, hints = seats.supplement_bitmap_and_hints((twice.index,), first)
    assert bitmap == seats.bitmap_of((twice.index,)) & ~first
    assert hints == twice.index.to_bytes(2, "big") * (twice.weight - 1) + y(twice.index)


def test_signers_that_are_none_are_refused() -> None:
    whole = committee(STAKES)
    with pytest.raises(CommitteeError, match="twice"):
        whole.bitmap_and_hints((1, 1))
    with pytest.raises(CommitteeError, match="not on"):
        whole.bitmap_and_hints((9,))
