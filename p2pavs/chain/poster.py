"""Send transactions so that each happens once, through stuck fees, lost answers, restarts and reorgs.

One ``Sender`` owns an account key: its ``run`` task alone hands out nonces. A transaction is simulated,
signed, stored, then sent. While it is not settled it is sent again when the chain has lost it, and replaced
under the same nonce with higher fees when it is stuck. Two processes that send with one key take each
other's nonces: that ends in ``NonceTaken``, and ``SqlitePendingStore`` refuses it on one machine with
``AccountInUse``.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import structlog

from p2pavs.chain import answers
from p2pavs.chain.answers import in_next_block
from p2pavs.chain.contracts import Call
from p2pavs.chain.errors import (
    ChainError,
    ContractRevert,
    InsufficientFunds,
    NonceTaken,
    RpcError,
    RpcRefused,
    TransactionRefused,
)
from p2pavs.chain.fees import GWEI, Fees, market_fees
from p2pavs.chain.pending import PendingStore, PendingTransaction
from p2pavs.chain.receipts import Receipt, canonical_receipt
from p2pavs.chain.reverts import explain
from p2pavs.chain.rpc import Rpc
from p2pavs.chain.rpc_values import Block, BlockHeader, RawReceipt
from p2pavs.chain.tickets import Ticket

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from eth_account.types import TransactionDictType

    from p2pavs.remote_signer.client import RemoteAccount

log = structlog.get_logger(__name__)

GAS_MARGIN = 1.25
"""Gas limit over estimate: what a call takes may grow until it is mined."""
DEFAULT_MAX_FEE = 500 * GWEI
_MISSED_LOOKS = 3
_ASK_EVERY = 4
"""Looks between two questions whether the pool still has a transaction."""


@dataclass(slots=True)
class _Watched:
    transaction: PendingTransaction
    waiter: Ticket | None  # None after a restart: nobody waits any more
    bump_at: float  # the event loop's time
    head: int | None = None  # newest block when it was first looked at, or its fees were raised
    block: tuple[int, bytes] | None = None  # number and hash of the block that holds it, once it is mined
    ask_at: float = 0.0  # when the pool is asked next whether it still has it
    missed_looks: int = 0
    complaint: str = ""  # logged last


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
        self._account = account
        self._store = store
        self._chain_id = chain_id
        self._poll_interval = poll_interval
        self._bump_after = bump_after
        self._settled_after = settled_after
        self._max_fee = max_fee
        self._next_nonce = 0
        self._watched: dict[int, _Watched] = {}
        self._jobs: deque[_Job] = deque()
        self._news = anyio.Event()
        self._running = False
        self._looked_at: tuple[int, bytes] | None = None
        """Number and hash of the newest block at the last look, if that was done to its end."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return bytes.fromhex(self._account.address[2:])

    @property
    def next_nonce(self) -> int:
        """The nonce of the next transaction, if none is handed over before it."""
        return self._next_nonce

    @property
    def waiting(self) -> tuple[PendingTransaction, ...]:
        """Transactions that are sent and not mined yet, by nonce."""
        return tuple(w.transaction for _, w in sorted(self._watched.items()) if w.block is None)

    async def simulate(self, call: Call) -> bytes:
        """Run a call without sending it. Raises ``ContractRevert`` where the contract would refuse it."""

        async def ask(block: Block) -> bytes:
            return await self._rpc.call(
                call.to, call.data, sender=self.address, value=call.value, gas=call.gas, block=block
            )

        try:
            return await in_next_block(ask)
        except RpcRefused as error:
            if answers.says(error, answers.NO_FUNDS):
                raise await self._no_funds(call.value) from None
            raise explain(error) from None

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
        pause = self._poll_interval
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
        now = anyio.current_time()
        self._watched = {t.nonce: _Watched(t, None, now + self._bump_after) for t in stored}
        self._next_nonce = max([mined, pending, *(t.nonce + 1 for t in stored)])
        for transaction in stored:
            log.info("taking up a transaction", what=transaction.what, nonce=transaction.nonce)

    async def _begin(self, job: _Job) -> None:
        """Simulate, sign, store and send one transaction. What it raises is before anything was sent."""
        gas = await self._limit(job.call)
        fees = (await market_fees(self._rpc)).at_most(self._max_fee)
        transaction = await self._sign(job.call, self._next_nonce, gas, fees)
        await self._store.put(transaction)
        self._next_nonce += 1
        watched = _Watched(transaction, job.waiter, anyio.current_time() + self._bump_after)
        self._watched[transaction.nonce] = watched
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

    async def _limit(self, call: Call) -> int:
        """Run the call without sending it, and say how much gas to give it. Raises why it would not work."""
        if call.gas is not None:
            try:
                await self.simulate(call)
            except (ContractRevert, RpcRefused):
                pass  # perhaps the limit was too low: without it the chain says what is wrong
            else:
                return call.gas
        await self.simulate(replace(call, gas=None))
        return await self._gas(call)

    async def _gas(self, call: Call) -> int:
        async def ask(block: Block) -> int:
            return await self._rpc.estimate_gas(
                call.to, call.data, sender=self.address, value=call.value, block=block
            )

        try:
            estimate = await in_next_block(ask)
        except RpcRefused as error:
            if answers.says(error, answers.NO_FUNDS):
                raise await self._no_funds(call.value) from None
            raise explain(error) from None
        # A plain payment takes the same gas always.
        return estimate if estimate == 21_000 else int(estimate * GAS_MARGIN)

    async def _sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> PendingTransaction:
        return await self._signed(
            PendingTransaction(
                nonce=nonce,
                to=call.to,
                data=call.data,
                value=call.value,
                gas=gas,
                max_fee=fees.max_fee,
                tip=fees.tip,
                raw=b"",
                hashes=(),
                what=call.what,
            )
        )

    async def _signed(self, t: PendingTransaction) -> PendingTransaction:
        """Return the transaction signed as it stands, its hash added."""
        fields: TransactionDictType = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": t.nonce,
            "gas": t.gas,
            "maxFeePerGas": t.max_fee,
            "maxPriorityFeePerGas": min(t.tip, t.max_fee),
            "value": t.value,
            "data": t.data,
        }
        if t.to is not None:
            fields["to"] = t.to
        signed: Any = self._account.sign_transaction(fields)
        if inspect.isawaitable(signed):  # from a remote signer
            signed = await signed
        return replace(t, raw=bytes(signed.raw_transaction), hashes=(*t.hashes, bytes(signed.hash)))

    async def _take_back(self, watched: _Watched, error: ChainError) -> None:
        """Forget a transaction that the chain's node refused for good; its nonce is free again."""
        nonce = watched.transaction.nonce
        await self._store.remove(nonce)
        del self._watched[nonce]
        if nonce == self._next_nonce - 1:
            self._next_nonce = nonce
        if watched.waiter is not None:
            watched.waiter.done(error)

    async def _why_refused(self, error: RpcRefused, t: PendingTransaction) -> ChainError:
        if answers.says(error, answers.NO_FUNDS):
            try:
                return await self._no_funds(t.value + t.gas * t.max_fee)
            except RpcError as unreachable:
                return unreachable
        return TransactionRefused(
            f"The chain's node refused {t.what}: {error.reason}.",
            "Nothing was sent; mend the cause and try again.",
        )

    async def _no_funds(self, needed: int) -> InsufficientFunds:
        return InsufficientFunds(self._account.address, await self._rpc.balance(self.address), needed)

    # --- watching until settled ---------------------------------------------------------------------------

    async def _watch(self, guard: anyio.Lock) -> None:
        while True:
            try:
                if self._watched:
                    async with guard:
                        await self._look()
                self.last_error = None
            except ChainError as error:
                if self.last_error is None:
                    log.warning("cannot watch transactions", error=str(error))
                self.last_error = error
            await anyio.sleep(self._poll_interval)

    async def _look(self) -> None:
        latest = await self._rpc.block("latest")
        if latest is None:
            return
        firm = await self._firm(latest)
        self._looked_at = None
        on_chain: dict[int, bytes | None] = {}
        others = []
        for _, watched in sorted(self._watched.items()):
            block = watched.block
            if block is None or not (block[0] <= firm or await self._still_holds(block, on_chain)):
                others.append(watched)
            elif latest.number - block[0] >= self._settled_after:
                await self._forget(watched)
        if others:
            await self._look_for(others, latest.number)
        self._looked_at = latest.number, latest.hash

    async def _look_for(self, some: Sequence[_Watched], head: int) -> None:
        """Find out about those of which no block is known that holds them."""
        mined = await self._rpc.transaction_count(self.address)
        for watched in some:
            # Nonces are mined in their order: without that there is no receipt to ask for.
            waits = watched.transaction.nonce >= mined
            receipt = None if waits else await self._find_receipt(watched.transaction)
            if receipt is not None:
                await self._mined(watched, receipt, head)
            elif watched.transaction.nonce < mined:
                await self._lost_nonce(watched)
            else:
                await self._not_mined(watched, head)

    async def _firm(self, latest: BlockHeader) -> int:
        """The block up to which the chain is what it was at the last look; -1 where that is not known."""
        if self._looked_at is None:
            return -1
        number, known = self._looked_at
        if latest.number == number:
            there = latest.hash
        elif latest.number == number + 1:
            there = latest.parent_hash
        elif latest.number > number:
            found = await self._rpc.block(number)
            there = b"" if found is None else found.hash
        else:
            there = b""
        return number if there == known else -1

    async def _still_holds(self, block: tuple[int, bytes], on_chain: dict[int, bytes | None]) -> bool:
        """Whether a block is on the chain; ``on_chain`` keeps what was asked in this look."""
        number, known = block
        if number not in on_chain:
            found = await self._rpc.block(number)
            on_chain[number] = None if found is None else found.hash
        return on_chain[number] == known

    async def _find_receipt(self, transaction: PendingTransaction) -> RawReceipt | None:
        for transaction_hash in reversed(transaction.hashes):
            receipt = await canonical_receipt(self._rpc, transaction_hash)
            if receipt is not None:
                return receipt
        return None

    async def _mined(self, watched: _Watched, receipt: RawReceipt, head: int) -> None:
        watched.block, watched.missed_looks = (receipt.block_number, receipt.block_hash), 0
        if watched.waiter is not None:
            waiter, watched.waiter = watched.waiter, None
            waiter.done(await self._result(watched.transaction, receipt))
        if head - receipt.block_number >= self._settled_after:
            await self._forget(watched)

    async def _result(self, t: PendingTransaction, receipt: RawReceipt) -> Receipt | ChainError:
        if receipt.status == 1:
            return Receipt.of(receipt)
        try:  # what was reverted when it was mined is most often reverted still, and then says why
            await self._rpc.call(t.to, t.data, sender=self.address, value=t.value, block=receipt.block_number)
        except RpcRefused as error:
            reason = explain(error)
            if isinstance(reason, ContractRevert):
                return reason
        except RpcError as error:
            log.warning("no reason for a revert", what=t.what, error=str(error))
        return ContractRevert(
            "",
            {},
            f"{t.what} was mined in transaction 0x{receipt.transaction_hash.hex()}, but reverted.",
            "The chain changed between the check and the transaction; try again.",
        )

    async def _lost_nonce(self, watched: _Watched) -> None:
        """Return the nonce is used, but none of our versions is on the chain: another process has the key."""
        watched.missed_looks += 1
        if watched.missed_looks < _MISSED_LOOKS:  # endpoints behind one address may differ for a moment
            return
        nonce = watched.transaction.nonce
        log.error("another process uses this account", nonce=nonce, what=watched.transaction.what)
        self._next_nonce = max(self._next_nonce, await self._rpc.transaction_count(self.address, "pending"))
        await self._forget(watched)
        if watched.waiter is not None:
            watched.waiter.done(NonceTaken(self._account.address, nonce))

    async def _not_mined(self, watched: _Watched, head: int) -> None:
        t = watched.transaction
        if watched.head is None:
            watched.head = head
        if watched.block is not None:
            watched.block = None
            watched.bump_at = anyio.current_time() + self._bump_after
            log.warning("a reorganisation took a transaction out of the chain", what=t.what, nonce=t.nonce)
        # A chain that makes no blocks takes no transaction at any price.
        if anyio.current_time() >= watched.bump_at and head > watched.head:
            watched.head = head
            await self._bump(watched)
        elif anyio.current_time() >= watched.ask_at:
            watched.ask_at = anyio.current_time() + _ASK_EVERY * self._poll_interval
            if await self._rpc.transaction(t.hashes[-1]) is None:
                await self._send_again(watched)

    async def _bump(self, watched: _Watched) -> None:
        old = watched.transaction
        watched.bump_at = anyio.current_time() + self._bump_after
        least = Fees(old.max_fee, old.tip).bumped()
        fees = least.at_least(await market_fees(self._rpc)).at_most(self._max_fee)
        if fees.max_fee < least.max_fee:
            self._complain(watched, f"the fee limit of {self._max_fee} wei per gas is reached")
            await self._send_again(watched)
            return
        new = await self._signed(replace(old, max_fee=fees.max_fee, tip=fees.tip))
        await self._store.put(new)
        watched.transaction = new
        log.info("raised the fees", what=new.what, nonce=new.nonce, max_fee=new.max_fee)
        await self._send_again(watched)

    async def _send_again(self, watched: _Watched) -> None:
        t = watched.transaction
        try:
            await self._rpc.send_raw_transaction(t.raw)
        except RpcRefused as error:
            if answers.says(error, answers.KNOWN + answers.NONCE_LOW):
                return
            if answers.says(error, answers.UNDERPRICED):
                watched.bump_at = anyio.current_time()  # what is in the pool pays more than we knew
                return
            self._complain(watched, error.reason)

    def _complain(self, watched: _Watched, reason: str) -> None:
        if watched.complaint != reason:
            t = watched.transaction
            log.warning("a transaction is not mined", what=t.what, nonce=t.nonce, reason=reason)
        watched.complaint = reason

    async def _forget(self, watched: _Watched) -> None:
        await self._store.remove(watched.transaction.nonce)
        self._watched.pop(watched.transaction.nonce, None)


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
