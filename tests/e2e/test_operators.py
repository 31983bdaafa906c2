"""What operators do beside their running nodes: claim what they earned, and leave."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from consensus.types import FinishReason, ResultStatus
from p2pavs.chain.reader import list_models, quote
from p2pavs.chain.records import InferenceParams, InferenceRequest
from p2pavs.cli import common
from testnet.network import SUPPLEMENT_WINDOW, NetworkFailed
from tests.e2e.harness import DEADLINE, Testnet

pytestmark = pytest.mark.e2e

NODES = 4
ALL = range(NODES)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    with Testnet.start(tmp_path_factory.mktemp("operators") / "net", NODES) as running:
        yield running


def _keys(net: Testnet, index: int) -> list[str]:
    directory = net.network.layout.operator(index)
    keys, password = net.network.keys(directory), net.network.password(directory)
    return ["--keys", str(keys), "--password-file", str(password)]


def _payer(net: Testnet) -> list[str]:
    return ["--key-file", str(net.network.layout.deployer_key)]


def _json(net: Testnet, *arguments: str) -> Any:
    return json.loads(net.command(*arguments, "--json"))


def _status(net: Testnet, index: int) -> Any:
    return _json(net, "operator", "status", *_keys(net, index))


def _window_is_over(net: Testnet, task: int) -> bool:
    """Whether the chain takes no more signatures of a certified task."""
    block = net.network.rpc("eth_getBlockByNumber", "latest", False)
    return int(block["timestamp"], 16) > net.result(task).finalized_at + int(SUPPLEMENT_WINDOW)


def test_rewards_are_claimed_while_the_node_runs(net: Testnet) -> None:
    asked = net.request("is water wet?", choices=("yes", "no"), wait=True, options=DEADLINE)
    mine = next(index for index in ALL if _status(net, index)["unclaimedTasks"])
    with pytest.raises(NetworkFailed, match="Stop the node"):
        net.command("operator", "claim", *_keys(net, mine))
    early = _json(net, "operator", "claim", *_keys(net, mine), *_payer(net))
    # Until the supplement window is over nothing is claimed; on a slow machine it may be over by now.
    assert bool(early["claims"]) != (early["waitingTasks"] == [asked["task"]])
    net.wait_until(lambda: _window_is_over(net, asked["task"]), "the supplement window is over")
    shares = [int(_status(net, index)["unclaimedWei"]) for index in ALL]
    # All but the base fee, which goes to the pool; the demo model has no royalty.
    reward = int(asked["feeWei"]) - int(asked["baseFeeWei"])
    assert 0 < reward < int(asked["feeWei"])
    assert sum(shares) + int(early["claimedWei"]) in range(reward - NODES, reward + 1)
    claimed = early if early["claims"] else _json(net, "operator", "claim", *_keys(net, mine), *_payer(net))
    assert int(claimed["claimedWei"]) == int(early["claimedWei"]) + shares[mine]
    assert [claim["tasks"] for claim in claimed["claims"]] == [[asked["task"]]]
    assert net.terminate(mine) == 0
    paid = _json(net, "operator", "claim", *_keys(net, mine), "--withdraw")
    assert (paid["claims"], paid["withdrawnWei"]) == ([], claimed["claimedWei"])
    net.restart(mine)
    net.wait_connected()


def test_a_request_with_text_that_is_not_utf8_is_rejected_by_all(net: Testnet) -> None:
    """A contract can ask like that: it must hear of it before the deadline, and the task must be readable."""

    async def ask() -> int:
        payer = common.read_account(None, net.network.layout.deployer_key, None)
        async with common.open_chain(net.network.state.rpc, net.network.layout.deployment) as chain:
            (model,) = await list_models(chain)
            stop = (b"\xff\xfe".decode(errors="surrogateescape"),)
            params = InferenceParams(max_tokens=4, stop=stop)
            request = InferenceRequest(model.id, b"hello", params, int(time.time()) + 900)
            price = await quote(chain, model.id, params.max_tokens, 5)
            call = chain.call("TaskGateway", "requestInference", request.to_abi(), value=price)
            async with common.open_account(chain.rpc, payer) as sender:
                await sender.send(call)
            return int(await chain.read_one("TaskGateway", "taskCount"))

    task = trio.run(ask)
    posting = net.wait_certified(task)
    assert posting.result.status is ResultStatus.REJECTED
    assert posting.result.finish_reason is FinishReason.BAD_REQUEST
    assert posting.output == b""
    assert _json(net, "task", "show", str(task))["status"] == "certified"


def test_an_operator_that_leaves_works_until_its_last_epoch_is_over(net: Testnet) -> None:
    leaver = 0
    assert net.terminate(leaver) == 0
    left = _json(net, "operator", "exit", *_keys(net, leaver))
    assert left["lastEpoch"] == _json(net, "epoch", "status")["epoch"]
    net.restart(leaver)
    net.wait_connected()
    # With a second node away, three of four sign only if the one that leaves is among them.
    assert net.terminate(3) == 0
    asked = net.request("is fire cold?", choices=("yes", "no"), wait=True, options=DEADLINE)
    status = _status(net, leaver)
    assert (status["active"], status["unclaimedTasks"] > 0) == (False, True)
    assert asked["status"] == "certified"
    net.restart(3)
