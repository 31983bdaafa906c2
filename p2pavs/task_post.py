"""What this operator sends the gateway about one task, and what it knows of the task there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from consensus.committee import Committee
from p2pavs.chain.contracts import Chain
from p2pavs.chain.events import TaskCertified
from p2pavs.chain.poster import Sender
from p2pavs.chain.records import AbiTuple, TaskHeader
from p2pavs.chain.rpc_values import Block
from p2pavs.journal import Journal, Json


@dataclass(slots=True)
class ChainView:
    """What the chain said last about a task, kept up to date by the follower."""

    certified: bool = False
    refunded: bool = False
    head: int = 0
    """The newest block."""
    certificate: TaskCertified | None = None
    """The certificate that was taken."""
    bitmap: int = 0
    """Who signed it, with those that were added."""
    busy: bool = False
    """Something is still to be sent: the task is not let go yet."""
    over: bool = False
    """Deep enough below the head that it will not change any more."""


@dataclass(frozen=True, slots=True)
class TaskPost:
    """Sends for one member of a task's committee."""

    header: TaskHeader
    committee: Committee
    own: int
    view: ChainView
    chain: Chain
    sender: Sender
    journal: Journal

    def note(self, kind: str, **fields: Json) -> None:
        """Write an event into the task's journal."""
        self.journal.add(self.header.id, kind, **fields)

    async def send(
        self,
        method: str,
        *arguments: AbiTuple | bytes,
        gas: int | None = None,
        trial: Block = "pending",
        done: str,
        **fields: Json,
    ) -> None:
        """Call the gateway with the task's header and more; the journal says ``done`` once it is mined.

        ``gas`` and ``trial`` as in ``Call``. Raises ``ContractRevert`` and other ``ChainError``.
        """
        call = self.chain.call("TaskGateway", method, self.header.to_abi(), *arguments, gas=gas)
        receipt = await self.sender.send(replace(call, trial=trial))
        self.note(
            done,
            **fields,
            transaction="0x" + receipt.transaction_hash.hex(),
            gas=receipt.gas_used,
            block=receipt.block_number,
        )
