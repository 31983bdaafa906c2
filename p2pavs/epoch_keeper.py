"""Epochs do not begin by themselves: operators take turns in beginning them, and a dead one is not missed."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
import trio

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.epochs import MOVED_ON, Prover, freeze_epoch, make_seed
from p2pavs.chain.errors import ChainError, ContractRevert
from p2pavs.chain.poster import Sender

SOON = 20
"""Blocks before the end of an epoch from which on it is watched closely."""
SELDOM = 4
"""How much longer the pauses are until then. An offence can bring the end forward."""

log = structlog.get_logger()


class EpochKeeper:
    """Freezes the next set when the epoch is over, and makes its seed, both when it is this operator's turn.

    For freezing, the set's operators are ranked from the one whose index is the epoch's number modulo their
    count. Rank i waits i times ``turn_blocks`` beyond the end of the epoch. Anyone may do it; the ranking
    only keeps the operators from paying for the same thing twice. Who makes the seed the contract draws.
    """

    def __init__(
        self,
        chain: Chain,
        sender: Sender,
        operator: bytes,
        provers: Mapping[bytes, Prover],
        turn_blocks: int = 5,
        check_every: float = 3.0,
    ) -> None:
        self._chain = chain
        self._sender = sender
        self._operator = operator
        self._provers = provers
        self._turn_blocks = turn_blocks
        self._check_every = check_every
        self._soon = True

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.step()
            except ContractRevert as error:
                if error.name not in MOVED_ON | {"AlreadyFrozen", "EpochNotDue", "KeyMissing"}:
                    log.warning("epoch_not_begun", error=error.message, remedy=error.remedy)
            except ChainError as error:
                log.warning("epoch_not_begun", error=error.message, remedy=error.remedy)
            await trio.sleep(self._check_every * (1 if self._soon else SELDOM))

    async def step(self) -> None:
        """Do what is this operator's to do now, if anything. Raises ``ChainError``."""
        pending = await reader.pending_epoch(self._chain)
        self._soon = True
        if pending.frozen_at:
            if await make_seed(self._chain, self._sender, self._provers):
                log.info("epoch_begun", epoch=pending.epoch)
        elif await self.is_my_turn():
            log.info("epoch_frozen", epoch=await freeze_epoch(self._chain, self._sender))

    async def is_my_turn(self) -> bool:
        """Whether the epoch is over (or someone in it was slashed) and this operator's wait too."""
        current = await reader.current_epoch(self._chain)
        if not current:
            return False  # the first epoch is begun by whoever sets the network up
        head = await self._chain.rpc.block_number()
        overdue = head - await reader.due_block(self._chain)
        self._soon = overdue >= -SOON
        if overdue < 0:
            return False
        operators = (await reader.read_operator_set(self._chain, current)).operators
        own = next((i for i, one in enumerate(operators) if one.operator == self._operator), None)
        if own is None:
            return False
        rank = (own - current) % len(operators)
        return overdue >= rank * self._turn_blocks
