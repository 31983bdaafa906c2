"""What Ethereum JSON-RPC returns, decoded. Addresses are 20 bytes, hashes 32, amounts wei."""

from __future__ import annotations

from dataclasses import dataclass

Block = int | str
"""A block by number, or one of the tags "latest", "pending", "safe", "finalized", "earliest"."""


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """The part of a block that is used here."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int  # unix seconds
    base_fee: int  # wei per gas


@dataclass(frozen=True, slots=True)
class Log:
    """One log entry of a mined transaction."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class RawReceipt:
    """What the chain says about a mined transaction."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    status: int  # 1 = it worked, 0 = it was reverted
    gas_used: int
    effective_gas_price: int
    contract_address: bytes | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """A transaction as the chain returns it."""

    hash: bytes
    sender: bytes
    to: bytes | None
    data: bytes
    value: int
    nonce: int
    block_number: int | None
    block_hash: bytes | None


@dataclass(frozen=True, slots=True)
class FeeHistory:
    """Recent fees: the next block's base fee, and what the median transaction tipped in each recent one."""

    next_base_fee: int
    median_tips: tuple[int, ...]
