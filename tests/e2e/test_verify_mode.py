"""Verify mode over real nodes: one generates, wrong chunks change nothing, who diverges is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testnet.layout import write_whole
from tests.e2e.harness import DEADLINE, Testnet

pytestmark = pytest.mark.e2e

NODES = 4
ALL = range(NODES)
HOT = ["--max-tokens", "100", "--temperature", "10", *DEADLINE]
VERIFY = ["--mode", "verify", *HOT]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    directory = tmp_path_factory.mktemp("verify") / "net"
    with Testnet.start(directory, NODES, dict.fromkeys(ALL, "tests.doubles.actor")) as running:
        yield running


@pytest.fixture(autouse=True)
def honest_again(net: Testnet) -> Iterator[None]:
    yield
    for index in ALL:
        _script(net, index).unlink(missing_ok=True)


def _script(net: Testnet, index: int) -> Path:
    return net.network.layout.data(index) / "act.json"


def _direct(net: Testnet, index: int, cheat: str) -> None:
    write_whole(_script(net, index), json.dumps({"cheat": cheat}))


def _events(net: Testnet, index: int, task: int, kind: str) -> list[dict[str, Any]]:
    return [event for event in net.api(index, f"/tasks/{task}/events") if event["event"] == kind]


def _generated(net: Testnet, index: int, task: int) -> list[int]:
    return [event["chunk"] for event in _events(net, index, task, "inference") if event["generated"]]


def test_one_node_generates_and_the_others_check(net: Testnet) -> None:
    answer = net.request("Once the proposal", wait=True, options=["--seed", "3", *VERIFY])
    assert answer["status"] == "certified"
    task = answer["task"]
    ranks = [event["rank"] for index in ALL for event in _events(net, index, task, "generating")]
    assert ranks == [0]
    counts = [len(_generated(net, index, task)) for index in ALL]
    assert sum(counts) == max(counts) == answer["tokens"] // 32
    each = net.request("Once the proposal", wait=True, options=["--seed", "3", *HOT])
    assert each["status"] == "certified"
    assert not any(_events(net, index, each["task"], "generating") for index in ALL)


def test_wrong_chunks_of_everybody_change_nothing(net: Testnet) -> None:
    """Each chunk that leaves any node is false: every node refuses them and generates by itself."""
    for index in ALL:
        _direct(net, index, "edit")
    answer = net.request("Once the proposal", wait=True, options=["--seed", "4", *VERIFY])
    assert answer["status"] == "certified"
    refusals = [event for index in ALL for event in _events(net, index, answer["task"], "chunk_refused")]
    assert refusals
    assert all(event["position"] % 32 == 0 for event in refusals)
    assert all(f"from token {event['position']} on" in event["reason"] for event in refusals)


def test_a_node_that_diverges_is_named_with_chunk_and_position(net: Testnet) -> None:
    odd = 3
    _direct(net, odd, "flip")
    answer = net.request("Once the proposal", wait=True, options=["--seed", "5", *HOT])
    assert answer["status"] == "certified"
    operator = net.api(odd, "/status")["operator"]
    for index in ALL:
        (found,) = net.wait_until(
            lambda index=index: _events(net, index, answer["task"], "diverged"), f"node {index} knows"
        )
        assert (found["operator"], found["own"]) == (operator, index == odd)
        assert (found["chunk"], found["position"], found["profilesDiffer"]) == (0, 0, False)
    (shown,) = [one for one in net.api(odd, "/status")["divergences"] if one["task"] == answer["task"]]
    assert shown["detail"] == "the logits differ at token 0 (chunk 0)"
    said = net.command("status", "--json")
    assert "the logits differ at token 0" in said
