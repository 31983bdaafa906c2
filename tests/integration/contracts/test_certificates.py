from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from consensus import bls
from consensus.bls_backends.encoding import P as MODULUS
from consensus.bls_backends.protocol import CURVE_ORDER
from consensus.committee import OperatorSet
from consensus.hashing import keccak256
from consensus.types import InstanceId, Kind, Scope
from p2pavs.chain.certificates import result_to_abi
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.world import ETHER, Reverted, Task, World, operator

EVERYONE = tuple(range(len(STAKES)))
TOTAL = sum(STAKES)


def refusal_of(world: World, task: Task, certificate: tuple[Any, ...], output: bytes = b"yes") -> Reverted:
    with pytest.raises(Reverted) as refusal:
        world.send(world.submit_call(task, certificate, output))
    assert world.status(task) == 1, "a refused certificate changes nothing"
    return refusal.value


def test_any_quorum_of_the_whole_set_and_nothing_less(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    for missing in (m for size in (0, 1, 2, 3, 4) for m in combinations(EVERYONE, size)):
        signers = [index for index in EVERYONE if index not in missing]
        signed = sum(STAKES[index] for index in signers)
        call = world.submit_call(task, world.certify(task, staffed.operators, signers))
        if 3 * signed > 2 * TOTAL:
            world.simulate(call, world.owner)
        else:
            with pytest.raises(Reverted) as refusal:
                world.simulate(call, world.owner)
            assert (refusal.value.name, refusal.value.arguments) == ("QuorumNotReached", (signed, TOTAL))


def test_exactly_two_thirds_is_not_a_quorum(world: World) -> None:
    world.enlist([ETHER] * 3)
    operators = world.next_epoch()
    task = world.request()
    refusal = refusal_of(world, task, world.certify(task, operators, [0, 2]))
    assert (refusal.name, refusal.arguments) == ("QuorumNotReached", (2 * ETHER, 3 * ETHER))
    world.send(world.submit_call(task, world.certify(task, operators)))


@pytest.mark.parametrize("size", [1, 2, 7, 31, 256])
def test_drawn_seats(staffed: Staffed, size: int) -> None:
    world, task = staffed.world, staffed.world.request(committeeSize=size)
    committee = world.committee(task, staffed.operators)
    certificate = world.certify(task, staffed.operators)
    receipt = world.send(world.submit_call(task, certificate))
    [log] = world.gateway.events.TaskCertified().process_receipt(receipt)
    assert (log["args"]["signedWeight"], log["args"]["totalWeight"]) == (size, size)
    assert log["args"]["bitmap"] == 2**size - 1
    assert committee.total_weight == size


def test_a_quorum_of_seats_and_nothing_less(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request(committeeSize=9)
    committee = world.committee(task, staffed.operators)
    whole = world.certify(task, staffed.operators)
    outcomes = set()
    for size in range(1, len(committee.members) + 1):
        for signers in combinations([member.index for member in committee.members], size):
            certificate = world.certify(task, staffed.operators, signers)
            weight = sum(committee.weight_of(index) for index in signers)
            try:
                world.simulate(world.submit_call(task, certificate), world.owner)
                outcomes.add((weight, True))
            except Reverted as refusal:
                assert (refusal.name, refusal.arguments) == ("QuorumNotReached", (weight, 9))
                outcomes.add((weight, False))
    assert all(accepted == (weight > 6) for weight, accepted in outcomes)
    assert (9, True) in outcomes and (min(outcomes)[0] <= 6)
    world.send(world.submit_call(task, whole))


def swap(certificate: tuple[Any, ...], **changes: Any) -> tuple[Any, ...]:
    names = ("attempt", "round", "result", "bitmap", "hints", "signature")
    return tuple((dict(zip(names, certificate, strict=True)) | changes).values())


def test_wrong_bits_of_the_whole_set(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    certificate = world.certify(task, staffed.operators, EVERYONE[1:])
    claims_more = swap(certificate, bitmap=2 ** len(EVERYONE) - 1, hints=b"")
    assert refusal_of(world, task, claims_more).name == "SignatureMismatch"
    claims_other = swap(certificate, bitmap=2 ** len(EVERYONE) - 1 - 0b10, hints=world.key_hint(1))
    assert refusal_of(world, task, claims_other).name == "SignatureMismatch"
    beyond = swap(certificate, bitmap=certificate[3] | 1 << len(EVERYONE))
    assert refusal_of(world, task, beyond).name == "BitmapTooWide"
    far_beyond = swap(certificate, bitmap=certificate[3] | 1 << 255)
    assert refusal_of(world, task, far_beyond).name == "BitmapTooWide"
    nobody = swap(certificate, bitmap=0, hints=b"".join(map(world.key_hint, EVERYONE)))
    assert refusal_of(world, task, nobody).name == "QuorumNotReached"
    for hints in (b"", b"\0\0", certificate[4][:-1], certificate[4] + b"\0", certificate[4] * 2):
        assert refusal_of(world, task, swap(certificate, hints=hints)).name == "WrongHintsLength"


@pytest.mark.parametrize("size", [0, 31])  # of so few as 9 seats, each member may have a third
def test_wrong_keys_in_hints(staffed: Staffed, size: int) -> None:
    """A y that is the other root, another key's, off the curve or not below the modulus makes no key."""
    world, task = staffed.world, staffed.world.request(committeeSize=size)
    committee = world.committee(task, staffed.operators)
    missing = 0 if not size else min(committee.members, key=lambda member: member.weight).index
    signers = [member.index for member in committee.members if member.index != missing]
    certificate = world.certify(task, staffed.operators, signers)
    hints, y = certificate[4][:-48], certificate[4][-48:]
    # The last y is that of the missing operator, or of the last one that first holds a signing seat.
    owners = [index for seat, index in enumerate(committee.seats) if certificate[3] >> seat & 1] or [missing]
    last = list(dict.fromkeys(owners))[-1]
    assert y == world.key_hint(last)
    number = int.from_bytes(y, "big")
    forms = {
        "the other root": (MODULUS - number).to_bytes(48, "big"),
        "not below the modulus": (MODULUS + number).to_bytes(48, "big"),
        "off the curve": y[:-1] + bytes([y[-1] ^ 1]),
        "another key's": world.key_hint((last + 1) % len(EVERYONE)),
        "zero": bytes(48),
    }
    for name, form in forms.items():
        refusal = refusal_of(world, task, swap(certificate, hints=hints + form))
        assert refusal.name in ("WrongKeyHint", "PrecompileFailed"), name
        assert name != "the other root" or refusal.name == "WrongKeyHint"
    world.send(world.submit_call(task, certificate))


def test_wrong_hints_and_bits_of_seats(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request(committeeSize=9)
    committee = world.committee(task, staffed.operators)
    certificate = world.certify(task, staffed.operators)
    hints = certificate[4]
    for seat in range(9):
        for wrong in range(len(EVERYONE)):
            if wrong == committee.seats[seat]:
                continue
            forged = hints[: 2 * seat] + wrong.to_bytes(2, "big") + hints[2 * seat + 2 :]
            refusal = refusal_of(world, task, swap(certificate, hints=forged))
            assert (refusal.name, refusal.arguments) == ("WrongSeatHolder", (seat, wrong))
    stranger = hints[:2] + len(EVERYONE).to_bytes(2, "big") + hints[4:]
    assert refusal_of(world, task, swap(certificate, hints=stranger)).name == "UnknownSeatHolder"
    assert refusal_of(world, task, swap(certificate, hints=hints[:-2])).name == "WrongHintsLength"
    assert refusal_of(world, task, swap(certificate, hints=hints + b"\0")).name == "WrongHintsLength"
    assert refusal_of(world, task, swap(certificate, hints=b"")).name == "WrongHintsLength"
    wide = swap(certificate, bitmap=2**10 - 1, hints=hints + hints[:2])
    assert refusal_of(world, task, wide).name == "BitmapTooWide"


def test_an_operator_with_several_seats_signs_once(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request(committeeSize=31)
    committee = world.committee(task, staffed.operators)
    assert max(member.weight for member in committee.members) > 1
    world.simulate(world.submit_call(task, world.certify(task, staffed.operators)), world.owner)
    # The same signers with one seat of the largest left out: its key still counts, the seat does not.
    largest = max(committee.members, key=lambda member: member.weight)
    seat = committee.seats.index(largest.index)
    certificate = world.certify(task, staffed.operators)
    fewer = swap(
        certificate,
        bitmap=certificate[3] & ~(1 << seat),
        hints=committee.supplement_bitmap_and_hints(
            [member.index for member in committee.members], 1 << seat
        )[1],
    )
    receipt = world.send(world.submit_call(task, fewer))
    [log] = world.gateway.events.TaskCertified().process_receipt(receipt)
    assert log["args"]["signedWeight"] == 30


@pytest.mark.parametrize("size", [0, 9])
def test_signatures_that_are_none(staffed: Staffed, size: int) -> None:
    world, task = staffed.world, staffed.world.request(committeeSize=size)
    certificate = world.certify(task, staffed.operators)
    assert refusal_of(world, task, swap(certificate, signature=bytes(256))).name == "InfinitySignature"
    assert refusal_of(world, task, swap(certificate, signature=bytes(255))).name == "WrongSignatureLength"
    assert refusal_of(world, task, swap(certificate, signature=b"")).name == "WrongSignatureLength"
    assert refusal_of(world, task, swap(certificate, signature=b"\1" * 256)).name == "InvalidPoint"
    # c1 before c0, as the compressed form has it
    signature = certificate[5]
    swapped = signature[64:128] + signature[:64] + signature[192:] + signature[128:192]
    assert refusal_of(world, task, swap(certificate, signature=swapped)).name == "InvalidPoint"
    single = bls.signature_to_evm(bls.sign(operator(0).secret, keccak256(b"something else")))
    assert refusal_of(world, task, swap(certificate, signature=single)).name == "SignatureMismatch"


def test_keys_that_cancel_out_certify_nothing(world: World) -> None:
    """Colluding operators can register a key and its opposite, each with a proof: the sum is infinity."""
    first = operator(0)
    opposite_scalar = CURVE_ORDER - first.secret.scalar()
    second_account = operator(1)
    world.send(world.registration(first), first.account)
    mirror = type(first)(second_account.account, bls.SecretKey(opposite_scalar.to_bytes(32, "big")))
    world.send(world.registration(mirror), mirror.account)
    for who in (first, mirror):
        world.send(world.stakes.functions.deposit(), who.account, value=ETHER)
    world.next_epoch()
    assert world.epochs.functions.epochInfo(1).call()[6] == bytes(128)
    task = world.request()
    signature = bls.signature_to_evm(bls.sign(first.secret, keccak256(b"anything")))
    certificate = (0, 0, result_to_abi(world.result()), 0b11, b"", signature)
    assert refusal_of(world, task, certificate).name == "InfinityKey"


@pytest.mark.parametrize("size", [0, 9])
def test_a_certificate_is_for_one_task_only(staffed: Staffed, size: int) -> None:
    world = staffed.world
    one, two = (world.request(committeeSize=size) for _ in range(2))
    certificate = world.certify(one, staffed.operators)
    refusal = refusal_of(world, two, certificate)
    if size == 0:
        assert refusal.name == "SignatureMismatch"
    else:
        assert refusal.name in ("SignatureMismatch", "WrongSeatHolder")
    world.send(world.submit_call(one, certificate))


def test_a_certificate_is_for_one_epoch_only(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    certificate = world.certify(task, staffed.operators)
    later: OperatorSet = world.next_epoch()
    assert later.root == staffed.operators.root, "the same operators with the same stakes"
    moved = task.altered(epoch=2)
    assert refusal_of(world, moved, certificate).name == "HeaderMismatch"
    assert refusal_of(world, task, world.certify(moved, later)).name == "SignatureMismatch"
    world.send(world.submit_call(task, certificate))


def test_what_the_signature_binds(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    certificate = world.certify(task, staffed.operators, round_=3)
    assert refusal_of(world, task, swap(certificate, round=2)).name == "SignatureMismatch"
    result = list(certificate[2])
    for position, other in ((3, 4), (4, 1), (5, b"\1" * 32), (6, b"\1" * 32), (0, 2)):
        forged = result.copy()
        forged[position] = other
        assert refusal_of(world, task, swap(certificate, result=tuple(forged))).name == "SignatureMismatch"
    for kind in (Kind.PREVOTE, Kind.PROPOSAL, Kind.OUTPUT):
        votes = world.certify(task, staffed.operators, round_=3, kind=kind)
        assert refusal_of(world, task, votes).name == "SignatureMismatch"
    world.send(world.submit_call(task, certificate))


@pytest.mark.parametrize(
    "elsewhere",
    [
        lambda scope: replace(scope, domain=replace(scope.domain, chain_id=scope.domain.chain_id + 1)),
        lambda scope: replace(scope, domain=replace(scope.domain, gateway=b"\1" * 20)),
        lambda scope: replace(scope, instance=InstanceId(scope.instance.task_id, 1)),
        lambda scope: replace(scope, committee_root=b"\1" * 32),
    ],
    ids=["chain", "gateway", "attempt", "committee"],
)
def test_a_certificate_of_elsewhere(staffed: Staffed, elsewhere: Callable[[Scope], Scope]) -> None:
    world, task = staffed.world, staffed.world.request()
    replayed = world.certify(task, staffed.operators, where=elsewhere)
    assert refusal_of(world, task, replayed).name == "SignatureMismatch"
    world.send(world.submit_call(task, world.certify(task, staffed.operators)))


def test_the_attempt_cannot_be_chosen(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request(committeeSize=3)
    certificate = world.certify(task, staffed.operators, attempt=1)
    refusal = refusal_of(world, task, certificate)
    assert (refusal.name, refusal.arguments) == ("UnknownAttempt", (1, 1))


def test_the_verifier_alone_refuses_oversized_committees(staffed: Staffed) -> None:
    world = staffed.world
    call = world.verifier.functions.verify(1, bytes(32), 0, 257, bytes(32), 1, b"\0\0", bytes(256))
    with pytest.raises(Reverted) as refusal:
        world.simulate(call, world.owner)
    assert refusal.value.name == "CommitteeTooLarge"
    call = world.verifier.functions.verify(2, bytes(32), 0, 0, bytes(32), 1, b"", bytes(256))
    with pytest.raises(Reverted) as refusal:
        world.simulate(call, world.owner)
    assert (refusal.value.name, refusal.value.arguments) == ("UnknownEpoch", (2,))


def test_a_set_of_two_blobs(world: World) -> None:
    """Each 64 records are in a blob of their own."""
    world.enlist([ETHER + i for i in range(170)])
    operators = world.next_epoch()
    assert len(operators.operators) == 170
    info = world.epochs.functions.epochInfo(1).call()
    assert info[3] == operators.root
    assert [len(world.w3.eth.get_code(blob)) for blob in info[5]] == [
        17 + 64 * 84,
        17 + 64 * 84,
        17 + 42 * 84 + 128 + 2 * 20,
    ]
    absent = {0, 3, 158, 159, 160, 161, 169}
    task = world.request()
    certificate = world.certify(task, operators, [i for i in range(170) if i not in absent])
    world.send(world.submit_call(task, certificate))
    task = world.request(committeeSize=256)
    assert max(world.committee(task, operators).seats) >= 160
    world.send(world.submit_call(task, world.certify(task, operators)))
