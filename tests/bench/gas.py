"""What our contracts cost, whole transactions on a fresh chain: a part of ``tests.bench.chain``."""

from __future__ import annotations

from collections.abc import Sequence

from consensus.committee import OperatorSet
from p2pavs.bench.part import say
from tests.bench.gas_table import GasTable, require_tools
from tests.integration.contracts.anvil import anvil
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.test_results import gas_of_result
from tests.integration.contracts.test_supplement import supplement
from tests.integration.contracts.world import EPOCH_LENGTH, ETHER, SUPPLEMENT_WINDOW, World, account, operator

SIZES = (4, 7, 16, 32)


gas = GasTable()
row = gas.row


def certificate_gas(world: World, operators: OperatorSet, missing: Sequence[int] = (), size: int = 0) -> int:
    """Request a task and certify it with a short answer."""
    task = world.request(committeeSize=size)
    members = [member.index for member in world.committee(task, operators).members]
    signers = [index for index in members if index not in missing]
    receipt = world.send(world.submit_call(task, world.certify(task, operators, signers)), account("poster"))
    return int(receipt["gasUsed"])


def supplement_gas(world: World, operators: OperatorSet) -> int:
    """Certify a task without the last operator, and add it."""
    task, last = world.request(), len(operators.operators) - 1
    world.send(world.submit_call(task, world.certify(task, operators, range(last))))
    call = supplement(Staffed(world, operators), task, [last])
    return int(world.send(call, account("poster"))["gasUsed"])


def operators_of(world: World, count: int) -> OperatorSet:
    """An epoch of ``count`` operators with equal stake, its costs printed."""
    for number in range(count):
        who = operator(number)
        gas = world.send(world.registration(who), who.account)["gasUsed"]
        deposit = world.send(world.stakes.functions.deposit(), who.account, value=ETHER)["gasUsed"]
    if count == SIZES[0]:
        row("register an operator (key, proof, peer id)", gas, 260_000)
        row("deposit stake (joins)", deposit)
    freeze = world.send(world.freeze_call())["gasUsed"]
    opened = world.send(world.epochs.functions.open())["gasUsed"]
    if count == SIZES[0]:
        row("open an epoch", opened)
    target = 30_000 if count == SIZES[-1] else None
    row(f"freeze a set of {count}, per operator", freeze // count, target)
    world.mine(EPOCH_LENGTH)
    again = world.send(world.freeze_call())["gasUsed"]
    row(f"freeze the same set of {count} again, per operator", again // count, target)
    revealed = world.send(world.reveal_call())["gasUsed"]
    if count == SIZES[0]:
        row("reveal the next epoch's seed", revealed)
    return world.operator_set()


def whole_set(world: World, operators: OperatorSet) -> None:
    """Certificates of the whole set, with ever more missing."""
    count = len(operators.operators)
    certificate_gas(world, operators)  # the first credit and slot of everything
    most = (count - 1) // 3
    for missing in sorted({0, 3, most} if count > 9 else {0, most}):
        gas = certificate_gas(world, operators, range(count - missing, count))
        row(f"certificate, whole set of {count}, {missing} missing", gas, 300_000)


def requests(world: World, operators: OperatorSet) -> None:
    """Requests, reads, claims, and committees."""
    world.request()
    who = account("requester")
    for size in (100, 1_000, 16_384):
        fee = world.gateway.functions.quote(world.model_id, 16, size).call()
        gas = world.send(world.request_call(input=b"a" * size), who, value=fee)["gasUsed"]
        row(f"request, {size:,} bytes of input", gas, 150_000 if size == 1_000 else None)
    for size in (7, 31, 64):
        row(
            f"certificate, {size} seats among {len(operators.operators)}",
            certificate_gas(world, operators, size=size),
        )
    tasks = [world.request() for _ in range(10)]
    for task in tasks:
        world.send(world.submit_call(task, world.certify(task, operators)))
    row("add one signer to a certificate", supplement_gas(world, operators))
    late = world.submit_call(tasks[0], world.certify(tasks[0], operators))
    sent = late.transact(world.transaction(who, gas=1_000_000))
    row("certificate that comes second", world.w3.eth.wait_for_transaction_receipt(sent)["gasUsed"])
    row("resultOf, called by a contract", gas_of_result(world, tasks[0].id), 8_000)
    world.pass_time(SUPPLEMENT_WINDOW)
    claimed = world.send(world.gateway.functions.claim(0, [task.header for task in tasks]))["gasUsed"]
    row("claim 10 rewards", claimed)
    row("withdraw", world.send(world.gateway.functions.withdraw(), operator(0).account)["gasUsed"])
    expired = world.request()
    world.pass_time(601)
    row("refund", world.send(world.gateway.functions.refund(expired.header))["gasUsed"])


def measure() -> GasTable:
    """Every transaction, on a fresh chain for each size of the set."""
    require_tools()
    for count in SIZES:
        say(f"{count} operators")
        with anvil() as url:
            world = World.connect(url)
            world.deploy()
            operators = operators_of(world, count)
            whole_set(world, operators)
            if count == SIZES[-1]:
                requests(world, operators)
    return gas
