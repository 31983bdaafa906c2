"""A committee in which votes go to three collectors first: with them, and without any of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import trio

from consensus.collecting import COLLECTORS, MANY, Collectors
from consensus.committee import Committee
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.reader import read_operator_set, read_task
from p2pavs.chain.rpc import Rpc
from tests.e2e.harness import DEADLINE, Testnet

pytestmark = pytest.mark.e2e

NODES = MANY + 1
CONFIRMATIONS = 8
"""Seconds, a block each, from a request to the moment when the test stops the blocks."""
TRIES = 8
DOUBLE = "tests.doubles.patient"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    directory = tmp_path_factory.mktemp("collectors") / "net"
    patient = {index: ["--confirmations", str(CONFIRMATIONS)] for index in range(NODES)}
    with Testnet.start(directory, NODES, dict.fromkeys(range(NODES), DOUBLE), patient) as running:
        yield running


def _collectors(net: Testnet, task: int) -> set[int]:
    """The nodes to which the task's votes go first, as everybody can compute it from the chain."""

    async def read() -> Committee:
        async with Rpc(net.network.state.rpc) as rpc:
            chain = Chain(rpc, Deployment.load(net.network.layout.deployment))
            header = (await read_task(chain, task)).requested.header
            operators = await read_operator_set(chain, header.epoch)
            return Committee.select(operators, header.hash, header.task_seed, 0, header.committee_size)

    committee = trio.run(read)
    accounts = [_account(net, index) for index in range(NODES)]
    return {
        accounts.index("0x" + committee.member(one).operator.hex()) for one in Collectors(committee).members
    }


def _account(net: Testnet, index: int) -> str:
    identity = net.network.keys(net.network.layout.operator(index)) / "identity.json"
    return str(json.loads(identity.read_text())["address"]).lower()


def _ask(net: Testnet) -> int:
    return int(net.request("Who collects?", options=["--max-tokens", "8", *DEADLINE])["task"])


def _heard(net: Testnet, index: int, task: int, *kinds: str) -> int:
    return sum(event["event"] in kinds for event in net.api(index, f"/tasks/{task}/events"))


def _votes(net: Testnet, index: int, task: int) -> int:
    return _heard(net, index, task, "prevote", "precommit")


def test_collectors_hear_the_votes_and_the_others_their_sum(net: Testnet) -> None:
    quorum = 2 * NODES // 3 + 1
    for _ in range(TRIES):  # where this machine is very busy, patience ends and everybody hears every vote
        task = _ask(net)
        collectors = _collectors(net, task)
        assert len(collectors) == COLLECTORS
        posting = net.wait_certified(task)
        assert 3 * posting.signed_weight > 2 * posting.total_weight
        for index in range(NODES):
            _wait_event(net, index, task, "certificate")
        votes = {index: _votes(net, index, task) for index in range(NODES)}
        collected = max(votes[index] for index in collectors) >= 2 * quorum
        others = sorted(votes[index] for index in range(NODES) if index not in collectors)
        if collected and others[len(others) // 2] < quorum:
            return
    pytest.fail(f"most members heard each other's votes, {TRIES} times: {votes}")


def test_a_task_is_certified_without_its_collectors(net: Testnet) -> None:
    for _ in range(TRIES):
        task = _ask(net)
        net.network.rpc("evm_setIntervalMining", 0)  # nobody begins before its block is confirmed
        collectors = _collectors(net, task)
        for index in collectors:
            net.pause(index)
        try:
            spectator = next(index for index in range(NODES) if index not in collectors)
            in_time = not _votes(net, spectator, task)
            net.network.rpc("evm_setIntervalMining", 1)
            posting = net.wait_certified(task)
        finally:
            for index in collectors:
                net.resume(index)
        assert 3 * posting.signed_weight > 2 * posting.total_weight
        if in_time:
            break
    else:
        pytest.fail(f"the collectors were stopped too late {TRIES} times")
    for index in range(NODES):
        _wait_event(net, index, task, "certified")
        assert [one["offence"] for one in net.api(index, "/evidence")] == []


def _wait_event(net: Testnet, index: int, task: int, kind: str) -> None:
    net.wait_until(lambda: _heard(net, index, task, kind), f"node {index} has the event {kind}")
