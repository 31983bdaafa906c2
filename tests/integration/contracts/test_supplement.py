"""Precommits that a certificate left out are added, and shares are fixed when that is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from web3.contract.contract import ContractFunction

from consensus import bls
from consensus.committee import Committee
from consensus.signing import statement, value_id
from consensus.types import Kind
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.test_rewards import certified, claim
from tests.integration.contracts.world import SUPPLEMENT_WINDOW, Reverted, Task, World, account, operator

FIRST = [0, 1, 3, 4, 6]


def supplement(
    staffed: Staffed,
    task: Task,
    signers: Sequence[int],
    *,
    committee: Committee | None = None,
    kind: Kind = Kind.PRECOMMIT,
    signed_round: int = 0,
    taken: int = 0,
    **changes: Any,
) -> ContractFunction:
    """The call that adds signers; ``taken`` are the bits that the certificate has."""
    world = staffed.world
    committee = committee or world.committee(task, staffed.operators)
    value = value_id(world.result())
    message = statement(world.scope(task, committee), kind, signed_round, value)
    by_key = {who.key: who for who in map(operator, range(len(staffed.operators.operators)))}
    signatures = [bls.sign(by_key[committee.member(index).key].secret, message) for index in signers]
    bitmap, hints = committee.supplement_bitmap_and_hints(signers, taken)
    fields = {
        "round": 0,
        "value": value,
        "bitmap": bitmap,
        "hints": hints,
        "signature": bls.signature_to_evm(bls.aggregate(signatures)),
    }
    assert changes.keys() <= fields.keys()
    return world.gateway.functions.supplement(task.header, tuple((fields | changes).values()))


def refusal(world: World, call: ContractFunction) -> Reverted:
    with pytest.raises(Reverted) as found:
        world.send(call)
    return found.value


def test_who_was_left_out_is_added_and_paid(staffed: Staffed) -> None:
    world, task = staffed.world, certified(staffed, FIRST)
    with pytest.raises(Reverted) as early:
        world.send(world.gateway.functions.claim(0, [task.header]))
    assert early.value.name == "ClaimTooEarly"
    receipt = world.send(supplement(staffed, task, [2]), account("stranger"))
    [log] = world.gateway.events.TaskSupplemented().process_receipt(receipt)
    signed = sum(STAKES) - STAKES[5]
    assert dict(log["args"]) == {
        "id": task.id,
        "epoch": 1,
        "bitmap": 0b1011111,
        "signedWeight": signed,
        "totalWeight": sum(STAKES),
    }
    assert world.gateway.functions.signersOf(task.id).call() == 0b1011111
    assert world.gateway.functions.resultOf(task.id).call()[3] == signed * 10_000 // sum(STAKES)
    world.send(supplement(staffed, task, [5]))
    for index in range(len(STAKES)):
        assert claim(world, index, [task]) == world.reward * STAKES[index] // sum(STAKES)


@pytest.mark.parametrize("size", [31, 64, 65, 200])  # of so few as 9, each member may have a third
def test_seats_are_added(staffed: Staffed, size: int) -> None:
    world, task = staffed.world, staffed.world.request(committeeSize=size)
    committee = world.committee(task, staffed.operators)
    late = min(committee.members, key=lambda member: member.weight)
    rest = [member.index for member in committee.members if member is not late]
    world.send(world.submit_call(task, world.certify(task, staffed.operators, rest)))
    signers = world.gateway.functions.signersOf(task.id)
    assert signers.call() == committee.bitmap_of(rest)
    world.send(supplement(staffed, task, [late.index]))
    assert signers.call() == (1 << size) - 1
    for member in committee.members:
        assert claim(world, member.index, [task]) == world.reward * member.weight // size


def test_a_poster_cannot_keep_some_of_ones_seats_back(staffed: Staffed) -> None:
    """The certificate names one of two seats of an operator; its own precommit adds the other."""
    world, task = staffed.world, staffed.world.request(committeeSize=64)
    committee = world.committee(task, staffed.operators)
    whole = world.certify(task, staffed.operators)
    everyone = [member.index for member in committee.members]
    bitmap = committee.bitmap_of(everyone)
    victim = max(committee.members, key=lambda member: member.weight).index
    short, hints = committee.supplement_bitmap_and_hints(everyone, 1 << committee.seats.index(victim))
    world.send(world.submit_call(task, (*whole[:3], short, hints, whole[5])))
    world.send(supplement(staffed, task, [victim], taken=short))
    assert world.gateway.functions.signersOf(task.id).call() == bitmap


def test_only_precommits_of_the_decision_are_added(staffed: Staffed) -> None:
    world, task = staffed.world, certified(staffed, FIRST)
    other_task = certified(staffed, FIRST)
    other = world.committee(other_task, staffed.operators)
    fresh = world.committee(task, staffed.operators, 1)
    for call in (
        supplement(staffed, task, [2], kind=Kind.PREVOTE),
        supplement(staffed, task, [2], signed_round=1),
        supplement(staffed, task, [2], committee=other),
        supplement(staffed, task, [2], committee=fresh),
        supplement(staffed, task, [2], bitmap=1 << 5, hints=world.key_hint(5)),
    ):
        assert refusal(world, call).name == "SignatureMismatch"
    later = supplement(staffed, task, [2], round=1)
    assert (refusal(world, later).name, refusal(world, later).arguments) == ("NotTheDecision", (task.id,))
    assert refusal(world, supplement(staffed, task, [2], value=bytes(32))).name == "NotTheDecision"
    assert refusal(world, supplement(staffed, task, [2], bitmap=0)).name == "NothingToAdd"
    assert refusal(world, supplement(staffed, task, [0, 2])).arguments == (task.id, 1)
    assert refusal(world, supplement(staffed, task, [2], bitmap=1 << 7)).name == "BitmapTooWide"
    assert refusal(world, supplement(staffed, task, [2], hints=b"\0\0")).name == "WrongHintsLength"
    assert refusal(world, supplement(staffed, world.request(), [2])).name == "NotCertified"


def test_shares_do_not_change_once_they_can_be_claimed(staffed: Staffed) -> None:
    world, task = staffed.world, certified(staffed, FIRST)
    call = supplement(staffed, task, [2])
    world.pass_time(SUPPLEMENT_WINDOW)
    assert refusal(world, call).name == "SupplementTooLate"
    claim(world, 0, [task])
