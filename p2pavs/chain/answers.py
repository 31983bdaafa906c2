"""What nodes answer to transactions, in the words of the usual clients: most of it is no failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from p2pavs.chain.errors import ContractRevert, RpcRefused
from p2pavs.chain.reverts import explain
from p2pavs.chain.rpc_values import Block

T = TypeVar("T")

KNOWN = ("already known", "already imported", "alreadyknown", "known transaction", "already in pool")
NONCE_LOW = ("nonce too low", "nonce is too low", "oldnonce", "nonce_too_low")
UNDERPRICED = ("underpriced", "replacementnotallowed", "fee too low", "less than block base fee")
NO_FUNDS = ("insufficient funds", "insufficient balance", "insufficientfunds", "out of gas funds")


def says(error: RpcRefused, texts: tuple[str, ...]) -> bool:
    """Whether an error's text holds one of some phrases."""
    return any(text in error.reason.lower() for text in texts)


async def in_next_block(ask: Callable[[Block], Awaitable[T]]) -> T:
    """Ask about the block to come, where a transaction would be, or if that cannot be had the newest."""
    try:
        return await ask("pending")
    except RpcRefused as error:
        if isinstance(explain(error), ContractRevert):
            raise
        return await ask("latest")
