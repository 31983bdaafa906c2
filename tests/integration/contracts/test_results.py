"""The gateway's proxy answers ``resultOf`` itself: as the implementation would, whatever is behind it."""

from __future__ import annotations

from typing import Any

import pytest
from web3.exceptions import ContractLogicError

from p2pavs.chain.upgrades import IMPLEMENTATION_SLOT
from p2pavs.contracts import TIMELOCK
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.test_pausing import pause
from tests.integration.contracts.test_supplement import supplement
from tests.integration.contracts.test_upgrades import stored, upgrade_of
from tests.integration.contracts.world import (
    MAXIMUM_WINDOW,
    UPGRADE_DELAY,
    Task,
    World,
    contracts_for_tests,
)

WINDOW = 600  # seconds from a request to its deadline


def only_passes_on(implementation: str) -> str:
    """The code of a proxy that has nothing of its own (EIP-1167)."""
    return f"0x363d3d373d3d3d363d73{implementation[2:].lower()}5af43d82803e903d91602b57fd5bf3"


def answers(world: World, number: int) -> list[Any]:
    """What the proxy says of a task; that the implementation says the same is checked."""
    call = world.gateway.functions.resultOf(number)
    answer = call.call()
    code = only_passes_on(stored(world, IMPLEMENTATION_SLOT))
    assert call.call(state_override={world.gateway.address: {"code": code}}) == answer
    return list(answer)


def certify(staffed: Staffed, task: Task, output: bytes = b"yes", signers: range = range(7)) -> None:
    world = staffed.world
    result = world.result(output)
    certificate = world.certify(task, staffed.operators, signers, result)
    world.send(world.submit_call(task, certificate, output))


def test_it_says_in_every_state_what_the_implementation_says(staffed: Staffed) -> None:
    world = staffed.world
    assert answers(world, 0) == answers(world, 99) == answers(world, 2**256 - 1) == [0, bytes(32), 0, 0]
    short, long, partly, open_, paused = (world.request() for _ in range(5))
    for task in (short, long, partly, open_, paused):
        assert answers(world, task.id) == [1, bytes(32), 0, 0]
    certify(staffed, short)
    assert answers(world, short.id) == [2, b"yes".ljust(32, b"\0"), world.now(), 10_000]
    certify(staffed, long, b"a long answer " * 9)
    assert answers(world, long.id)[0] == 2
    certify(staffed, partly, signers=range(1, 7))
    before = answers(world, partly.id)
    world.send(supplement(staffed, partly, [0]))
    assert answers(world, partly.id)[:3] == before[:3]
    assert before[3] < answers(world, partly.id)[3] == 10_000

    world.rpc("evm_setNextBlockTimestamp", open_.fields["deadline"])
    world.mine()
    assert answers(world, open_.id)[0] == 1, "the last second"


def test_what_is_late_is_left_to_the_implementation_which_knows_the_pauses(staffed: Staffed) -> None:
    world = staffed.world
    two_parts = world.request(attempts=2, committeeSize=5)
    world.pass_time(WINDOW * 3 // 4)
    assert answers(world, two_parts.id)[0] == 1, "its second attempt"
    world.pass_time(WINDOW)
    assert answers(world, two_parts.id)[0] == 3
    world.send(world.gateway.functions.refund(two_parts.header))
    assert answers(world, two_parts.id) == [4, bytes(32), 0, 0]

    held = world.request()
    pause(world, WINDOW)
    world.pass_time(1)
    assert world.now() > held.fields["deadline"]
    assert answers(world, held.id)[0] == 1, "past its deadline, which a pause has moved"
    certify(staffed, held)
    assert answers(world, held.id)[0] == 2


def test_no_implementation_changes_what_it_reads(staffed: Staffed) -> None:
    """Put a contract that knows no tasks behind the proxy: results can be read all the same."""
    world, timelock = staffed.world, staffed.world.contracts[TIMELOCK].functions
    settled, asked = world.request(), world.request(deadline=world.now() + MAXIMUM_WINDOW)
    certify(staffed, settled)
    before = answers(world, settled.id)
    target, data = upgrade_of(world, world.deploy_test_contract("Puppet").address)
    call = (target, 0, data, bytes(32), bytes(32))
    world.send(timelock.schedule(*call, UPGRADE_DELAY))
    world.pass_time(UPGRADE_DELAY - 30)
    late = world.request()
    world.pass_time(40)
    world.send(timelock.execute(*call))
    assert world.gateway.functions.resultOf(settled.id).call() == before
    assert world.gateway.functions.resultOf(late.id).call()[0] == 1
    world.pass_time(MAXIMUM_WINDOW)
    with pytest.raises(ContractLogicError):
        world.gateway.functions.resultOf(asked.id).call()  # whether it is late, only a gateway can tell


def gas_of_result(world: World, number: int) -> int:
    """What a contract pays that reads a result: the first access to the gateway in a transaction."""
    compiled = contracts_for_tests()["Reader"]
    reader = world.deploy_code(compiled["abi"], compiled["bytecode"])
    return int(reader.functions.gasOfResult(world.gateway.address, number).call())
