"""Transactions that were mined."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from p2pavs.chain.rpc import Rpc
from p2pavs.chain.rpc_values import RawReceipt


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that was mined and worked."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    gas_used: int
    effective_gas_price: int  # wei
    contract_address: bytes | None

    @property
    def cost(self) -> int:
        """What it cost besides the value it carried, in wei."""
        return self.gas_used * self.effective_gas_price

    @classmethod
    def of(cls, raw: RawReceipt) -> Receipt:
        """From the chain's receipt of a transaction that worked."""
        return cls(
            transaction_hash=raw.transaction_hash,
            block_number=raw.block_number,
            block_hash=raw.block_hash,
            gas_used=raw.gas_used,
            effective_gas_price=raw.effective_gas_price,
            contract_address=raw.contract_address,
        )


async def canonical_receipt(rpc: Rpc, transaction_hash: bytes) -> RawReceipt | None:
    """Return the receipt of a transaction in a block that is on the chain now; None where there is none.

    Endpoints may answer with the receipt of a block that was reorganised away.
    """
    receipt = await rpc.receipt(transaction_hash)
    if receipt is None:
        return None
    block = await rpc.block(receipt.block_number)
    return receipt if block is not None and block.hash == receipt.block_hash else None


async def wait_receipt(
    rpc: Rpc, transaction_hash: bytes, *, confirmations: int = 0, poll_interval: float = 0.2
) -> RawReceipt:
    """Wait until a transaction is on the chain with ``confirmations`` blocks on top, however long."""
    while True:
        receipt = await canonical_receipt(rpc, transaction_hash)
        if receipt is not None:
            head = await rpc.block_number() if confirmations else receipt.block_number
            if head >= receipt.block_number + confirmations:
                return receipt
        await anyio.sleep(poll_interval)
