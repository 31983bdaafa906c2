"""A chain that says what a test wants it to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from consensus.hashing import keccak256
from p2pavs.chain.contracts import Call
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import ChainError
from p2pavs.chain.events import Event, LoggedEvent, TaskCertified, TaskRefunded, TaskRequested
from p2pavs.chain.follower import BlockAdded, BlockRemoved, Change
from p2pavs.chain.receipts import Receipt
from p2pavs.chain.records import InferenceParams, TaskHeader, request_hash
from p2pavs.contracts import NAMES
from tests.unit.consensus import factory
from tests.unit.node.parliament import until

CONTRACTS = {name: bytes([number]) * 20 for number, name in enumerate(NAMES, 1)}
CONTRACTS["TaskGateway"] = factory.DOMAIN.gateway
DEPLOYMENT = Deployment(factory.DOMAIN.chain_id, 5, CONTRACTS)
RECEIPT = Receipt(keccak256(b"transaction"), 9, keccak256(b"block"), 250_000, 10**9, None)
GENESIS_TIME = 1_000_000
BLOCK_TIME = 10
PARAMS = InferenceParams(max_tokens=16)
INPUT = b"pay the audit team"


def header(task_id: int, seed: bytes = factory.TASK_SEED, **changes: Any) -> TaskHeader:
    made = TaskHeader(
        id=task_id,
        requester=b"\xaa" * 20,
        model_id=keccak256(b"model"),
        request_hash=request_hash(INPUT, PARAMS),
        mode=0,
        committee_size=0,
        epoch=1,
        attempts=1,
        task_seed=seed,
        requested_at=GENESIS_TIME,
        deadline=GENESIS_TIME + 1000 * BLOCK_TIME,
        fee=10**15,
        base_fee=10**12,
        royalty=0,
        callback=bytes(20),
        callback_gas=0,
    )
    return replace(made, **changes)


def requested(task_id: int, seed: bytes = factory.TASK_SEED, **changes: Any) -> TaskRequested:
    return TaskRequested(header(task_id, seed, **changes), INPUT, PARAMS)


def certified(task_id: int) -> TaskCertified:
    result = factory.result()
    return TaskCertified(
        id=task_id,
        model_id=keccak256(b"model"),
        poster=b"\xbb" * 20,
        epoch=1,
        attempt=0,
        round=0,
        value_id=keccak256(b"value"),
        bitmap=7,
        signed_weight=3,
        total_weight=4,
        result=result,
        output=factory.OUTPUT,
    )


def refunded(task_id: int) -> TaskRefunded:
    return TaskRefunded(task_id, b"\xaa" * 20, 10**15)


def block(number: int, *events: Event, fork: str = "") -> BlockAdded:
    found = block_hash(number, fork)
    logged = tuple(
        LoggedEvent(event, number, found, keccak256(found + bytes([index])), index)
        for index, event in enumerate(events)
    )
    return BlockAdded(number, found, GENESIS_TIME + number * BLOCK_TIME, logged)


def block_hash(number: int, fork: str = "") -> bytes:
    return keccak256(f"block {number} {fork}".encode())


class FollowerDouble:
    """Gives the changes a test hands it, and says that it has read up to ``head``."""

    def __init__(self) -> None:
        self.head: int | None = None
        self._send, self._receive = trio.open_memory_channel[Change | Exception](100)

    def __aiter__(self) -> FollowerDouble:
        return self

    async def __anext__(self) -> Change:
        change = await self._receive.receive()
        if isinstance(change, Exception):
            raise change
        return change

    async def give(self, *changes: Change | Exception, head: int | None = None) -> None:
        """Hand over changes and let the desk do what it does about them."""
        numbers = [change.number for change in changes if isinstance(change, BlockAdded | BlockRemoved)]
        self.head = max(numbers, default=0) if head is None else head
        for change in changes:
            await self._send.send(change)
        await wait_all_tasks_blocked()


@dataclass
class SenderDouble:
    """Takes calls, and answers with a receipt or an error."""

    answer: ChainError | None = None
    then: Callable[[], None] = lambda: None
    calls: list[Call] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def send(self, call: Call) -> Receipt:
        self.calls.append(call)
        self.times.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.answer is not None:
            raise self.answer
        self.then()
        return RECEIPT

    async def wait_for(self, count: int) -> None:
        await until(lambda: len(self.calls) >= count)
