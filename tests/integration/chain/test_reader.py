from __future__ import annotations

from pathlib import Path

import pytest

from consensus import bls
from consensus.committee import Committee
from consensus.signing import statement, value_id
from consensus.types import Kind, Scope
from inference.errors import RequestError
from inference.request import Request
from p2pavs import client
from p2pavs.chain import operators, reader
from p2pavs.chain.contracts import Call, Chain
from p2pavs.chain.errors import ContractRevert, NotDeployed, NotFound, WrappedCertificate
from p2pavs.chain.records import InferenceParams, TaskStatus, request_hash
from tests.integration.anvil import Anvil
from tests.integration.chain.network import ETH, OUTPUT, PROFILE, address_of, running_network


async def test_what_was_registered_is_read(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=3) as network:
        chain = network.chain
        assert await reader.current_epoch(chain) == 1
        info = await reader.read_epoch(chain, 1)
        assert info is not None
        assert (info.count, info.total_stake) == (3, 6 * ETH)
        assert await reader.read_epoch(chain, 2) is None
        operator_set = await reader.read_operator_set(chain, 1)
        assert operator_set.root == info.set_root
        assert [entry.operator for entry in operator_set.operators] == [
            address_of(member.account) for member in network.operators
        ]
        with pytest.raises(NotFound, match="no epoch 2"):
            await reader.read_operator_set(chain, 2)
        records = await operators.list_operators(chain)
        for number, (record, member) in enumerate(zip(records, network.operators, strict=True), 1):
            assert record == await operators.read_operator(chain, address_of(member.account))
            assert (record.active, record.stake) == (True, number * ETH)
            assert record.consensus_key == bls.public_key(member.secret)
        assert await operators.read_operator(chain, b"\x99" * 20) is None
        (model,) = await reader.list_models(chain)
        assert (model.id, model.name, model.runtime_profile) == (network.model_id, "test", PROFILE)
        with pytest.raises(ContractRevert, match="There is no model 0x00"):
            await reader.read_model(chain, bytes(32))


@pytest.mark.parametrize("seats", [0, 9])
async def test_a_certificate_is_read_out_of_its_transaction(anvil: Anvil, tmp_path: Path, seats: int) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain = network.chain
        header = await network.request(seats=seats)
        certificate, call = await network.certify(header)
        with pytest.raises(NotFound, match="no certificate") as missing:
            await reader.read_certificate(chain, header.id)
        assert f"p2pavs task show {header.id}," in missing.value.remedy
        receipt = await network.sender.send(call)
        found = await reader.read_certificate(chain, header.id)
        assert found.certificate == certificate
        assert (found.header, found.output) == (header, OUTPUT)
        assert found.transaction_hash == receipt.transaction_hash
        # What was read is a proof by itself.
        operator_set = await reader.read_operator_set(chain, header.epoch)
        committee = Committee.select(operator_set, header.hash, header.task_seed, 0, header.committee_size)
        scope = Scope(chain.deployment.domain, certificate.instance, committee.root)
        keys = [committee.member(index).key for index in found.certificate.signers]
        message = statement(scope, Kind.PRECOMMIT, certificate.round, value_id(certificate.result))
        assert bls.fast_aggregate_verify(keys, message, found.certificate.signature)
        result = await reader.read_result(chain, header.id)
        assert (result.status, result.value, result.signed_bps) == (
            TaskStatus.CERTIFIED,
            OUTPUT.ljust(32, b"\0"),
            10_000,
        )


async def test_a_certificate_posted_through_another_contract_is_named(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        gateway = network.chain.deployment.gateway
        # Hands its calldata on: CALLDATACOPY all, CALL the gateway with all gas, revert if that fails.
        forward = bytes.fromhex("365f5f375f5f365f5f73") + gateway + bytes.fromhex("5af16026575f5ffd5b00")
        creation = bytes([0x60, len(forward), 0x60, 11, 0x5F, 0x39, 0x60, len(forward), 0x5F, 0xF3, 0xFE])
        forwarder = (await network.sender.send(Call(None, creation + forward))).contract_address
        header = await network.request()
        _, call = await network.certify(header)
        receipt = await network.sender.send(Call(forwarder, call.data))
        with pytest.raises(WrappedCertificate, match=receipt.transaction_hash.hex()):
            await reader.read_certificate(network.chain, header.id)


@pytest.mark.parametrize("field", ["choices", "stop"])
async def test_a_task_with_text_that_is_not_utf8_is_read_and_refunded(
    anvil: Anvil, tmp_path: Path, field: str
) -> None:
    """A contract can ask like that; whoever paid must not lose the fee for it."""
    async with running_network(anvil, tmp_path, operators=1) as network:
        texts = ("fine", b"\xff\xfe\xed\xa0\x80".decode(errors="surrogateescape"))
        stop, choices = (texts, ()) if field == "stop" else ((), texts)
        params = InferenceParams(max_tokens=8, stop=stop, choices=choices)
        header = await network.request(params=params)
        found = (await reader.read_task(network.chain, header.id)).requested
        assert found.params == params
        assert request_hash(found.input, found.params) == header.request_hash
        with pytest.raises(RequestError, match=f"{field} holds a text that is not valid Unicode"):
            Request(found.input, params.max_tokens, stop=found.params.stop, choices=found.params.choices)
        anvil.rpc("evm_increaseTime", 700)
        anvil.mine()
        await client.refund(network.chain, network.sender, header.id)
        assert (await reader.read_result(network.chain, header.id)).status is TaskStatus.REFUNDED
        assert await reader.credit_of(network.chain, network.sender.address) == header.fee


async def test_what_does_not_exist_is_named(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        for task in (0, 1, 2**255):
            with pytest.raises(NotFound, match=f"There is no task {task}"):
                await reader.read_task(network.chain, task)
        for impossible in (-1, 2**256):
            with pytest.raises(NotFound, match="no task"):
                await reader.read_task(network.chain, impossible)
        assert (await reader.read_result(network.chain, 5)).status is TaskStatus.NONE


async def test_a_chain_that_was_restarted_is_named(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path, operators=1) as network:
        anvil.kill()
        anvil.launch()
        with pytest.raises(NotDeployed, match="OperatorRegistry should be"):
            await Chain.connect(network.chain.rpc, network.chain.deployment)
        with pytest.raises(NotDeployed, match="test chain was restarted"):
            await reader.current_epoch(network.chain)
