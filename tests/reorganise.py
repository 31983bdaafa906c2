"""A reorganisation of the development chain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

STILL = 0.5  # seconds without a new block after which none is being made


def reorganise(rpc: Callable[..., Any], blocks: int) -> None:
    """Take the newest blocks back, with all their transactions, of a chain that makes one a second; blocks.

    Empty blocks take their place. Where anvil makes a block at the same moment, some numbers have none for
    ever after: so it makes none meanwhile. `rpc(method, *parameters)` is one JSON-RPC call.
    """
    rpc("evm_setIntervalMining", 0)
    before = None
    while before != (now := rpc("eth_blockNumber")):
        before = now
        time.sleep(STILL)
    rpc("anvil_reorg", blocks, [])
    rpc("evm_setIntervalMining", 1)
