"""The endpoint and the clock: what makes each check fail, against an endpoint that says what a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from p2pavs.chain.deployment import Deployment
from p2pavs.chain.rpc import Rpc
from p2pavs.chain.rpc_values import BlockHeader
from p2pavs.contracts import NATIVE_STAKE, names_with
from p2pavs.doctor.chain import chain, clock, peer_clocks
from p2pavs.doctor.check import Check, Status
from tests.unit.chain.http_double import endpoint, refusal, result

NOW = 1_000_000.0
DEPLOYMENT = Deployment(7, 1, {name: bytes([n + 1]) * 20 for n, name in enumerate(names_with(NATIVE_STAKE))})


def block(number: int, timestamp: float = NOW) -> dict[str, str]:
    return {
        "number": hex(number),
        "hash": "0x" + "11" * 32,
        "parentHash": "0x" + "22" * 32,
        "timestamp": hex(int(timestamp)),
    }


async def examine(answers: Mapping[str, Any], deployment: Deployment | None = DEPLOYMENT) -> dict[str, Check]:
    given = {
        "eth_chainId": "0x7",
        "latest": block(500),
        "finalized": block(430),
        "eth_syncing": False,
        "eth_call": "0x",
        "eth_getCode": "0x60",
    } | dict(answers)

    def answer(request: dict[str, Any]) -> Any:
        key = request["method"]
        if key == "eth_getBlockByNumber":
            key = request["params"][0]
        value = given[key]
        return refusal(request, -32601, "not found") if value is KeyError else result(request, value)

    with endpoint(answer) as served:
        async with Rpc(served.url, retries=0) as rpc:
            return {check.name: check for check in await chain(rpc, deployment, lambda: NOW)}


async def test_a_good_endpoint() -> None:
    found = await examine({})
    bad = {name: check.detail for name, check in found.items() if check.status is not Status.OK}
    assert bad == {"precompiles": "wrong or missing: G1ADD, G2ADD, PAIRING_CHECK, MAP_FP2_TO_G2"}
    assert found["precompiles"].status is Status.FAIL, "this endpoint computes nothing"


@pytest.mark.parametrize(
    ("answers", "name", "status", "text"),
    [
        ({"eth_chainId": "0x8"}, "chain id", Status.FAIL, "serves chain 8"),
        ({"eth_chainId": KeyError}, "chain", Status.FAIL, "not found"),
        ({"latest": None}, "chain", Status.FAIL, "no latest block"),
        ({"latest": block(500, NOW - 600)}, "clock", Status.WARN, "600 s old"),
        ({"latest": block(500, NOW + 60)}, "clock", Status.FAIL, "60 s in the future"),
        ({"eth_syncing": {"currentBlock": "0x1"}}, "sync", Status.FAIL, "still syncing"),
        ({"eth_syncing": KeyError}, "sync", Status.SKIP, "does not tell"),
        ({"finalized": None}, "finality", Status.WARN, "knows no final block"),
        ({"finalized": KeyError}, "finality", Status.WARN, "knows no final block"),
        ({"finalized": block(200)}, "finality", Status.WARN, "300 blocks old"),
        ({"eth_getCode": "0x"}, "contracts", Status.FAIL, "no code at"),
    ],
)
async def test_what_is_wrong(answers: dict[str, Any], name: str, status: Status, text: str) -> None:
    found = (await examine(answers))[name]
    assert found.status is status and text in found.detail
    assert bool(found.remedy) == (status in (Status.WARN, Status.FAIL))


async def test_an_endpoint_that_is_gone() -> None:
    async with Rpc("http://127.0.0.1:1", retries=0) as rpc:
        (found,) = await chain(rpc, DEPLOYMENT)
    assert (found.name, found.status) == ("chain", Status.FAIL)


async def test_without_a_deployment() -> None:
    found = await examine({}, None)
    assert found["chain id"].status is Status.SKIP and "contracts" not in found


def test_the_clock_against_a_block() -> None:
    head = BlockHeader(1, bytes(32), bytes(32), int(NOW), 0)
    assert clock(head, NOW - 1).status is Status.OK, "blocks may be a moment ahead"


@pytest.mark.parametrize(
    ("offsets", "status"),
    [
        ([0.1, -0.2, 900.0], Status.OK),
        ([3.0, 3.1, 2.9], Status.WARN),
        ([-60.0], Status.FAIL),
        ([], Status.SKIP),
    ],
)
def test_the_clocks_of_peers(offsets: list[float], status: Status) -> None:
    assert peer_clocks(offsets).status is status
