from __future__ import annotations

from typing import Any

import pytest
from web3.contract import Contract
from web3.logs import DISCARD

from consensus.types import FinishReason, ResultStatus
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.world import SUPPLEMENT_WINDOW, Reverted, Task, World, account, operator

ACCEPT, REVERT, BOMB, GUZZLE, ATTACK = range(5)
GAS = 300_000


def puppet(world: World, mood: int) -> Contract:
    contract = world.deploy_test_contract("Puppet")
    world.send(contract.functions.setMood(mood))
    return contract


def failures(world: World, receipt: Any) -> list[int]:
    logs = world.gateway.events.CallbackFailed().process_receipt(receipt, errors=DISCARD)
    return [log["args"]["id"] for log in logs]


def settle(staffed: Staffed, task: Task, gas: int = 2_000_000) -> Any:
    world = staffed.world
    call = world.submit_call(task, world.certify(task, staffed.operators))
    receipt = world.send(call, account("poster"), gas=gas)
    assert world.status(task) == 2
    return receipt


def test_the_consumer_is_told_with_exactly_its_gas(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, ACCEPT)
    seen = set()
    for gas in (2_000_000, 5_000_000):
        task = world.request(callback=consumer.address, callbackGas=GAS)
        assert failures(world, settle(staffed, task, gas)) == []
        assert consumer.functions.lastId().call() == task.id
        assert consumer.functions.lastStatus().call() == 1
        assert consumer.functions.lastOutput().call() == b"yes"
        seen.add(consumer.functions.gasSeen().call())
        assert not world.gateway.functions.callbackPending(task.id).call()
    [gas_seen] = seen
    assert GAS - 2_000 < gas_seen < GAS


def test_a_rejection_reaches_the_consumer(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, ACCEPT)
    task = world.request(callback=consumer.address, callbackGas=GAS)
    result = world.result(b"", status=ResultStatus.REJECTED, finish_reason=FinishReason.INPUT_TOO_LONG)
    world.send(world.submit_call(task, world.certify(task, staffed.operators, result=result), b""))
    assert consumer.functions.lastStatus().call() == 2
    assert consumer.functions.lastOutput().call() == b""


@pytest.mark.parametrize("mood", [REVERT, BOMB, GUZZLE])
def test_a_hostile_consumer_stops_nothing(staffed: Staffed, mood: int) -> None:
    world, consumer = staffed.world, puppet(staffed.world, mood)
    task = world.request(callback=consumer.address, callbackGas=GAS)
    receipt = settle(staffed, task)
    assert failures(world, receipt) == [task.id]
    assert receipt["gasUsed"] < GAS + 350_000
    assert world.gateway.functions.callbackPending(task.id).call()
    world.pass_time(SUPPLEMENT_WINDOW)
    world.send(world.gateway.functions.claim(0, [task.header]))
    retry = world.gateway.functions.retryCallback(task.header, b"yes")
    with pytest.raises(Reverted) as refusal:
        world.send(retry, account("anyone"), gas=2_000_000)
    assert (refusal.value.name, refusal.value.arguments) == ("CallbackFailedAgain", (task.id,))
    world.send(consumer.functions.setMood(ACCEPT))
    with pytest.raises(Reverted) as refusal:
        world.send(world.gateway.functions.retryCallback(task.header, b"no"))
    assert refusal.value.name == "WrongOutput"
    with pytest.raises(Reverted) as refusal:
        other = task.altered(callback=account("thief"))
        world.send(world.gateway.functions.retryCallback(other.header, b"yes"))
    assert refusal.value.name == "HeaderMismatch"
    world.send(retry, account("anyone"), gas=2_000_000)
    assert consumer.functions.lastId().call() == task.id
    with pytest.raises(Reverted) as refusal:
        world.send(retry, account("anyone"))
    assert refusal.value.name == "NoCallbackToRetry"
    assert consumer.functions.calls().call() == 1


def test_a_consumer_can_be_retried_with_more_gas_than_it_asked_for(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, ACCEPT)
    task = world.request(callback=consumer.address, callbackGas=5_000)
    assert failures(world, settle(staffed, task)) == [task.id]
    world.send(world.gateway.functions.retryCallback(task.header, b"yes"), account("anyone"))
    assert consumer.functions.lastId().call() == task.id


def test_the_poster_cannot_starve_the_consumer(staffed: Staffed) -> None:
    """With every gas limit the consumer gets all its gas, or nothing is settled."""
    world, consumer = staffed.world, puppet(staffed.world, ACCEPT)
    task = world.request(callback=consumer.address, callbackGas=GAS)
    call = world.submit_call(task, world.certify(task, staffed.operators))
    named = 0
    for gas in range(250_000, 800_000, 10_000):
        snapshot = world.rpc("evm_snapshot")
        try:
            receipt = world.send(call, gas=gas)
        except Reverted as refusal:
            named += refusal.name == "NotEnoughCallbackGas"
        else:
            assert failures(world, receipt) == []
            assert consumer.functions.gasSeen().call() > GAS - 2_000
        assert world.rpc("evm_revert", snapshot)
    assert named > 5
    settle(staffed, task)


def test_a_retry_cannot_starve_the_consumer_either(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, REVERT)
    task = world.request(callback=consumer.address, callbackGas=GAS)
    settle(staffed, task)
    world.send(consumer.functions.setMood(ACCEPT))
    with pytest.raises(Reverted) as refusal:
        world.send(world.gateway.functions.retryCallback(task.header, b"yes"), gas=350_000)
    assert refusal.value.name == "NotEnoughCallbackGas"


def test_a_callback_without_code_is_no_failure(staffed: Staffed) -> None:
    world = staffed.world
    task = world.request(callback=account("nobody"), callbackGas=GAS)
    assert failures(world, settle(staffed, task)) == []
    with pytest.raises(Reverted) as refusal:
        world.send(world.gateway.functions.retryCallback(task.header, b"yes"))
    assert refusal.value.name == "NoCallbackToRetry"


def test_retry_needs_a_certificate(staffed: Staffed) -> None:
    world = staffed.world
    task = world.request(callback=account("nobody"), callbackGas=GAS)
    with pytest.raises(Reverted) as refusal:
        world.send(world.gateway.functions.retryCallback(task.header, b"yes"))
    assert refusal.value.name == "NotCertified"


def encoded(call: Any) -> bytes:
    return bytes.fromhex(call._encode_transaction_data()[2:])


def test_a_consumer_that_calls_back_in_gets_nothing(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, ATTACK)
    gateway = world.gateway.functions
    task = world.request(callback=consumer.address, callbackGas=900_000)
    certificate = world.certify(task, staffed.operators)
    again = [
        encoded(world.submit_call(task, certificate)),
        encoded(gateway.refund(task.header)),
        encoded(gateway.retryCallback(task.header, b"yes")),
        encoded(gateway.withdraw()),
    ]
    world.send(consumer.functions.plan(world.gateway.address, again))
    assert failures(world, settle(staffed, task, gas=4_000_000)) == []
    assert consumer.functions.calls().call() == 1
    outcomes = [
        consumer.functions.outcomes(i).call() for i in range(consumer.functions.outcomeCount().call())
    ]
    assert outcomes == [False] * 4
    assert world.wei(world.gateway.address) == world.fee


def test_a_consumer_that_calls_back_in_from_a_retry_is_told_once(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, REVERT)
    task = world.request(callback=consumer.address, callbackGas=GAS)
    settle(staffed, task)
    retry = world.gateway.functions.retryCallback(task.header, b"yes")
    world.send(consumer.functions.plan(world.gateway.address, [encoded(retry)]))
    world.send(consumer.functions.setMood(ATTACK))
    world.send(retry, gas=5_000_000)
    assert consumer.functions.calls().call() == 1
    assert not consumer.functions.outcomes(0).call()


def test_a_consumer_may_ask_again_from_its_callback(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, ATTACK)
    world.send(consumer.functions.plan(world.gateway.address, [encoded(world.request_call())]))
    world.fund(consumer.address, world.fee)
    world.send(consumer.functions.setValue(world.fee))
    task = world.request(callback=consumer.address, callbackGas=900_000)
    settle(staffed, task, gas=4_000_000)
    assert consumer.functions.outcomes(0).call()
    assert world.gateway.functions.taskCount().call() == task.id + 1


def test_withdrawing_twice_at_once_pays_once(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, ATTACK)
    other = world.request(account("bystander"), value=world.fee + 10_000)
    ask = world.request_call()
    poke = consumer.functions.poke(world.gateway.address, encoded(ask))
    world.send(poke, value=world.fee + 5_000)
    assert world.gateway.functions.balanceOf(consumer.address).call() == 5_000
    withdraw = encoded(world.gateway.functions.withdraw())
    world.send(consumer.functions.plan(world.gateway.address, [withdraw]))
    before = world.wei(world.gateway.address)
    world.send(consumer.functions.poke(world.gateway.address, withdraw))
    assert world.wei(consumer.address) == 5_000
    assert world.wei(world.gateway.address) == before - 5_000
    assert not consumer.functions.outcomes(0).call()
    assert world.gateway.functions.balanceOf(account("bystander")).call() == 10_000
    assert other.fields["fee"] == world.fee


def test_who_refuses_the_money_keeps_the_credit(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, REVERT)
    world.send(
        consumer.functions.poke(world.gateway.address, encoded(world.request_call())), value=world.fee + 5_000
    )
    withdraw = encoded(world.gateway.functions.withdraw())
    with pytest.raises(Reverted) as refusal:
        world.send(consumer.functions.poke(world.gateway.address, withdraw))
    assert refusal.value.name == "PokeFailed"
    selector = refusal.value.arguments[0][:4]
    assert world.errors[selector][0] == "PaymentRefused"
    assert world.gateway.functions.balanceOf(consumer.address).call() == 5_000
    world.send(consumer.functions.setMood(ACCEPT))
    world.send(consumer.functions.poke(world.gateway.address, withdraw))
    assert world.wei(consumer.address) == 5_000


def test_operators_are_paid_whatever_the_consumer_does(staffed: Staffed) -> None:
    world, consumer = staffed.world, puppet(staffed.world, GUZZLE)
    task = world.request(callback=consumer.address, callbackGas=GAS)
    settle(staffed, task)
    world.pass_time(SUPPLEMENT_WINDOW)
    for index in range(7):
        world.send(world.gateway.functions.claim(index, [task.header]))
        world.send(world.gateway.functions.withdraw(), operator(index).account)
    owed = world.gateway.functions.balanceOf(world.owner).call() + world.gateway.functions.pool().call()
    assert 0 <= world.wei(world.gateway.address) - owed < 7
