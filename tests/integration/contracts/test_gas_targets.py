"""With 32 operators the transactions that have a target stay below it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consensus.committee import OperatorSet
from tests.integration.contracts.anvil import anvil, missing_tools
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.test_results import gas_of_result
from tests.integration.contracts.test_slashing import Scene, equivocation, report
from tests.integration.contracts.world import EPOCH_LENGTH, ETHER, World, account, operator

OPERATORS = 32
INLINE = b"the longest that is kept inline."  # 32 bytes
TIP = 1_234_567_890_123_456_789  # wei
Gas = dict[str, int]


@pytest.fixture(scope="module")
def measured() -> Iterator[tuple[World, OperatorSet, Gas]]:
    """An epoch of 32 operators with equal stake, and what it took to get there."""
    if reason := missing_tools():
        pytest.skip(reason)
    gas: Gas = {}
    with anvil() as url:
        world = World.connect(url)
        world.deploy()
        for number in range(OPERATORS):
            who = operator(number)
            gas["registration"] = world.send(world.registration(who), who.account)["gasUsed"]
            world.send(world.stakes.functions.deposit(), who.account, value=ETHER)
        gas["first snapshot, per operator"] = world.send(world.freeze_call())["gasUsed"] // OPERATORS
        world.send(world.epochs.functions.open())
        world.mine(EPOCH_LENGTH)
        gas["same snapshot, per operator"] = world.send(world.freeze_call())["gasUsed"] // OPERATORS
        world.send(world.reveal_call())
        yield world, world.operator_set(), gas


def certificate_gas(world: World, operators: OperatorSet, missing: range) -> int:
    """With what makes the call data dear: the longest output that is kept inline, a fee of many digits."""
    task = world.request(value=world.fee + TIP, tip=TIP)
    signers = [index for index in range(OPERATORS) if index not in missing]
    certificate = world.certify(task, operators, signers, world.result(INLINE))
    receipt = world.send(world.submit_call(task, certificate, INLINE), account("poster"))
    assert world.gateway.functions.resultOf(task.id).call()[1] == INLINE
    return int(receipt["gasUsed"])


def test_registration_and_snapshots(measured: tuple[World, OperatorSet, Gas]) -> None:
    _, _, gas = measured
    assert gas["registration"] <= 260_000
    assert gas["first snapshot, per operator"] <= 30_000
    assert gas["same snapshot, per operator"] <= 15_000


def test_a_request_of_1000_bytes(measured: tuple[World, OperatorSet, Gas]) -> None:
    world, _, _ = measured
    world.request()  # the requester's bucket has its slot
    fee = world.gateway.functions.quote(world.model_id, 16, 1_000).call()
    call = world.request_call(input=b"a" * 1_000)
    assert world.send(call, account("requester"), value=fee)["gasUsed"] <= 150_000


@pytest.mark.parametrize("missing", [0, 3, 10])
def test_a_certificate(measured: tuple[World, OperatorSet, Gas], missing: int) -> None:
    """Wherever in the set the missing are."""
    world, operators, _ = measured
    for first in (0, OPERATORS - missing):
        assert certificate_gas(world, operators, range(first, first + missing)) <= 300_000


def test_reading_a_result(measured: tuple[World, OperatorSet, Gas]) -> None:
    """All that it costs a contract, the first access to the gateway in a transaction included."""
    world, operators, _ = measured
    short, long = world.request(), world.request()
    for task, output in ((short, b"yes"), (long, b"a long answer " * 9)):
        certificate = world.certify(task, operators, result=world.result(output))
        world.send(world.submit_call(task, certificate, output))
    for number in (short.id, long.id, world.request().id, 99):
        assert gas_of_result(world, number) <= 8_000


def test_evidence_of_equivocation(measured: tuple[World, OperatorSet, Gas]) -> None:
    world, operators, _ = measured
    task, result = world.request(), world.result()
    certificate = world.certify(task, operators, result=result)
    scene = Scene(Staffed(world, operators), task, world.committee(task, operators), certificate, result)
    receipt = report(world, scene.encode(equivocation(scene, 4)))
    assert receipt["gasUsed"] <= 600_000
