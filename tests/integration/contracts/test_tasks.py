from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from consensus.hashing import words
from consensus.types import FinishReason, ResultStatus
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.world import (
    BASE_FEE,
    ETHER,
    MAXIMUM_WINDOW,
    MINIMUM_WINDOW,
    PRICE,
    PRICE_PER_TASK,
    PRICE_PER_TOKEN,
    ROYALTY_BPS,
    Reverted,
    World,
    account,
    operator,
)

PARAMS = "(uint32,uint32,uint32,uint32,uint32,uint32,uint64,string[],string[],string)"


def refusal_of(world: World, call: Any, sender: str | None = None, value: int = 0) -> Reverted:
    with pytest.raises(Reverted) as refusal:
        world.send(call, sender, value)
    return refusal.value


def test_a_request_fixes_everything_about_the_task(staffed: Staffed) -> None:
    world, who = staffed.world, account("requester")
    prompt, params = (
        b"Which of these?",
        world.params(temperatureMilli=700, seed=2**64 - 1, choices=["a", "b"]),
    )
    deadline = world.now() + 600
    call = world.request_call(
        input=prompt,
        params=params,
        mode=1,
        committeeSize=5,
        deadline=deadline,
        attempts=2,
        tip=5,
        callback=who,
        callbackGas=77,
    )
    fee = world.fee + 5
    receipt = world.send(call, who, value=fee)
    [log] = world.gateway.events.TaskRequested().process_receipt(receipt)
    assert log["args"]["input"] == prompt
    assert tuple(log["args"]["params"].values()) == params
    assert (log["args"]["id"], log["args"]["requester"], log["args"]["modelId"]) == (1, who, world.model_id)
    mix = bytes(world.w3.eth.get_block(receipt["blockNumber"])["mixHash"])
    seed = world.epochs.functions.epochInfo(1).call()[0]
    gateway = to_canonical_address(world.gateway.address)
    assert world.task_of(receipt).fields == {
        "id": 1,
        "requester": who,
        "modelId": world.model_id,
        "requestHash": keccak(encode(["bytes", PARAMS], [prompt, params])),
        "mode": 1,
        "committeeSize": 5,
        "epoch": 1,
        "attempts": 2,
        "taskSeed": words("p2pavs/task/1", world.w3.eth.chain_id, gateway, 1, seed, mix),
        "requestedAt": world.w3.eth.get_block(receipt["blockNumber"])["timestamp"],
        "deadline": deadline,
        "fee": fee,
        "baseFee": 17 * BASE_FEE,
        "royalty": PRICE * ROYALTY_BPS // 10_000,
        "callback": who,
        "callbackGas": 77,
    }
    assert world.gateway.functions.resultOf(1).call() == [1, bytes(32), 0, 0]
    assert world.request().id == 2
    assert world.gateway.functions.taskCount().call() == 2


@pytest.mark.parametrize(
    ("changes", "error", "arguments"),
    [
        ({"input": b""}, "InputEmpty", ()),
        ({"input": bytes(16_385)}, "InputTooLarge", (16_385, 16_384)),
        ({"mode": 2}, "UnknownMode", (2,)),
        ({"modelId": b"\1" * 32}, "UnknownModel", (b"\1" * 32,)),
        ({"committeeSize": 257}, "CommitteeTooLarge", (257, 256)),
        ({"callbackGas": 1_000_001}, "CallbackGasTooHigh", (1_000_001, 1_000_000)),
        ({"attempts": 0}, "WrongAttempts", (0, 4)),
        ({"attempts": 5}, "WrongAttempts", (5, 4)),
        ({"tip": 2**128 - 1}, "FeeTooHigh", (2**128 - 1 + PRICE + 17 * BASE_FEE,)),
    ],
)
def test_refuses_requests(staffed: Staffed, changes: dict[str, Any], error: str, arguments: Any) -> None:
    refusal = refusal_of(staffed.world, staffed.world.request_call(**changes), value=ETHER)
    assert (refusal.name, refusal.arguments) == (error, arguments)


@pytest.mark.parametrize(
    ("changes", "error", "arguments"),
    [
        ({"maxTokens": 0}, "WrongMaxTokens", (0, 4096)),
        ({"maxTokens": 4097}, "WrongMaxTokens", (4097, 4096)),
        ({"stop": ["x"] * 9}, "TooManyStops", (9, 8)),
        ({"stop": ["x", ""]}, "WrongStopLength", (1, 0, 64)),
        ({"stop": ["x" * 65]}, "WrongStopLength", (0, 65, 64)),
        ({"choices": ["x"] * 65}, "TooManyChoices", (65, 64)),
        ({"choices": ["x", "y", ""]}, "WrongChoiceLength", (2, 0, 256)),
        ({"choices": ["x" * 257]}, "WrongChoiceLength", (0, 257, 256)),
        ({"topPMicro": 1_000_001}, "WrongShare", (1_000_001, 1_000_000)),
        ({"minPMicro": 2**32 - 1}, "WrongShare", (2**32 - 1, 1_000_000)),
        ({"repetitionPenaltyMilli": 999}, "WrongRepetitionPenalty", (999, 1_000, 10_000)),
        ({"repetitionPenaltyMilli": 10_001}, "WrongRepetitionPenalty", (10_001, 1_000, 10_000)),
        ({"choices": [], "jsonSchema": "s" * 4097}, "SchemaTooLarge", (4097, 4096)),
        ({"choices": ["x"], "jsonSchema": "{}"}, "ChoicesAndSchema", ()),
    ],
)
def test_refuses_params(staffed: Staffed, changes: dict[str, Any], error: str, arguments: Any) -> None:
    world = staffed.world
    refusal = refusal_of(world, world.request_call(params=world.params(**changes)), value=ETHER)
    assert (refusal.name, refusal.arguments) == (error, arguments)


def test_takes_the_largest_request(staffed: Staffed) -> None:
    world = staffed.world
    params = world.params(maxTokens=4096, stop=["s" * 64] * 8, choices=["c" * 256] * 64)
    task = world.request(value=ETHER, input=b"\xff" * 16_384, params=params, committeeSize=256)
    assert task.fields["fee"] == PRICE_PER_TASK + 4096 * PRICE_PER_TOKEN + BASE_FEE * (4096 + 512)


def test_the_deadline_has_a_window(staffed: Staffed) -> None:
    world = staffed.world
    # The request is in a later block than the one whose time is read here.
    near = refusal_of(world, world.request_call(deadline=world.now() + MINIMUM_WINDOW - 1), value=ETHER)
    assert near.name == "DeadlineTooNear"
    assert near.arguments[1] >= world.now() + MINIMUM_WINDOW
    far = refusal_of(world, world.request_call(deadline=world.now() + 2 * MAXIMUM_WINDOW), value=ETHER)
    assert far.name == "DeadlineTooFar"
    assert far.arguments[1] >= world.now() + MAXIMUM_WINDOW


def test_the_fee_is_asked_for_and_the_excess_comes_back(staffed: Staffed) -> None:
    world, who = staffed.world, account("requester")
    assert world.gateway.functions.quote(world.model_id, 16, len(b"Is water wet?")).call() == world.fee
    refusal = refusal_of(world, world.request_call(), value=world.fee - 1)
    assert (refusal.name, refusal.arguments) == ("FeeTooLow", (world.fee - 1, world.fee))
    task = world.request(who, value=world.fee + 500)
    assert task.fields["fee"] == world.fee
    assert world.gateway.functions.balanceOf(who).call() == 500
    assert world.wei(world.gateway.address) == world.fee + 500
    before = world.wei(who)
    world.send(world.gateway.functions.withdraw(), who)
    assert world.wei(who) == before + 500
    refusal = refusal_of(world, world.gateway.functions.withdraw(), who)
    assert (refusal.name, refusal.arguments) == ("NothingToWithdraw", (who,))


def test_no_task_without_an_epoch(world: World) -> None:
    assert refusal_of(world, world.request_call(), value=ETHER).name == "NoEpochOpen"


def test_the_model_must_be_on_and_the_committee_large_enough(staffed: Staffed) -> None:
    world = staffed.world
    demanding = world.model(goldenDigest=b"\7" * 32, minCommittee=8)
    world.send(world.models.functions.register(demanding))
    model_id = world.models.functions.idAt(1).call()
    world.next_epoch()
    for size, seen in ((0, len(STAKES)), (7, 7), (1, 1)):
        refusal = refusal_of(world, world.request_call(modelId=model_id, committeeSize=size), value=ETHER)
        assert (refusal.name, refusal.arguments) == ("CommitteeTooSmall", (seen, 8))
    world.request(modelId=model_id, committeeSize=8)
    world.send(world.models.functions.setActive(model_id, False))
    refusal = refusal_of(world, world.request_call(modelId=model_id, committeeSize=8), value=ETHER)
    assert (refusal.name, refusal.arguments) == ("ModelInactive", (model_id,))


@pytest.mark.parametrize("output", [b"", b"yes", b"y" * 31, b"y" * 32, b"y" * 33, b"\0" * 32, b"z" * 8192])
def test_a_certified_result_can_be_read(staffed: Staffed, output: bytes) -> None:
    world, task = staffed.world, staffed.world.request()
    result = world.result(output)
    certificate = world.certify(task, staffed.operators, range(1, 7), result)
    receipt = world.send(world.submit_call(task, certificate, output), account("poster"))
    [log] = world.gateway.events.TaskCertified().process_receipt(receipt)
    assert log["args"]["output"] == output
    assert log["args"]["poster"] == account("poster")
    value = output.ljust(32, b"\0") if len(output) <= 32 else keccak(output)
    share = sum(STAKES[1:]) * 10_000 // sum(STAKES)
    assert world.gateway.functions.resultOf(task.id).call() == [2, value, world.now(), share]
    assert world.gateway.functions.signersOf(task.id).call() == 0b1111110
    assert world.gateway.functions.verifyResult(task.id, output).call()
    for other in (output + b"\0", output[:-1], b"no"):
        assert world.gateway.functions.verifyResult(task.id, other).call() == (other == output)
    assert not world.gateway.functions.verifyResult(task.id + 1, output).call()


def test_a_rejection_can_be_certified(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    result = world.result(
        b"", status=ResultStatus.REJECTED, token_count=0, finish_reason=FinishReason.INPUT_TOO_LONG
    )
    world.send(world.submit_call(task, world.certify(task, staffed.operators, result=result), b""))
    assert world.status(task) == 2


def test_what_is_posted_must_be_what_was_signed(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    certificate = world.certify(task, staffed.operators)
    assert refusal_of(world, world.submit_call(task, certificate, b"no!")).name == "OutputHashMismatch"
    refusal = refusal_of(world, world.submit_call(task, certificate, b"yes\0"))
    assert (refusal.name, refusal.arguments) == ("OutputLengthMismatch", (3, 4))
    large = b"x" * 8193
    certificate = world.certify(task, staffed.operators, result=world.result(large))
    refusal = refusal_of(world, world.submit_call(task, certificate, large))
    assert (refusal.name, refusal.arguments) == ("OutputTooLarge", (8193, 8192))
    other_runtime = world.result(runtime_profile=b"\1" * 32)
    certificate = world.certify(task, staffed.operators, result=other_runtime)
    assert refusal_of(world, world.submit_call(task, certificate)).name == "WrongRuntimeProfile"
    certificate = world.certify(task, staffed.operators)
    odd = (3, *certificate[2][1:])
    refusal = refusal_of(world, world.submit_call(task, (*certificate[:2], odd, *certificate[3:])))
    assert (refusal.name, refusal.arguments) == ("UnknownResultStatus", (3,))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("requester", account("thief")),
        ("fee", 10**20),
        ("baseFee", 0),
        ("royalty", 0),
        ("attempts", 2),
        ("requestedAt", 1),
        ("deadline", 2**40),
        ("committeeSize", 1),
        ("taskSeed", b"\1" * 32),
        ("epoch", 2),
        ("callback", account("thief")),
        ("callbackGas", 1),
        ("mode", 1),
        ("modelId", b"\1" * 32),
        ("requestHash", b"\1" * 32),
    ],
)
def test_a_forged_header_is_refused_everywhere(staffed: Staffed, name: str, value: Any) -> None:
    world, task = staffed.world, staffed.world.request()
    forged = task.altered(**{name: value})
    certificate = world.certify(task, staffed.operators)
    assert refusal_of(world, world.submit_call(forged, certificate)).name == "HeaderMismatch"
    world.simulate(world.submit_call(task, certificate), world.owner)
    world.pass_time(601)
    refusal = refusal_of(world, world.gateway.functions.refund(forged.header))
    assert (refusal.name, refusal.arguments) == ("HeaderMismatch", (task.id,))
    world.send(world.gateway.functions.refund(task.header))


def test_the_first_certificate_wins_and_losing_is_cheap(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    certificate = world.certify(task, staffed.operators)
    world.send(world.submit_call(task, certificate))
    late = world.submit_call(task, certificate)
    refusal = refusal_of(world, late)
    assert (refusal.name, refusal.arguments) == ("AlreadyCertified", (task.id,))
    sent = late.transact(world.transaction(world.owner, gas=1_000_000))
    assert world.w3.eth.wait_for_transaction_receipt(sent)["gasUsed"] < 60_000  # mostly its call data
    world.pass_time(601)
    assert refusal_of(world, world.gateway.functions.refund(task.header)).name == "AlreadyCertified"


def test_a_task_nobody_answers_expires_and_is_refunded_once(staffed: Staffed) -> None:
    world, who = staffed.world, account("requester")
    task = world.request(who)
    certificate = world.certify(task, staffed.operators)
    refusal = refusal_of(world, world.gateway.functions.refund(task.header), account("helper"))
    assert (refusal.name, refusal.arguments) == ("DeadlineNotPassed", (task.id, task.fields["deadline"]))
    world.rpc("evm_setNextBlockTimestamp", task.fields["deadline"])
    world.mine()
    assert world.gateway.functions.resultOf(task.id).call()[0] == 1
    world.pass_time(1)
    assert world.gateway.functions.resultOf(task.id).call()[0] == 3
    refusal = refusal_of(world, world.submit_call(task, certificate))
    assert (refusal.name, refusal.arguments) == ("DeadlinePassed", (task.id, task.fields["deadline"]))
    receipt = world.send(world.gateway.functions.refund(task.header), account("helper"))
    [log] = world.gateway.events.TaskRefunded().process_receipt(receipt)
    assert (log["args"]["requester"], log["args"]["amount"]) == (who, world.fee)
    assert world.gateway.functions.resultOf(task.id).call()[0] == 4
    assert world.gateway.functions.balanceOf(who).call() == world.fee
    assert refusal_of(world, world.gateway.functions.refund(task.header)).name == "AlreadyRefunded"
    assert refusal_of(world, world.submit_call(task, certificate)).name == "AlreadyRefunded"
    world.send(world.gateway.functions.withdraw(), who)
    assert world.wei(world.gateway.address) == 0


def test_the_last_second_counts(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    call = world.submit_call(task, world.certify(task, staffed.operators))
    world.rpc("evm_setNextBlockTimestamp", task.fields["deadline"])
    sent = call.transact(world.transaction(world.owner, gas=1_000_000))
    assert world.w3.eth.wait_for_transaction_receipt(sent)["status"] == 1
    assert world.now() == task.fields["deadline"]


def test_a_task_outlives_its_epoch(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    certificate = world.certify(task, staffed.operators)
    world.send(world.registry.functions.exit(), operator(0).account)
    world.next_epoch()
    assert world.request().fields["epoch"] == 2
    world.send(world.submit_call(task, certificate))


def test_unknown_tasks(staffed: Staffed) -> None:
    world, task = staffed.world, staffed.world.request()
    unknown = task.altered(id=99)
    certificate = world.certify(task, staffed.operators)
    assert refusal_of(world, world.submit_call(unknown, certificate)).name == "UnknownTask"
    assert refusal_of(world, world.gateway.functions.refund(unknown.header)).name == "UnknownTask"
    assert world.gateway.functions.resultOf(99).call() == [0, bytes(32), 0, 0]


def test_ownership_is_taken_not_given(staffed: Staffed) -> None:
    world, heir, stranger = staffed.world, account("heir"), account("stranger")
    assert refusal_of(world, world.gateway.functions.offerOwnership(heir), stranger).name == "NotTheOwner"
    world.send(world.gateway.functions.offerOwnership(heir))
    assert world.gateway.functions.owner().call() == world.owner
    assert refusal_of(world, world.gateway.functions.takeOwnership(), stranger).name == "NotTheCandidate"
    world.send(world.gateway.functions.takeOwnership(), heir)
    assert world.gateway.functions.owner().call() == heir
    assert refusal_of(world, world.gateway.functions.setPaused(True)).name == "NotTheOwner"
    assert refusal_of(world, world.gateway.functions.takeOwnership(), heir).name == "NotTheCandidate"
