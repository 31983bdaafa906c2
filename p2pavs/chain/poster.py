"""Send transactions so that each happens once, through stuck fees, lost answers, restarts and reorgs.

One ``Sender`` owns an account key: its ``run`` task alone hands out nonces. A transaction is simulated,
signed, stored, then sent. While it is not settled it is sent again when the chain has lost it, and replaced
under the same nonce with higher fees when it is stuck. Two processes that send with one key take each
other's nonces: that ends in ``NonceTaken``, and ``SqlitePendingStore`` refuses it on one machine with
``AccountInUse``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import structlog

from p2pavs.chain import answers
from p2pavs.chain.contracts import Call
from p2pavs.chain.errors import ChainError, RpcError, RpcRefused, TransactionRefused
from p2pavs.chain.fees import market_fees
from p2pavs.chain.pending import PendingStore, PendingTransaction
from p2pavs.chain.preparing import Preparer
from p2pavs.chain.receipts import Receipt
from p2pavs.chain.rpc import Rpc
from p2pavs.chain.tickets import Ticket
from p2pavs.chain.watcher import DEFAULT_MAX_FEE, Watched, Watcher, WatchRules

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from p2pavs.remote_signer.client import RemoteAccount

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    call: Call
    waiter: Ticket


class Sender:
    """Sends with one account key. Start ``run`` in a nursery, or use ``open_sender``.

    ``last_error`` is what keeps transactions from being sent or seen now, None when all is well.
    """

    def __init__(
        self,
        rpc: Rpc,
        account: LocalAccount | RemoteAccount,
        store: PendingStore,
        *,
        chain_id: int,
        poll_interval: float = 0.5,
        bump_after: float = 15.0,
        settled_after: int = 12,
        max_fee: int = DEFAULT_MAX_FEE,
    ) -> None:
        """After ``bump_after`` seconds and a block without it fees are raised, up to ``max_fee`` wei per gas.

        A mined transaction is watched until ``settled_after`` blocks are on top of it.
        """
        self.last_error: ChainError | None = None
        self._rpc = rpc
        self._store = store
        self._preparer = Preparer(rpc, account, chain_id)
        self._rules = WatchRules(poll_interval, bump_after, settled_after, max_fee)
        self._watcher = Watcher(self._preparer, store, self._rules, self._skip_to)
        self._next_nonce = 0
        self._jobs: deque[_Job] = deque()
        self._news = anyio.Event()
        self._running = False

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._preparer.address

    @property
    def next_nonce(self) -> int:
        """The nonce of the next transaction, if none is handed over before it."""
        return self._next_nonce

    @property
    def waiting(self) -> tuple[PendingTransaction, ...]:
        """Transactions that are sent and not mined yet, by nonce."""
        return tuple(w.transaction for _, w in sorted(self._watcher.watched.items()) if w.block is None)

    async def simulate(self, call: Call) -> bytes:
        """Run a call without sending it. Raises ``ContractRevert`` where the contract would refuse it."""
        return await self._preparer.simulate(call)

    async def send(self, call: Call) -> Receipt:
        """Send a call and wait until it is mined, which may take any time: cancel to stop waiting.

        A cancelled wait does not take back what was sent. Raises ``ContractRevert`` (most often from the
        simulation, at no cost), ``InsufficientFunds``, ``NonceTaken``, ``TransactionRefused``, ``RpcError``.
        """
        return await self.submit(call).receipt()

    def submit(self, call: Call) -> Ticket:
        """Hand over a call without waiting. Nonces go by the order in which calls are handed over."""
        ticket = Ticket()
        self._jobs.append(_Job(call, ticket))
        self._news.set()
        return ticket

    # Any: what trio's nurseries and anyio's task groups give has the same one method and no common type.
    async def run(self, *, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
        """Own the key: take up what an earlier run left, then send and watch until cancelled."""
        if self._running:
            raise RuntimeError("one task owns the account key: run is already running")
        self._running = True
        await self._take_up()
        task_status.started()
        async with anyio.create_task_group() as group:
            guard = anyio.Lock()
            group.start_soon(self._watch, guard)
            while True:
                await self._news.wait()
                self._news = anyio.Event()
                while self._jobs:
                    job = self._jobs.popleft()
                    async with guard:
                        try:
                            await self._begin(job)
                        except ChainError as error:
                            job.waiter.done(error)

    # --- beginning a transaction --------------------------------------------------------------------------

    async def _take_up(self) -> None:
        stored = await self._store.load()
        pause = self._rules.poll_interval
        while True:
            try:
                # "pending" counts what other processes left in the pool before this one owned the key.
                mined = await self._rpc.transaction_count(self.address)
                pending = await self._rpc.transaction_count(self.address, "pending")
                break
            except RpcError as error:
                self.last_error = error
                await anyio.sleep(pause)
                pause = min(2 * pause, 10.0)
        self.last_error = None
        self._next_nonce = max([mined, pending, *(t.nonce + 1 for t in stored)])
        for transaction in stored:
            self._watcher.add(transaction, None)
            log.info("taking up a transaction", what=transaction.what, nonce=transaction.nonce)

    async def _begin(self, job: _Job) -> None:
        """Simulate, sign, store and send one transaction. What it raises is before anything was sent."""
        gas = await self._preparer.gas_limit(job.call)
        fees = (await market_fees(self._rpc)).at_most(self._rules.max_fee)
        transaction = await self._preparer.sign(job.call, self._next_nonce, gas, fees)
        await self._store.put(transaction)
        self._next_nonce += 1
        watched = self._watcher.add(transaction, job.waiter)
        try:
            await self._rpc.send_raw_transaction(transaction.raw)
        except RpcRefused as error:
            if answers.says(error, answers.KNOWN + answers.NONCE_LOW + answers.UNDERPRICED):
                return  # the watcher finds out which of ours or whose is in the pool
            await self._take_back(watched, await self._why_refused(error, transaction))
        except RpcError as error:
            self.last_error = error  # it may have arrived: the watcher looks and sends again
        else:
            log.info("sent", what=transaction.what, nonce=transaction.nonce, hash=transaction.hashes[0].hex())

    async def _take_back(self, watched: Watched, error: ChainError) -> None:
        """Forget a transaction that the chain's node refused for good; its nonce is free again."""
        nonce = watched.transaction.nonce
        await self._watcher.forget(watched)
        if nonce == self._next_nonce - 1:
            self._next_nonce = nonce
        if watched.waiter is not None:
            watched.waiter.done(error)

    async def _why_refused(self, error: RpcRefused, t: PendingTransaction) -> ChainError:
        if answers.says(error, answers.NO_FUNDS):
            try:
                return await self._preparer.no_funds(t.value + t.gas * t.max_fee)
            except RpcError as unreachable:
                return unreachable
        return TransactionRefused(
            f"The chain's node refused {t.what}: {error.reason}.",
            "Nothing was sent; mend the cause and try again.",
        )

    def _skip_to(self, nonce: int) -> None:
        self._next_nonce = max(self._next_nonce, nonce)

    # --- watching until settled ---------------------------------------------------------------------------

    async def _watch(self, guard: anyio.Lock) -> None:
        while True:
            try:
                if self._watcher.watched:
                    async with guard:
                        await self._watcher.look()
                self.last_error = None
            except ChainError as error:
                if self.last_error is None:
                    log.warning("cannot watch transactions", error=str(error))
                self.last_error = error
            await anyio.sleep(self._rules.poll_interval)


@asynccontextmanager
async def open_sender(
    rpc: Rpc,
    account: LocalAccount | RemoteAccount,
    store: PendingStore,
    *,
    chain_id: int,
    poll_interval: float = 0.5,
) -> AsyncIterator[Sender]:
    """Run a sender for as long as the block. What the block raises comes out as it is, in no group."""
    sender = Sender(rpc, account, store, chain_id=chain_id, poll_interval=poll_interval)
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        await group.start(sender.run)
        try:
            yield sender
        except Exception as error:
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
