"""A closed loop of tasks that goes on whatever is done to nodes and chain: what tasks took, what was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from p2pavs import keystore
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import ChainError
from p2pavs.chain.pending import SqlitePendingStore
from p2pavs.chain.poster import Sender, open_sender
from p2pavs.chain.reader import read_result
from p2pavs.chain.records import InferenceParams, ModelEntry, TaskStatus
from p2pavs.chain.rpc import Rpc
from p2pavs.client import choose_model, post
from tests.e2e.harness import Testnet
from tests.faults.load import CHOICES, PENDING_FILE, PROMPT

PARAMS = InferenceParams(max_tokens=8, choices=CHOICES)
POLL = 0.05
WINDOW = 120
"""Seconds that a task has: one that is not certified by then is lost."""


@dataclass(slots=True)
class Passage:
    """One task: when a block with its request was seen, and one with its certificate (0: never)."""

    requested: float
    certified: float = 0.0


@dataclass(slots=True)
class Loop:
    """Asks again and again, and watches the chain. Times are seconds of the event loop's clock."""

    chain: Chain
    sender: Sender
    model: ModelEntry
    tasks: dict[int, Passage] = field(default_factory=dict)
    _asked: int = 0
    _seen: dict[int, float] = field(default_factory=dict)  # block number -> when it was first seen
    _certified: dict[int, trio.Event] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(cls, net: Testnet) -> AsyncIterator[Loop]:
        """The requester of a test network. Its sender sends again what a reorganisation drops."""
        layout = net.network.layout
        keys = net.network.keys(layout.requester)
        account = keystore.load_account(keys, net.network.password(layout.requester).read_text().strip())
        address = bytes.fromhex(account.address[2:])
        deployment = Deployment.load(layout.deployment)
        async with Rpc(net.network.state.rpc) as rpc:
            chain = Chain(rpc, deployment)
            with SqlitePendingStore(
                keys / PENDING_FILE, chain_id=deployment.chain_id, account=address
            ) as store:
                async with (
                    open_sender(
                        rpc, account, store, chain_id=deployment.chain_id, poll_interval=0.2
                    ) as sender,
                    trio.open_nursery() as nursery,
                ):
                    one = cls(chain, sender, await choose_model(chain, None))
                    nursery.start_soon(one._watch)
                    yield one
                    nursery.cancel_scope.cancel()

    async def run(self, in_flight: int, seconds: float) -> float:
        """Keep so many tasks under way for so long, then wait for those that are open.

        Returns how many were certified a second while it lasted.
        """
        self.tasks = {}
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(in_flight):
                nursery.start_soon(self._ask, began + seconds)
        end = began + seconds
        return sum(0 < one.certified <= end for one in self.tasks.values()) / seconds

    @property
    def waits(self) -> list[float]:
        """From the request's block to the certificate's, of all that were certified."""
        return [one.certified - one.requested for one in self.tasks.values() if one.certified]

    @property
    def lost(self) -> int:
        """Tasks without a certificate."""
        return sum(not one.certified for one in self.tasks.values())

    async def _ask(self, end: float) -> None:
        while trio.current_time() < end:
            self._asked += 1
            prompt = PROMPT + b" (%d)" % self._asked
            try:
                posted = await post(self.chain, self.sender, self.model, prompt, PARAMS, window=WINDOW)
            except ChainError:  # the endpoint is silent, or the block is gone: nothing of this is open
                await trio.sleep(0.5)
                continue
            task = posted.task.requested.header.id
            now = trio.current_time()
            self.tasks[task] = Passage(min(now, self._seen.get(posted.task.block_number, now)))
            self._certified[task] = trio.Event()
            with trio.move_on_after(WINDOW):
                await self._certified[task].wait()

    async def _watch(self) -> None:
        known = 0
        while True:
            try:
                head = await self.chain.rpc.block_number()
                if head != known:
                    for number in range(min(known, head) + 1, head + 1):
                        self._seen.setdefault(number, trio.current_time())
                    await self._look()
                    known = head
            except ChainError:
                known = 0
            await trio.sleep(POLL)

    async def _look(self) -> None:
        for task, passage in list(self.tasks.items()):
            if passage.certified:
                continue
            if (await read_result(self.chain, task)).status is TaskStatus.CERTIFIED:
                passage.certified = trio.current_time()
                self._certified[task].set()
