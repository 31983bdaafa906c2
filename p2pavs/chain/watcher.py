"""Watch transactions until they are settled: send again what is lost, raise the fees of what is stuck."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio
import structlog

from p2pavs.chain import answers
from p2pavs.chain.errors import ChainError, ContractRevert, NonceTaken, RpcError, RpcRefused
from p2pavs.chain.fees import GWEI, Fees, market_fees
from p2pavs.chain.pending import PendingStore, PendingTransaction
from p2pavs.chain.preparing import Preparer
from p2pavs.chain.receipts import Receipt, canonical_receipt
from p2pavs.chain.reverts import explain
from p2pavs.chain.rpc_values import BlockHeader, RawReceipt
from p2pavs.chain.tickets import Ticket

log = structlog.get_logger(__name__)

DEFAULT_MAX_FEE = 500 * GWEI
_MISSED_LOOKS = 3
_ASK_EVERY = 4
"""Looks between two questions whether the pool still has a transaction."""


@dataclass(frozen=True, slots=True)
class WatchRules:
    """When what is done: seconds, blocks, wei per gas."""

    poll_interval: float = 0.5
    bump_after: float = 15.0
    """After so many seconds and a block without it fees are raised, up to ``max_fee``."""
    settled_after: int = 12
    """A mined transaction is watched until so many blocks are on top of it."""
    max_fee: int = DEFAULT_MAX_FEE


@dataclass(slots=True)
class Watched:
    """A transaction that was signed and is not settled yet."""

    transaction: PendingTransaction
    waiter: Ticket | None  # None after a restart: nobody waits any more
    bump_at: float  # the event loop's time
    head: int | None = None  # newest block when it was first looked at, or its fees were raised
    block: tuple[int, bytes] | None = None  # number and hash of the block that holds it, once it is mined
    ask_at: float = 0.0  # when the pool is asked next whether it still has it
    missed_looks: int = 0
    complaint: str = ""  # logged last


class Watcher:
    """Looks after the transactions of one account. ``watched`` has them by nonce."""

    def __init__(
        self,
        preparer: Preparer,
        store: PendingStore,
        rules: WatchRules,
        taken_up_to: Callable[[int], None],
    ) -> None:
        """``taken_up_to`` hears of the next free nonce where another process has taken some."""
        self.watched: dict[int, Watched] = {}
        self._preparer = preparer
        self._rpc = preparer.rpc
        self._store = store
        self._rules = rules
        self._taken_up_to = taken_up_to
        self._looked_at: tuple[int, bytes] | None = None
        """Number and hash of the newest block at the last look, if that was done to its end."""

    def add(self, transaction: PendingTransaction, waiter: Ticket | None) -> Watched:
        """Watch a transaction that is stored."""
        watched = Watched(transaction, waiter, anyio.current_time() + self._rules.bump_after)
        self.watched[transaction.nonce] = watched
        return watched

    async def forget(self, watched: Watched) -> None:
        """Watch a transaction no more, and remove it from the store."""
        await self._store.remove(watched.transaction.nonce)
        self.watched.pop(watched.transaction.nonce, None)

    async def look(self) -> None:
        """Find out where each transaction is, and do what that asks for. Raises ``ChainError``."""
        latest = await self._rpc.block("latest")
        if latest is None:
            return
        firm = await self._firm(latest)
        self._looked_at = None
        on_chain: dict[int, bytes | None] = {}
        others = []
        for _, watched in sorted(self.watched.items()):
            block = watched.block
            if block is None or not (block[0] <= firm or await self._still_holds(block, on_chain)):
                others.append(watched)
            elif latest.number - block[0] >= self._rules.settled_after:
                await self.forget(watched)
        if others:
            await self._look_for(others, latest.number)
        self._looked_at = latest.number, latest.hash

    async def _look_for(self, some: Sequence[Watched], head: int) -> None:
        """Find out about those of which no block is known that holds them."""
        mined = await self._rpc.transaction_count(self._preparer.address)
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

    async def _mined(self, watched: Watched, receipt: RawReceipt, head: int) -> None:
        watched.block, watched.missed_looks = (receipt.block_number, receipt.block_hash), 0
        if watched.waiter is not None:
            waiter, watched.waiter = watched.waiter, None
            waiter.done(await self._result(watched.transaction, receipt))
        if head - receipt.block_number >= self._rules.settled_after:
            await self.forget(watched)

    async def _result(self, t: PendingTransaction, receipt: RawReceipt) -> Receipt | ChainError:
        if receipt.status == 1:
            return Receipt.of(receipt)
        try:  # what was reverted when it was mined is most often reverted still, and then says why
            await self._rpc.call(
                t.to, t.data, sender=self._preparer.address, value=t.value, block=receipt.block_number
            )
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

    async def _lost_nonce(self, watched: Watched) -> None:
        """The nonce is used, but none of our versions is on the chain: another process has the key."""
        watched.missed_looks += 1
        if watched.missed_looks < _MISSED_LOOKS:  # endpoints behind one address may differ for a moment
            return
        nonce = watched.transaction.nonce
        log.error("another process uses this account", nonce=nonce, what=watched.transaction.what)
        self._taken_up_to(await self._rpc.transaction_count(self._preparer.address, "pending"))
        await self.forget(watched)
        if watched.waiter is not None:
            watched.waiter.done(NonceTaken(self._preparer.account.address, nonce))

    async def _not_mined(self, watched: Watched, head: int) -> None:
        t = watched.transaction
        if watched.head is None:
            watched.head = head
        if watched.block is not None:
            watched.block = None
            watched.bump_at = anyio.current_time() + self._rules.bump_after
            log.warning("a reorganisation took a transaction out of the chain", what=t.what, nonce=t.nonce)
        # A chain that makes no blocks takes no transaction at any price.
        if anyio.current_time() >= watched.bump_at and head > watched.head:
            watched.head = head
            await self._bump(watched)
        elif anyio.current_time() >= watched.ask_at:
            watched.ask_at = anyio.current_time() + _ASK_EVERY * self._rules.poll_interval
            if await self._rpc.transaction(t.hashes[-1]) is None:
                await self._send_again(watched)

    async def _bump(self, watched: Watched) -> None:
        old = watched.transaction
        watched.bump_at = anyio.current_time() + self._rules.bump_after
        least = Fees(old.max_fee, old.tip).bumped()
        fees = least.at_least(await market_fees(self._rpc)).at_most(self._rules.max_fee)
        if fees.max_fee < least.max_fee:
            self._complain(watched, f"the fee limit of {self._rules.max_fee} wei per gas is reached")
            await self._send_again(watched)
            return
        new = await self._preparer.sign_again(replace(old, max_fee=fees.max_fee, tip=fees.tip))
        await self._store.put(new)
        watched.transaction = new
        log.info("raised the fees", what=new.what, nonce=new.nonce, max_fee=new.max_fee)
        await self._send_again(watched)

    async def _send_again(self, watched: Watched) -> None:
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

    def _complain(self, watched: Watched, reason: str) -> None:
        if watched.complaint != reason:
            t = watched.transaction
            log.warning("a transaction is not mined", what=t.what, nonce=t.nonce, reason=reason)
        watched.complaint = reason
