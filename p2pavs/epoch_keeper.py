"""Epochs do not begin by themselves: operators take turns in beginning them, and a dead one is not missed."""

from __future__ import annotations

import structlog
import trio

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.epochs import advance_epoch
from p2pavs.chain.errors import ChainError
from p2pavs.chain.poster import Sender

CHECK_EVERY = 5.0

log = structlog.get_logger()


class EpochKeeper:
    """Begins the next epoch when the current one is over and it is this operator's turn.

    The set's operators are ranked from the one whose index is the epoch's number modulo their count. Rank i
    waits i times ``turn_blocks`` beyond the end of the epoch. Anyone may begin one; the ranking only keeps
    the operators from paying for the same thing twice.
    """

    def __init__(self, chain: Chain, sender: Sender, operator: bytes, turn_blocks: int = 5) -> None:
        self._chain = chain
        self._sender = sender
        self._operator = operator
        self._turn_blocks = turn_blocks

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                if await self.is_my_turn():
                    number = await advance_epoch(self._chain, self._sender)
                    log.info("epoch_begun", epoch=number)
            except ChainError as error:
                log.warning("epoch_not_begun", error=error.message, remedy=error.remedy)
            await trio.sleep(CHECK_EVERY)

    async def is_my_turn(self) -> bool:
        """Whether the epoch is over and this operator's wait too."""
        current = await reader.current_epoch(self._chain)
        info = await reader.read_epoch(self._chain, current) if current else None
        if info is None:
            return False  # the first epoch is begun by whoever sets the network up
        head = await self._chain.rpc.block_number()
        overdue = head - info.opened_at - await reader.epoch_length(self._chain)
        if overdue < 0:
            return False
        operators = (await reader.read_operator_set(self._chain, current)).operators
        own = next((i for i, one in enumerate(operators) if one.operator == self._operator), None)
        if own is None:
            return False
        rank = (own - current) % len(operators)
        return overdue >= rank * self._turn_blocks
