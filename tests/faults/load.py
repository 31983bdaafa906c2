"""Requests at a steady rate, from one account, in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import trio

from p2pavs import keystore
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import ChainError
from p2pavs.chain.pending import SqlitePendingStore
from p2pavs.chain.poster import Sender, open_sender
from p2pavs.chain.records import InferenceParams, ModelEntry
from p2pavs.chain.rpc import Rpc
from p2pavs.client import choose_model, post
from tests.e2e.harness import Testnet

PROMPT = b"Classify this proposal: pay 40,000 USDC from the treasury to the audit team for Q3"
CHOICES = ("treasury", "parameter", "upgrade", "membership", "spam", "other")
RETRY = 1.0
PENDING_FILE = "pending.sqlite"  # as the command line calls it


class Load:
    """Posts `tasks` tasks, `every` so many seconds; its account's transactions are watched until `close`."""

    def __init__(self, net: Testnet, tasks: int, every: float, deadline: int, *, committee: int = 0) -> None:
        self.posted: dict[int, int] = {}
        """Which of the requests, from 0, became which task; a reorganisation may change the number."""
        self.requested_at: dict[int, float] = {}  # unix time at which a request's block was seen
        self.failure: BaseException | None = None
        self._net = net
        self._tasks = tasks
        self._every = every
        self._deadline = deadline
        self._committee = committee
        self._end = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._over = trio.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether every request is on the chain."""
        return len(self.posted) == self._tasks or self.failure is not None

    def close(self) -> None:
        """Stop, and raise what went wrong."""
        self._end.set()
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._over.set)
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            trio.run(self._work)
        except BaseException as error:
            self.failure = error

    async def _work(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        if self._end.is_set():
            self._over.set()
        layout = self._net.network.layout
        keys: Path = self._net.network.keys(layout.requester)
        password = self._net.network.password(layout.requester).read_text().strip()
        account = keystore.load_account(keys, password)
        address = bytes.fromhex(account.address[2:])
        deployment = Deployment.load(layout.deployment)
        async with Rpc(self._net.network.state.rpc) as rpc:
            chain = Chain(rpc, deployment)
            model = await choose_model(chain, None)
            with SqlitePendingStore(
                keys / PENDING_FILE, chain_id=deployment.chain_id, account=address
            ) as store:
                async with open_sender(rpc, account, store, chain_id=deployment.chain_id) as sender:
                    async with trio.open_nursery() as nursery:
                        for number in range(self._tasks):
                            if self._end.is_set():
                                break
                            nursery.start_soon(self._post, chain, sender, model, number)
                            await trio.sleep(self._every)
                    await self._over.wait()  # until then what a reorganisation drops is sent again

    async def _post(self, chain: Chain, sender: Sender, model: ModelEntry, number: int) -> None:
        params = InferenceParams(max_tokens=8, choices=CHOICES)
        while not self._end.is_set():
            try:
                posted = await post(
                    chain,
                    sender,
                    model,
                    PROMPT + b" (%d)" % number,
                    params,
                    window=self._deadline,
                    committee_size=self._committee,
                )
            except ChainError:  # nothing was paid
                await trio.sleep(RETRY)
            else:
                self.posted[number] = posted.task.requested.header.id
                self.requested_at[number] = time.time()
                return
