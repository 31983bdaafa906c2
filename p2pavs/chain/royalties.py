"""Royalties: a maker's part of the price of its models, found and passed on.

The gateway credits them when a task is settled, which any claim of a signer does; anyone else can do it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.events import TaskCertified, TaskRequested, TaskSettled
from p2pavs.chain.poster import Sender
from p2pavs.chain.reader import list_models
from p2pavs.chain.records import TaskHeader

MAX_BATCH = 50
"""Tasks that one transaction settles."""


@dataclass(frozen=True, slots=True)
class Royalties:
    """What a maker earned since the deployment."""

    settled: int  # wei; credited
    settled_tasks: int
    open: tuple[TaskHeader, ...]  # certified tasks whose royalty was not passed on yet, by id

    @property
    def open_amount(self) -> int:
        """What settling the open ones credits, in wei."""
        return sum(header.royalty for header in self.open)


async def find_royalties(chain: Chain, maker: bytes) -> Royalties:
    """Return what the models of an account earned. Raises what the reader raises."""
    models = {entry.id for entry in await list_models(chain) if entry.maker == maker}
    paid: dict[int, int] = {}
    certified: set[int] = set()
    headers: dict[int, TaskHeader] = {}
    for name in ("TaskRequested", "TaskCertified", "TaskSettled") if models else ():
        async with aclosing(chain.every_event("TaskGateway", name)) as events:
            async for logged in events:
                match logged.event:
                    case TaskRequested(header) if header.model_id in models and header.royalty:
                        headers[header.id] = header
                    case TaskCertified() as event if event.id in headers:
                        certified.add(event.id)
                    case TaskSettled() as event if event.maker == maker and event.royalty:
                        paid[event.id] = event.royalty
    waiting = sorted(certified - paid.keys())
    return Royalties(sum(paid.values()), len(paid), tuple(headers[number] for number in waiting))


async def settle(chain: Chain, sender: Sender, headers: Sequence[TaskHeader]) -> int:
    """Pass on what is open of tasks, as ``find_royalties`` gives them; returns how many it was done for.

    Anyone's account may send. What somebody else settles at the same time is left out.
    """
    left, done = list(headers), 0
    while left:
        batch = left[:MAX_BATCH]
        try:
            await sender.send(chain.call("TaskGateway", "settle", [header.to_abi() for header in batch]))
        except ContractRevert as error:
            taken = error.arguments.get("id") if error.name == "AlreadySettled" else None
            others = [header for header in left if header.id != taken]
            if len(others) == len(left):
                raise
            left = others
        else:
            done, left = done + len(batch), left[MAX_BATCH:]
    return done
