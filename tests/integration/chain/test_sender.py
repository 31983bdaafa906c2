from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from eth_account.signers.local import LocalAccount

from p2pavs.chain.contracts import Call
from p2pavs.chain.deploy import (
    DEPLOYMENT_GAS,
    DeployedContract,
    DeployParameters,
    NoBlsPrecompiles,
    deploy_all,
)
from p2pavs.chain.errors import ContractRevert, InsufficientFunds, NonceTaken, RpcUnreachable
from p2pavs.chain.fees import market_fees
from p2pavs.chain.poster import Sender, open_sender
from p2pavs.chain.receipts import wait_receipt
from p2pavs.chain.rpc import Rpc
from tests.integration.anvil import Anvil
from tests.integration.chain.network import (
    CHAIN_ID,
    ETH,
    POLL,
    address_of,
    dev_account,
    running_network,
    running_sender,
    wait_for,
)

TO = b"\x77" * 20
GWEI = 10**9


def payment(value: int = 5) -> Call:
    return Call(TO, b"", value, "a payment")


async def until(holds: Callable[[], bool]) -> None:
    async def ask() -> bool:
        return holds()

    await wait_for(ask)


async def settled(rpc: Rpc, value: int) -> None:
    """Wait until ``TO`` holds exactly ``value``."""

    async def ask() -> bool:
        return await rpc.balance(TO) == value

    await wait_for(ask)


async def test_a_payment_is_mined_and_its_cost_known(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        before = await rpc.balance(sender.address)
        receipt = await sender.send(payment())
        assert await rpc.balance(TO) == 5
        assert before - await rpc.balance(sender.address) == 5 + receipt.cost
        found = await wait_receipt(rpc, receipt.transaction_hash)
        assert found.block_hash == receipt.block_hash


async def test_many_at_once_keep_their_order(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        tickets = [sender.submit(payment(n)) for n in range(1, 11)]
        receipts = [await ticket.receipt() for ticket in tickets]
        found = [await rpc.transaction(receipt.transaction_hash) for receipt in receipts]
        assert [(tx.nonce, tx.value) for tx in found if tx] == [(n, n + 1) for n in range(10)]


async def test_what_would_revert_costs_nothing(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        chain, sender = network.chain, network.sender
        balance, nonce = await chain.rpc.balance(sender.address), sender.next_nonce
        with pytest.raises(ContractRevert, match="can be frozen from block") as caught:
            await sender.send(chain.call("EpochManager", "freeze", b""))
        assert caught.value.name == "EpochNotDue"
        assert await chain.rpc.balance(sender.address) == balance
        assert sender.next_nonce == nonce


async def test_a_second_certificate_costs_nothing(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        _, call = await network.certify(await network.request())
        receipt = await network.sender.send(call)
        assert receipt.gas_used < 500_000
        nonce = network.sender.next_nonce
        with pytest.raises(ContractRevert) as caught:
            await network.sender.send(call)
        assert caught.value.name == "AlreadyCertified"
        assert network.sender.next_nonce == nonce


async def test_a_limit_that_is_enough_is_taken_and_another_is_not(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        for limit, taken in ((900_000, True), (100_000, False)):
            _, call = await network.certify(await network.request())
            ticket = network.sender.submit(replace(call, gas=limit))
            receipt = await ticket.receipt()
            sent = network.sender._watcher.watched[network.sender.next_nonce - 1].transaction
            assert sent.hashes[-1] == receipt.transaction_hash
            assert (sent.gas == limit) is taken
            assert receipt.gas_used < 500_000
        nonce = network.sender.next_nonce
        with pytest.raises(ContractRevert) as caught:
            await network.sender.send(replace(call, gas=900_000))
        assert caught.value.name == "AlreadyCertified"
        assert network.sender.next_nonce == nonce


async def test_a_revert_when_it_is_mined_is_told(anvil: Anvil, tmp_path: Path) -> None:
    # A contract that reverts from a block on: NUMBER PUSH1 last LT PUSH1 8 JUMPI STOP, JUMPDEST revert(0, 0).
    last = 4
    runtime = bytes([0x43, 0x60, last, 0x10, 0x60, 8, 0x57, 0x00, 0x5B, 0x5F, 0x5F, 0xFD])
    creation = (
        bytes([0x60, len(runtime), 0x60, 11, 0x5F, 0x39, 0x60, len(runtime), 0x5F, 0xF3, 0xFE]) + runtime
    )
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        created = await sender.send(Call(None, creation))
        await sender.send(Call(created.contract_address, b""))  # still works
        anvil.rpc("evm_setAutomine", False)
        ticket = sender.submit(Call(created.contract_address, b"", what="the late call"))
        await until(lambda: len(sender.waiting) == 1)
        anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**13))  # beyond what the sender offered
        anvil.mine(3)
        anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(1))
        anvil.rpc("evm_setAutomine", True)
        anvil.mine()  # in case anvil still has it; else the sender sends it again
        with pytest.raises(ContractRevert), trio.fail_after(60):
            await ticket.receipt()


async def test_a_stuck_transaction_is_replaced_by_one_that_pays_more(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path, bump_after=0.05) as sender:
        anvil.rpc("evm_setAutomine", False)
        ticket = sender.submit(payment())
        await until(lambda: len(sender.waiting) == 1)
        first = sender.waiting[0]
        base_fee = first.max_fee * 3

        async def replaced() -> bool:
            anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
            anvil.mine()
            return not sender.waiting or len(sender.waiting[0].hashes) > 1

        await wait_for(replaced)
        second = (await sender._store.load())[0]
        assert second.nonce == first.nonce
        assert second.max_fee * 8 >= first.max_fee * 9
        assert second.max_fee > base_fee
        anvil.rpc("evm_setAutomine", True)
        anvil.mine()
        with trio.fail_after(60):
            receipt = await ticket.receipt()
        last = (await sender._store.load())[0]  # it may have been replaced once more before it was mined
        assert receipt.transaction_hash in last.hashes[1:]
        assert await rpc.balance(TO) == 5
        assert await rpc.receipt(first.hashes[0]) is None


async def test_fees_stay_below_the_limit(anvil: Anvil, tmp_path: Path) -> None:
    limit = 3 * GWEI
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path, bump_after=0.05, max_fee=limit) as sender:
        anvil.rpc("evm_setAutomine", False)
        ticket = sender.submit(payment())
        await until(lambda: len(sender.waiting) == 1)
        for _ in range(10):
            anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
            anvil.mine()
            await trio.sleep(0.1)
        assert sender.waiting[0].max_fee <= limit
        anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI // 10))
        anvil.rpc("evm_setAutomine", True)
        anvil.mine()  # in case anvil still has it; else the sender sends it again
        with trio.fail_after(60):
            await ticket.receipt()


async def test_without_blocks_fees_are_not_raised(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path, bump_after=0) as sender:
        anvil.rpc("evm_setAutomine", False)
        sender.submit(payment())
        sender.submit(payment())
        await until(lambda: len(sender.waiting) == 2)
        await trio.sleep(10 * POLL)
        assert [len(transaction.hashes) for transaction in sender.waiting] == [1, 1]


async def test_a_restart_takes_up_what_is_waiting(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc:
        anvil.rpc("evm_setAutomine", False)
        async with running_sender(rpc, tmp_path) as sender:
            sender.submit(payment())
            await until(lambda: len(sender.waiting) == 1)
            left = sender.waiting
        async with running_sender(rpc, tmp_path) as sender:
            assert sender.waiting == left
            ticket = sender.submit(payment(7))
            await until(lambda: len(sender.waiting) == 2)
            anvil.mine()
            with trio.fail_after(60):
                await ticket.receipt()
            await settled(rpc, 12)


async def test_a_restart_sends_again_what_the_chain_forgot(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc:
        anvil.rpc("evm_setAutomine", False)
        async with running_sender(rpc, tmp_path) as sender:
            sender.submit(payment())
            await until(lambda: len(sender.waiting) == 1)
        anvil.rpc("anvil_dropAllTransactions")
        anvil.rpc("evm_setAutomine", True)
        async with running_sender(rpc, tmp_path) as sender:
            await settled(rpc, 5)
            await until(lambda: not sender.waiting)


class LossyRpc(Rpc):
    """Loses the first raw transaction, or the answer to it."""

    def __init__(self, url: str, *, deliver: bool) -> None:
        super().__init__(url)
        self._deliver = deliver
        self.lost = 0

    async def send_raw_transaction(self, raw: bytes) -> bytes:
        if self.lost == 0:
            self.lost = 1
            if self._deliver:
                await super().send_raw_transaction(raw)
            raise RpcUnreachable(self.url, "the cable was pulled")
        return await super().send_raw_transaction(raw)


@pytest.mark.parametrize("deliver", [False, True])
async def test_a_lost_message_neither_loses_nor_doubles(anvil: Anvil, tmp_path: Path, deliver: bool) -> None:
    async with LossyRpc(anvil.url, deliver=deliver) as rpc, running_sender(rpc, tmp_path) as sender:
        with trio.fail_after(60):
            await sender.send(payment())
            await sender.send(payment())
        assert await rpc.balance(TO) == 10
        assert rpc.lost == 1


async def test_a_transaction_is_stored_before_it_is_sent(anvil: Anvil, tmp_path: Path) -> None:
    async with LossyRpc(anvil.url, deliver=False) as rpc:
        async with running_sender(rpc, tmp_path) as sender:
            sender.submit(payment())
            await until(lambda: rpc.lost == 1)
        async with running_sender(rpc, tmp_path):
            await settled(rpc, 5)


async def test_a_reorganisation_does_not_lose_a_transaction(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        anvil.mine(3)
        await sender.send(payment())
        anvil.rpc("anvil_reorg", 2, [])
        await settled(rpc, 5)
        await sender.send(payment())
        assert await rpc.balance(TO) == 10


async def test_what_is_settled_is_forgotten(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path, settled_after=3) as sender:
        await sender.send(payment())
        assert len(sender._watcher.watched) == 1
        anvil.mine(3)
        await until(lambda: not sender._watcher.watched)
        assert await sender._store.load() == ()


async def test_another_process_with_the_key_is_named(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        anvil.rpc("evm_setAutomine", False)
        ticket = sender.submit(payment())
        await until(lambda: len(sender.waiting) == 1)
        ours = sender.waiting[0]
        foreign = dev_account().sign_transaction(
            {
                "type": 2,
                "chainId": CHAIN_ID,
                "nonce": ours.nonce,
                "gas": 21_000,
                "maxFeePerGas": ours.max_fee * 2,
                "maxPriorityFeePerGas": ours.tip * 2,
                "to": b"\x66" * 20,
                "value": 1,
            }
        )
        await rpc.send_raw_transaction(bytes(foreign.raw_transaction))
        anvil.mine()
        with pytest.raises(NonceTaken, match="took nonce 0"), trio.fail_after(60):
            await ticket.receipt()
        anvil.rpc("evm_setAutomine", True)
        with trio.fail_after(60):
            await sender.send(payment(6))
        assert await rpc.balance(TO) == 6


async def test_too_little_money_is_named(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        for value in (20_000 * ETH, 10_000 * ETH):  # more than there is; all there is, with nothing for gas
            with pytest.raises(InsufficientFunds, match="holds 10000 ETH"), trio.fail_after(60):
                await sender.send(payment(value))
        await sender.send(payment())  # no nonce was lost
        assert await rpc.balance(TO) == 5


async def test_a_sender_starts_when_the_chain_answers(anvil: Anvil, tmp_path: Path) -> None:
    anvil.kill()
    async with Rpc(anvil.url, retries=0) as rpc:

        async def start_later() -> None:
            await trio.sleep(0.2)
            await trio.to_thread.run_sync(anvil.launch)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_later)
            with trio.fail_after(60):
                async with running_sender(rpc, tmp_path) as sender:
                    await sender.send(payment())
        assert await rpc.balance(TO) == 5


async def test_failures_leave_a_sender_as_they_are(anvil: Anvil, tmp_path: Path) -> None:
    from p2pavs.chain.pending import SqlitePendingStore

    account: LocalAccount = dev_account()
    path = tmp_path / "p.sqlite"
    with SqlitePendingStore(path, chain_id=CHAIN_ID, account=address_of(account)) as store:
        async with Rpc(anvil.url) as rpc:
            with pytest.raises(InsufficientFunds):
                async with open_sender(rpc, account, store, chain_id=CHAIN_ID, poll_interval=POLL) as sender:
                    await sender.send(payment(10**30))


async def test_a_sender_runs_once(anvil: Anvil, tmp_path: Path) -> None:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        assert isinstance(sender, Sender)
        with pytest.raises(RuntimeError, match="one task owns"):
            await sender.run()


async def test_a_chain_without_bls_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with Anvil.start("--hardfork", "cancun") as old:
        async with Rpc(old.url) as rpc, running_sender(rpc, tmp_path) as sender:
            with pytest.raises(NoBlsPrecompiles, match="EIP-2537"):
                await deploy_all(rpc, sender, DeployParameters())
            assert await rpc.transaction_count(sender.address) == 0


async def test_a_deployment_that_cannot_be_paid_to_its_end_is_not_begun(anvil: Anvil, tmp_path: Path) -> None:
    created: list[DeployedContract] = []
    async with Rpc(anvil.url) as rpc, running_sender(rpc, tmp_path) as sender:
        await deploy_all(rpc, sender, DeployParameters(), created.append)
        gas = sum(one.receipt.gas_used for one in created)
        assert 0.8 * DEPLOYMENT_GAS < gas <= DEPLOYMENT_GAS
        before = await rpc.transaction_count(sender.address)
        price = (await market_fees(rpc)).max_fee
        await trio.to_thread.run_sync(
            anvil.rpc, "anvil_setBalance", "0x" + sender.address.hex(), hex(DEPLOYMENT_GAS * price // 2)
        )
        with pytest.raises(InsufficientFunds, match="the deployment may cost up to"):
            await deploy_all(rpc, sender, DeployParameters())
        assert await rpc.transaction_count(sender.address, "pending") == before
