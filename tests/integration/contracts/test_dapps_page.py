"""The consumer that docs/dapps.md shows compiles as it stands there, and works."""

from __future__ import annotations

import pytest

from p2pavs.contracts.compile import REPOSITORY, TREES, compile_sources
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.world import Reverted, account

PAGE = REPOSITORY / "docs" / "dapps.md"
QUESTION = "Is water wet?"


def consumer() -> tuple[str, dict[str, object]]:
    """The first whole source file of the page, and what it is compiled to."""
    blocks = [block.split("```")[0] for block in PAGE.read_text("utf-8").split("```solidity\n")[1:]]
    source = next(block for block in blocks if block.startswith("// SPDX"))
    interfaces = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text("utf-8")
        for path in (TREES[0].sources / "interfaces").glob("*.sol")
    }
    libraries = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text("utf-8")
        for path in (TREES[0].sources / "libraries").glob("*.sol")
    }
    compiled = compile_sources(interfaces | libraries | {"Answers.sol": source})
    return source, compiled["Answers.sol"]["Answers"]


def test_the_consumer_of_the_page_gets_its_answer(staffed: Staffed) -> None:
    world = staffed.world
    source, compiled = consumer()
    body = source[source.index("contract Answers") :]
    assert len(body.strip().splitlines()) <= 30
    abi, bytecode = compiled["abi"], compiled["bytecode"]
    assert isinstance(abi, list) and isinstance(bytecode, str)
    dapp = world.deploy_code(abi, bytecode, world.gateway.address, world.model_id)
    fee = world.gateway.functions.quote(world.model_id, 64, len(QUESTION)).call()
    task = world.task_of(world.send(dapp.functions.ask(QUESTION), account("asker"), value=fee))
    assert task.fields["requester"] == task.fields["callback"] == dapp.address
    with pytest.raises(Reverted):
        world.send(dapp.functions.onInference(task.id, 1, b"forged"), account("stranger"))
    certificate = world.certify(task, staffed.operators, result=world.result(b"yes"))
    world.send(world.submit_call(task, certificate, b"yes"), account("poster"))
    assert dapp.functions.answerTo(task.id).call() == "yes"
    assert not world.gateway.functions.callbackPending(task.id).call()
