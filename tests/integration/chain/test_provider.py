from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
from hexbytes import HexBytes
from web3 import AsyncWeb3
from web3.exceptions import ContractCustomError, TransactionNotFound, Web3RPCError

from p2pavs.chain.errors import RpcUnreachable
from p2pavs.chain.provider import TrioProvider
from p2pavs.contracts import artifact
from tests.integration.anvil import Anvil
from tests.integration.chain.network import dev_account


async def mined(web3: AsyncWeb3[Any], transaction: bytes) -> Any:
    """The receipt. anvil answers that a transaction is taken before it has mined the block."""
    with trio.fail_after(60):
        while True:
            with suppress(TransactionNotFound):
                return await web3.eth.get_transaction_receipt(HexBytes(transaction))
            await trio.sleep(0.02)


async def test_web3_works_under_trio(anvil: Anvil) -> None:
    provider = TrioProvider(anvil.url)
    try:
        web3: AsyncWeb3[Any] = AsyncWeb3(provider)
        assert await web3.is_connected()
        account = dev_account()
        factory = web3.eth.contract(
            abi=artifact("ModelRegistry").abi, bytecode=artifact("ModelRegistry").bytecode
        )
        transaction = await factory.constructor("0x" + "11" * 20, 1).build_transaction(
            {"from": account.address, "nonce": 0}
        )
        sent = await web3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
        receipt = await mined(web3, sent)
        registry = web3.eth.contract(address=receipt["contractAddress"], abi=artifact("ModelRegistry").abi)
        assert await registry.functions.count().call() == 0
        with pytest.raises(ContractCustomError):
            await registry.functions.modelOf(bytes(32)).call()
        with pytest.raises(Web3RPCError):
            await web3.eth.send_raw_transaction(b"\x02")
    finally:
        await provider.aclose()


async def test_web3_sees_our_errors() -> None:
    provider = TrioProvider("http://127.0.0.1:1", retries=0)
    try:
        web3: AsyncWeb3[Any] = AsyncWeb3(provider)
        assert not await web3.is_connected()
        with pytest.raises(RpcUnreachable), trio.fail_after(60):
            await web3.eth.block_number
        with pytest.raises(RpcUnreachable):
            await web3.is_connected(show_traceback=True)
    finally:
        await provider.aclose()
