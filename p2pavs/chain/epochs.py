"""Begin epochs. Anyone may; when several do at once, one pays and the others see that it is done."""

from __future__ import annotations

import trio

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.poster import Sender

_POLL = 0.2


async def freeze_epoch(chain: Chain, sender: Sender) -> int:
    """Fix the operators of the next epoch; returns its number. Raises ``ContractRevert`` if not due."""
    await sender.send(chain.call("EpochManager", "freeze"))
    return await reader.current_epoch(chain) + 1


async def open_epoch(chain: Chain, sender: Sender) -> int:
    """Give the frozen epoch its seed, in a later block than froze it; returns its number.

    Raises ``ContractRevert`` where none is frozen.
    """
    while True:
        block = await chain.rpc.block_number()
        try:
            await sender.send(chain.call("EpochManager", "open"))
        except ContractRevert as error:
            if error.name != "SameBlockAsFreeze":
                raise
            await _wait_beyond(chain, block)
        else:
            return await reader.current_epoch(chain)


async def _wait_beyond(chain: Chain, block: int) -> None:
    while True:
        if await chain.rpc.block_number() > block:
            return
        await trio.sleep(_POLL)


async def advance_epoch(chain: Chain, sender: Sender) -> int:
    """Freeze the next epoch if nobody has, then open it; returns the number of the open epoch."""
    following = await reader.current_epoch(chain) + 1
    if await reader.read_epoch(chain, following) is None:
        try:
            await freeze_epoch(chain, sender)
        except ContractRevert as error:
            if error.name != "AlreadyFrozen":
                raise
    try:
        return await open_epoch(chain, sender)
    except ContractRevert as error:
        current = await reader.current_epoch(chain)
        if error.name == "NothingFrozen" and current >= following:
            return current
        raise
