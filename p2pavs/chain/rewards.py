"""Rewards: an operator's shares in the fees of tasks it signed, found and claimed.

The gateway keeps no list of them: who signed what is in its events; whether a share is claimed, it tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby

import trio

from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.events import BeaconRevealed, TaskCertified, TaskRequested, TaskSupplemented
from p2pavs.chain.poster import Sender
from p2pavs.chain.reader import credit_of, read_operator_set, read_result, read_task
from p2pavs.chain.records import TaskHeader

MAX_BATCH = 20
"""Tasks in one claim: with 256 seats each it stays below the gas that one transaction may take (EIP-7825)."""
_AT_ONCE = 8
# The operator has no seat that signed, or a reorganisation took the certificate or the request away.
_NO_SHARE = frozenset({"DidNotSign", "NotCertified", "HeaderMismatch"})


@dataclass(frozen=True, slots=True)
class Reward:
    """A share that was not claimed yet."""

    header: TaskHeader
    index: int  # of the operator in the set of the task's epoch
    amount: int  # wei; it can become less until it can be claimed
    claimable_from: int  # unix seconds: until then precommits can be added to the certificate


@dataclass(frozen=True, slots=True)
class Claim:
    """Rewards of one epoch that one transaction credited."""

    epoch: int
    tasks: tuple[int, ...]
    amount: int  # wei
    transaction_hash: bytes


async def find_rewards(
    chain: Chain, operator: bytes, *, first_block: int | None = None
) -> tuple[Reward, ...]:
    """Return what an operator (an address, 20 bytes) can claim, by epoch and task.

    Tasks that were certified before ``first_block`` are not looked at. Raises what the reader raises.
    """
    signed = await _tasks_of(chain, operator, first_block)
    window = int(await chain.read_one("TaskGateway", "supplementWindow"))
    headers = await _headers(chain, signed.keys(), first_block) if signed else {}
    found: list[Reward] = []
    limit = trio.CapacityLimiter(_AT_ONCE)

    async def ask(header: TaskHeader, index: int) -> None:
        async with limit:
            reward = await _reward(chain, header, index, window)
        if reward is not None:
            found.append(reward)

    async with trio.open_nursery() as nursery:
        for number, (index, bitmap) in signed.items():
            header = headers[number]
            # Seats are drawn anew by the contract; without seats the bitmap is over the operators.
            if header.committee_size or bitmap >> index & 1:
                nursery.start_soon(ask, header, index)
    return tuple(sorted(found, key=lambda reward: (reward.header.epoch, reward.header.id)))


async def claim_rewards(chain: Chain, sender: Sender, rewards: Sequence[Reward]) -> tuple[Claim, ...]:
    """Claim rewards of one operator as ``find_rewards`` gives them; anyone's account may send.

    What somebody else claims at the same time is left out. Raises what ``Sender.send`` raises; claims that
    were mined before stay valid.
    """
    claims = [await _claim(chain, sender, batch) for batch in _batches(rewards)]
    return tuple(claim for claim in claims if claim is not None)


async def claim_beacon_rewards(chain: Chain, sender: Sender, operator: bytes) -> tuple[int, ...]:
    """Claim an operator's rewards for seeds, while the pool has anything; returns the epochs.

    Anyone's account may send. Raises what ``Sender.send`` raises.
    """
    epochs = []
    async with aclosing(chain.every_event("EpochManager", "BeaconRevealed")) as events:
        async for logged in events:
            if isinstance(logged.event, BeaconRevealed) and logged.event.operator == operator:
                epochs.append(logged.event.epoch)
    claimed = []
    for epoch in epochs:
        if await chain.read_one("TaskGateway", "beaconPaid", epoch):
            continue
        try:
            await sender.send(chain.call("TaskGateway", "claimBeaconReward", epoch))
        except ContractRevert as error:
            if error.name == "PoolEmpty":
                break
            if error.name not in ("NoRevealer", "BeaconRewardClaimedAlready"):
                raise
        else:
            claimed.append(epoch)
    return tuple(claimed)


async def _tasks_of(chain: Chain, operator: bytes, first_block: int | None) -> dict[int, tuple[int, int]]:
    """Return the certified tasks of epochs that count the operator: its index, and who signed."""
    indexes: dict[int, int | None] = {}
    found: dict[int, tuple[int, int]] = {}
    for name in ("TaskCertified", "TaskSupplemented"):  # in this order: the later bitmap holds the earlier
        await _bitmaps(chain, name, operator, first_block, indexes, found)
    return found


async def _bitmaps(
    chain: Chain,
    name: str,
    operator: bytes,
    first_block: int | None,
    indexes: dict[int, int | None],
    found: dict[int, tuple[int, int]],
) -> None:
    async with aclosing(chain.every_event("TaskGateway", name, first=first_block)) as events:
        async for logged in events:
            event = logged.event
            if not isinstance(event, TaskCertified | TaskSupplemented):
                continue
            if event.epoch not in indexes:
                indexes[event.epoch] = await _index(chain, event.epoch, operator)
            index = indexes[event.epoch]
            if index is not None:
                found[event.id] = (index, event.bitmap)


async def _index(chain: Chain, epoch: int, operator: bytes) -> int | None:
    operators = (await read_operator_set(chain, epoch)).operators
    return next((index for index, entry in enumerate(operators) if entry.operator == operator), None)


async def _headers(chain: Chain, tasks: Collection[int], first_block: int | None) -> dict[int, TaskHeader]:
    found: dict[int, TaskHeader] = {}
    async with aclosing(chain.every_event("TaskGateway", "TaskRequested", first=first_block)) as events:
        async for logged in events:
            event = logged.event
            if isinstance(event, TaskRequested) and event.id in tasks:
                found[event.id] = event.header
    # Those that were asked for before the first block and certified after it.
    missing = [number for number in tasks if number not in found]
    return found | {number: (await read_task(chain, number)).requested.header for number in missing}


async def _reward(chain: Chain, header: TaskHeader, index: int, window: int) -> Reward | None:
    try:
        answer = await chain.read("TaskGateway", "rewardOf", header.to_abi(), index)
    except ContractRevert as error:
        if error.name in _NO_SHARE:
            return None
        raise
    if answer["claimed"]:
        return None
    finalized = (await read_result(chain, header.id)).finalized_at
    return Reward(header, index, answer["amount"], finalized + window)


def _batches(rewards: Sequence[Reward]) -> Iterator[list[Reward]]:
    for _, group in groupby(rewards, key=lambda reward: reward.header.epoch):
        of_epoch = list(group)
        yield from (of_epoch[start : start + MAX_BATCH] for start in range(0, len(of_epoch), MAX_BATCH))


async def _claim(chain: Chain, sender: Sender, batch: list[Reward]) -> Claim | None:
    while batch:
        headers = [reward.header.to_abi() for reward in batch]
        try:
            receipt = await sender.send(chain.call("TaskGateway", "claim", batch[0].index, headers))
        except ContractRevert as error:
            taken = error.arguments.get("id") if error.name == "AlreadyClaimed" else None
            left = [reward for reward in batch if reward.header.id != taken]
            if len(left) == len(batch):
                raise
            batch = left
        else:
            return Claim(
                epoch=batch[0].header.epoch,
                tasks=tuple(reward.header.id for reward in batch),
                amount=sum(reward.amount for reward in batch),
                transaction_hash=receipt.transaction_hash,
            )
    return None


async def withdraw_credit(chain: Chain, sender: Sender, account: bytes) -> int:
    """Pay out what the gateway owes the account that sends; returns it, in wei."""
    credit = await credit_of(chain, account)
    if credit:
        await sender.send(chain.call("TaskGateway", "withdraw"))
    return credit
