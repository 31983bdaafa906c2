"""The doctor on real chains: right and missing precompiles, and the duties of real operators."""

from __future__ import annotations

from pathlib import Path

from consensus import bls
from p2pavs.chain.precompiles import wrong_precompiles
from p2pavs.chain.rpc import Rpc
from p2pavs.doctor.chain import chain
from p2pavs.doctor.check import Check, Status
from p2pavs.doctor.duties import duties
from tests.integration.anvil import Anvil
from tests.integration.chain.network import OUTSIDER, Network, address_of, running_network


async def test_precompiles_that_compute_and_that_are_not_there(anvil: Anvil) -> None:
    async with Rpc(anvil.url) as rpc:
        assert await wrong_precompiles(rpc) == []
    with Anvil.start("--hardfork", "cancun") as older:
        async with Rpc(older.url) as rpc:
            found = {check.name: check for check in await chain(rpc, None)}
    assert found["precompiles"].status is Status.FAIL
    assert "G1ADD, G2ADD, PAIRING_CHECK, MAP_FP2_TO_G2" in found["precompiles"].detail


async def examine(network: Network, number: int) -> dict[str, Check]:
    member = network.operators[number]
    peer_id = bytes.fromhex("002408011220") + bytes([number]) * 32
    found = await duties(network.chain, address_of(member.account), [bls.public_key(member.secret)], peer_id)
    return {check.name: check for check in found}


async def test_what_an_operator_hears(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=2) as network:
        found = await examine(network, 0)
        assert {check.status for check in found.values()} == {Status.OK}, found
        assert found["epochs"].detail == "in epoch 1; epoch 2 is not frozen yet"

        member = network.operators[0]
        anvil.rpc("anvil_setBalance", member.account.address, "0x0")
        assert (await examine(network, 0))["balance"].status is Status.FAIL

        (*_, stranger) = await duties(network.chain, address_of(OUTSIDER), [], b"")
        assert stranger.name == "registration" and stranger.status is Status.FAIL


async def test_an_operator_that_came_after_the_snapshot(anvil: Anvil, tmp_path: Path) -> None:
    from tests.integration.chain.network import _join

    async with running_network(anvil, tmp_path, operators=2) as network:
        member = await _join(network.chain, anvil, tmp_path, 5)
        found = await duties(network.chain, address_of(member.account), [bls.public_key(member.secret)], b"")
        epochs = next(check for check in found if check.name == "epochs")
        assert epochs.status is Status.WARN and "not in epoch 1" in epochs.detail


async def test_a_chain_that_goes_away_meanwhile(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        rpc = Rpc("http://127.0.0.1:1", retries=0)
        gone = type(network.chain)(rpc, network.chain.deployment)
        (found,) = await duties(gone, bytes(20), [], b"")
        await rpc.aclose()
    assert (found.name, found.status) == ("duties", Status.FAIL)
