"""A deployment on EigenLayer's stake, against our small AllocationManager.

``tests/outside/eigenlayer`` runs the same against EigenLayer's own contracts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
import trio
from eth_account import Account
from eth_account.signers.local import LocalAccount

from consensus import bls, vrf
from consensus.hashing import keccak256
from consensus.signing import statement
from consensus.types import InstanceId, Kind, Scope
from p2pavs.chain import reader, slashing
from p2pavs.chain.abi import Interface, codec
from p2pavs.chain.contracts import Call, Chain, interface
from p2pavs.chain.deploy import (
    DEPLOYMENT_GAS,
    Authority,
    DeployedContract,
    DeployParameters,
    Restaking,
    created_address,
    deploy_all,
)
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.epochs import advance_epoch
from p2pavs.chain.evidence import ChainEvidence
from p2pavs.chain.poster import Sender
from p2pavs.chain.rpc import Rpc
from p2pavs.contracts import EIGEN_STAKE, TIMELOCK
from p2pavs.contracts.compile import REPOSITORY, compile_sources
from p2pavs.errors import UsageError
from tests.integration.anvil import Anvil
from tests.integration.chain.network import CHAIN_ID, ETH, OUTSIDER, address_of, running_sender

MOCK = "tests/forge/MockAllocationManager.sol"
SIGNATURES = "p2pavs/contracts/src/eigenlayer/IAllocationManager.sol"
PARAMETERS = DeployParameters(epoch_blocks=5, reveal_blocks=3)


@cache
def mock() -> dict[str, Any]:
    sources = {path: (REPOSITORY / path).read_text("utf-8") for path in (MOCK, SIGNATURES)}
    return compile_sources(sources)[MOCK]["MockAllocationManager"]


class EigenLayer(Protocol):
    """What this test needs of an EigenLayer: our small one, or the real one."""

    manager: bytes  # the AllocationManager
    strategy: bytes

    async def allocate(self, anvil: Anvil, sender: Sender, adapter: bytes, amount: int) -> None:
        """Have the sender's account stake that much and make it slashable for the adapter's set."""


@dataclass(frozen=True, slots=True)
class SmallOne:
    """``MockAllocationManager``."""

    manager: bytes
    strategy: bytes

    @classmethod
    async def deploy(cls, sender: Sender) -> SmallOne:
        where = created_address(sender.address, sender.next_nonce)
        await sender.send(Call(None, bytes.fromhex(mock()["bytecode"][2:]), what="the AllocationManager"))
        return cls(where, b"\xa1" * 20)

    async def allocate(self, anvil: Anvil, sender: Sender, adapter: bytes, amount: int) -> None:
        abi = Interface([entry for entry in mock()["abi"] if entry.get("name") == "allocate"])
        await sender.send(Call(self.manager, abi.encode("allocate", adapter, 0, self.strategy, amount)))


async def join(
    chain: Chain, anvil: Anvil, directory: Path, eigenlayer: EigenLayer, number: int
) -> bls.SecretKey:
    """Allocate stake and join the operator set in EigenLayer; the consensus key goes along."""
    secret = bls.SecretKey((number + 1000).to_bytes(32, "big"))
    account: LocalAccount = Account.from_key((number + 7).to_bytes(32, "big"))
    await trio.to_thread.run_sync(anvil.rpc, "anvil_setBalance", account.address, hex(1000 * ETH))
    address, adapter = address_of(account), chain.address(EIGEN_STAKE)
    proof = bls.pop_prove(secret, CHAIN_ID, chain.deployment.operator_registry, address)
    key = bls.public_key_to_evm(bls.public_key(secret))
    peer_id = bytes.fromhex("002408011220") + bytes([number]) * 32
    data = codec.encode(["bytes", "bytes", "bytes"], [key, bls.signature_to_evm(proof), peer_id])
    abi = Interface([entry for entry in mock()["abi"] if entry.get("name") == "registerForOperatorSets"])
    register = abi.encode("registerForOperatorSets", address, (adapter, [0], data))
    async with running_sender(chain.rpc, directory, account) as sender:
        await eigenlayer.allocate(anvil, sender, adapter, (number + 1) * ETH)
        await sender.send(Call(eigenlayer.manager, register))
    return secret


async def test_from_the_set_up_to_a_slash(anvil: Anvil, tmp_path: Path) -> None:
    await from_the_set_up_to_a_slash(anvil, tmp_path, SmallOne.deploy)


async def from_the_set_up_to_a_slash(
    anvil: Anvil, tmp_path: Path, deploy: Callable[[Sender], Awaitable[EigenLayer]]
) -> None:
    owner = address_of(OUTSIDER)
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        eigenlayer = await deploy(sender)
        created: list[DeployedContract] = []
        deployment = await deploy_all(
            rpc,
            sender,
            PARAMETERS,
            created.append,
            restaking=Restaking(eigenlayer.manager, (eigenlayer.strategy,), "https://example.org/avs.json"),
            authority=Authority(owner, owner),
        )
        assert sum(one.receipt.gas_used for one in created) <= DEPLOYMENT_GAS
        path = tmp_path / "deployment.json"
        deployment.save(path)
        assert Deployment.load(path) == deployment
        assert deployment.stake_source == EIGEN_STAKE
        chain = await Chain.connect(rpc, deployment)
        secrets = [await join(chain, anvil, tmp_path, eigenlayer, number) for number in range(3)]

        await advance_epoch(chain, sender)
        operators = (await reader.read_operator_set(chain, 1)).operators
        assert [one.stake for one in operators] == [ETH, 2 * ETH, 3 * ETH]
        assert [one.key for one in operators] == [bls.public_key(secret) for secret in secrets]

        # One of them signs two values for one slot.
        accused = operators[2]
        scope = Scope(deployment.domain, InstanceId(1, 0), keccak256(b"root"))
        values = keccak256(b"one"), keccak256(b"other")
        signed = [bls.sign(secrets[2], statement(scope, Kind.PREVOTE, 0, value)) for value in values]
        struct = (
            (1, 0, scope.committee_root),
            int(Kind.PREVOTE),
            0,
            *values,
            bls.public_key_to_evm(accused.key),
            bls.signature_to_evm(bls.aggregate(signed)),
        )
        data = interface("EquivocationVerifier").encode("checkDecoded", struct)[4:]
        evidence = ChainEvidence("EquivocationVerifier", accused.operator, 1, data)
        await sender.send(slashing.report_call(chain, evidence))
        assert await reader.stake_of(chain, accused.operator) == 0
        assert await slashing.is_booked(chain, evidence)

        provers = {bls.public_key(secret): (lambda m, s=secret: vrf.prove(s, m)) for secret in secrets}
        assert await advance_epoch(chain, sender, provers) == 2
        assert accused.operator not in [
            one.operator for one in (await reader.read_operator_set(chain, 2)).operators
        ]

        # Ownership is offered, and taken by who was named.
        assert await chain.read_one("SlashingManager", "owner") == chain.address(TIMELOCK)
        for name in ("TaskGateway", EIGEN_STAKE):
            assert await chain.read_one(name, "owner") == sender.address
            assert await chain.read_one(name, "candidate") == owner
        async with running_sender(rpc, tmp_path, OUTSIDER) as theirs:
            for name in ("TaskGateway", EIGEN_STAKE):
                await theirs.send(chain.call(name, "takeOwnership"))
                assert await chain.read_one(name, "owner") == owner


async def test_without_an_allocation_manager_nothing_is_sent(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        before = sender.next_nonce
        for wrong in (b"\x77" * 20, bytes(19) + b"\x02"):  # no contract; one that answers something else
            with pytest.raises(UsageError, match="AllocationManager"):
                await deploy_all(rpc, sender, PARAMETERS, restaking=Restaking(wrong, (b"\xa1" * 20,), ""))
        assert sender.next_nonce == before


async def test_stake_must_outlast_the_windows_in_eigenlayer_too(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        small = await SmallOne.deploy(sender)
        before = sender.next_nonce
        parameters = replace(PARAMETERS, withdrawal_delay=10**9, veto_window=10**6)
        with pytest.raises(UsageError, match="EigenLayer's withdrawal delay"):
            await deploy_all(
                rpc, sender, parameters, restaking=Restaking(small.manager, (small.strategy,), "")
            )
        assert sender.next_nonce == before
