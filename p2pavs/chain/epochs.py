"""Begin epochs: anyone freezes the next set, the leader whose turn it is makes the seed."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import trio

from consensus import bls, sortition, vrf
from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.operators import wanted_keys
from p2pavs.chain.poster import Sender
from p2pavs.chain.records import PendingEpoch

KEYS_AT_ONCE = 64
"""A blob of operators in one transaction: some 2 million gas, far below what a block takes."""

_POLL = 0.2

Prover = Callable[[bytes], bytes | Awaitable[bytes]]
"""Makes an operator's proof (96 B) for a message of the beacon (32 B)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is to make the seed of a frozen epoch, in the block that comes next."""

    epoch: int
    rank: int
    index: int  # of the leader in the running epoch's set
    operator: bytes
    key: bytes  # 48 bytes: what it signs with in that set
    message: bytes  # what it has to sign
    first_block: int  # of its window
    last_block: int


async def freeze_epoch(chain: Chain, sender: Sender) -> int:
    """Fix the operators of the next epoch, in as many transactions as it takes; returns its number.

    Raises ``ContractRevert`` if it is not due, or frozen already.
    """
    epoch = (await reader.pending_epoch(chain)).epoch
    while True:
        keys = await wanted_keys(chain, KEYS_AT_ONCE)
        await sender.send(chain.call("EpochManager", "freeze", keys))
        if (await reader.pending_epoch(chain)).frozen_at or await reader.current_epoch(chain) >= epoch:
            return epoch


async def turn(chain: Chain, pending: PendingEpoch) -> Turn | None:
    """Return whose turn it is; None where leaders have no say: in the first epoch, or after the last rank.

    A transaction lands in the next block or the one after: a window counts as over when these are not in it.
    """
    ranks, blocks = await reader.ladder(chain)
    running = await reader.read_epoch(chain, pending.epoch - 1) if pending.epoch > 1 else None
    if running is None:
        return None
    head = await chain.rpc.block_number()
    rank = max(0, head - pending.frozen_at) // blocks
    if head + (2 if blocks >= 4 else 1) > pending.frozen_at + (rank + 1) * blocks:
        rank += 1
    if rank >= ranks:
        return None
    operators = await reader.read_operator_set(chain, running.epoch)
    starts = sortition.starts([one.stake for one in operators.operators])
    index = sortition.leader(running.seed, pending.epoch, rank, starts, operators.total_stake)
    message = vrf.vrf_input(
        chain.deployment.chain_id, chain.address("EpochManager"), pending.epoch, rank, pending.pre_seed
    )
    return Turn(
        epoch=pending.epoch,
        rank=rank,
        index=index,
        operator=operators.operators[index].operator,
        key=operators.operators[index].key,
        message=message,
        first_block=pending.frozen_at + rank * blocks + 1,
        last_block=pending.frozen_at + (rank + 1) * blocks,
    )


async def make_seed(chain: Chain, sender: Sender, provers: Mapping[bytes, Prover]) -> bool:
    """Open the frozen epoch if that is possible now; whether it was.

    ``provers`` are those of the consensus keys that can be spoken for. Raises ``ContractRevert``
    where the chain has moved on meanwhile (``MOVED_ON``), or what ``Sender.send`` raises.
    """
    pending = await reader.pending_epoch(chain)
    head = await chain.rpc.block_number()
    if not pending.frozen_at:
        return False
    leader = await turn(chain, pending)
    if leader is None:
        ranks, blocks = await reader.ladder(chain)
        if pending.epoch > 1 and head < pending.frozen_at + ranks * blocks:
            return False
        await sender.send(chain.call("EpochManager", "open"))
        return True
    prover = provers.get(leader.key)
    if prover is None or head + 1 < leader.first_block:
        return False
    proof = prover(leader.message)
    if inspect.isawaitable(proof):  # from a remote signer
        proof = await proof
    hint = bls.key_xy(leader.key)[bls.KEY_BYTES :]
    call = chain.call("EpochManager", "reveal", leader.index, hint, bls.signature_to_evm(proof))
    await sender.send(call)
    return True


async def advance_epoch(chain: Chain, sender: Sender, provers: Mapping[bytes, Prover] | None = None) -> int:
    """Freeze the next epoch if nobody has, wait until it is open, and open it where that can be done here.

    Returns the number of the open epoch. Waits for the leaders that are not among ``provers``.
    """
    following = await reader.current_epoch(chain) + 1
    if not (await reader.pending_epoch(chain)).frozen_at:
        try:
            await freeze_epoch(chain, sender)
        except ContractRevert as error:
            if error.name != "AlreadyFrozen":
                raise
    while (current := await reader.current_epoch(chain)) < following:
        try:
            if await make_seed(chain, sender, provers or {}):
                continue
        except ContractRevert as error:
            if error.name not in MOVED_ON:
                raise
        await trio.sleep(_POLL)
    return current


MOVED_ON = frozenset(
    {
        "NothingFrozen",
        "SameBlockAsFreeze",
        "NotTheLeader",
        "LadderOver",
        "LadderNotOver",
        "SignatureMismatch",  # the same operator leads the next rank, for which its proof is another one
    }
)
"""Refusals that say only that the chain has moved on: look again."""
