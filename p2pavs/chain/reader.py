"""What nodes and tools read from the contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from consensus import bls
from consensus.committee import (
    RECORD_BYTES,
    RECORDS_PER_BLOB,
    STAKE_BYTES,
    OperatorSet,
    OperatorSetError,
)
from consensus.messages import Certificate
from p2pavs.chain.abi import UndecodableData
from p2pavs.chain.certificates import ChainCertificate
from p2pavs.chain.contracts import Chain, interface
from p2pavs.chain.errors import ChainError, ContractRevert, NotFound, RpcBadAnswer, WrappedCertificate
from p2pavs.chain.events import ManifestPublished, TaskCertified, TaskRequested
from p2pavs.chain.records import (
    EpochInfo,
    ModelEntry,
    PendingEpoch,
    TaskHeader,
    TaskResult,
    TaskStatus,
    request_hash,
)
from p2pavs.contracts import NATIVE_STAKE


class BadRecord(ChainError):
    """The chain holds something that its own rules forbid, or the endpoint changed it."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The chain's records contradict themselves: {what}.",
            "Read them through another RPC endpoint; if it says the same, report it.",
        )


@dataclass(frozen=True, slots=True)
class PostedTask:
    """A task and where it was posted."""

    requested: TaskRequested
    block_number: int
    block_hash: bytes
    transaction_hash: bytes


@dataclass(frozen=True, slots=True)
class CertifiedTask:
    """A certificate as it was posted. Nothing of it is verified here beyond what ties its parts together."""

    header: TaskHeader
    certificate: Certificate
    on_chain: ChainCertificate  # the same with bitmap, hints and uncompressed signature
    output: bytes
    event: TaskCertified
    block_number: int
    transaction_hash: bytes


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Stake that was asked back."""

    amount: int  # wei; 0 = none
    payable_from: int  # unix seconds


# --- epochs -----------------------------------------------------------------------------------------------


async def current_epoch(chain: Chain) -> int:
    """Return the number of the open epoch; 0 while there is none."""
    return int(await chain.read_one("EpochManager", "currentEpoch"))


async def epoch_length(chain: Chain) -> int:
    """Return how many blocks an epoch lasts at least."""
    return int(await chain.read_one("EpochManager", "epochLength"))


async def due_block(chain: Chain) -> int:
    """Return the block from which on the next set may be frozen."""
    return int(await chain.read_one("EpochManager", "dueBlock"))


async def read_epoch(chain: Chain, epoch: int) -> EpochInfo | None:
    """Return what is fixed about an epoch; None where it is not frozen yet."""
    try:
        info = await chain.read("EpochManager", "epochInfo", epoch)
    except ContractRevert as error:
        if error.name == "UnknownEpoch":
            return None
        raise
    return EpochInfo(
        epoch=epoch,
        seed=info["seed"],
        total_stake=info["totalStake"],
        count=info["count"],
        set_root=info["setRoot"],
        opened_at=info["openedAt"],
        blobs=info["blobs"],
    )


async def pending_epoch(chain: Chain) -> PendingEpoch:
    """Return how far the next epoch is."""
    found = await chain.read("EpochManager", "pending")
    return PendingEpoch(found["epoch"], found["frozenAt"], found["preSeed"])


async def ladder(chain: Chain) -> tuple[int, int]:
    """Return how many leaders are asked for a seed, one after another, and how many blocks each one has."""
    ranks = int(await chain.read_one("EpochManager", "RANKS"))
    return ranks, int(await chain.read_one("EpochManager", "revealBlocks"))


async def read_operator_set(chain: Chain, epoch: int) -> OperatorSet:
    """Return the frozen operators of an epoch, checked against the root that the chain stores.

    Raises ``NotFound`` where the epoch is not frozen, ``BadRecord`` where its records do not hold.
    """
    info = await read_epoch(chain, epoch)
    if info is None:
        raise NotFound(f"There is no epoch {epoch}.", "See p2pavs epoch status.")
    blobs, left = [], info.count
    for address in info.blobs:
        # After one zero byte, which keeps them from being run. Behind the last records are the set's sums.
        end = 1 + STAKE_BYTES + min(left, RECORDS_PER_BLOB) * RECORD_BYTES
        blobs.append((await chain.rpc.code(address))[1:end])
        left -= RECORDS_PER_BLOB
    try:
        operator_set = OperatorSet.from_blobs(epoch, blobs)
    except OperatorSetError as error:
        raise BadRecord(f"epoch {epoch}: {error}") from None
    if operator_set.root != info.set_root:
        raise BadRecord(f"the operators of epoch {epoch} have another root than the chain stores")
    return operator_set


# --- stake ------------------------------------------------------------------------------------------------


async def stake_of(chain: Chain, account: bytes) -> int:
    """Return the stake of an account that counts, in wei."""
    return int(await chain.read_one(chain.deployment.stake_source, "stakeOf", account))


async def minimum_stake(chain: Chain) -> int:
    """Return what it takes to be in the set, in wei."""
    return int(await chain.read_one(chain.deployment.stake_source, "minimumStake"))


async def withdrawal_of(chain: Chain, account: bytes) -> Withdrawal:
    """Return what an account asked back and cannot or did not take yet."""
    if chain.deployment.stake_source != NATIVE_STAKE:
        return Withdrawal(0, 0)  # it leaves through the stake source's own contracts
    value = await chain.read(NATIVE_STAKE, "withdrawalOf", account)
    return Withdrawal(value["amount"], value["payableFrom"])


async def credit_of(chain: Chain, account: bytes) -> int:
    """Return what the gateway owes an account: rewards and refunds that were not withdrawn, in wei."""
    return int(await chain.read_one("TaskGateway", "balanceOf", account))


# --- models -----------------------------------------------------------------------------------------------


async def read_model(chain: Chain, model_id: bytes) -> ModelEntry:
    """Return a model by its id. Raises ``ContractRevert`` (UnknownModel) where there is none."""
    return ModelEntry.from_abi(model_id, await chain.read_one("ModelRegistry", "modelOf", model_id))


async def requestable_models(chain: Chain, registered: Sequence[ModelEntry]) -> tuple[ModelEntry, ...]:
    """Return those that tasks of the current epoch may name."""
    epoch = await current_epoch(chain)
    return tuple(one for one in registered if one.active and one.active_from <= epoch)


async def list_models(chain: Chain, known: Sequence[ModelEntry] = ()) -> tuple[ModelEntry, ...]:
    """Return all models, oldest first. The first ``known``, of an earlier answer, are not read again."""
    count = await chain.read_one("ModelRegistry", "count")
    ids = [await chain.read_one("ModelRegistry", "idAt", number) for number in range(len(known), count)]
    return (*known, *[await read_model(chain, model_id) for model_id in ids])


async def read_manifest(chain: Chain, model_id: bytes) -> bytes | None:
    """Return a model's manifest (canonical JSON) as it was published; None if it was not."""
    for logged in await chain.find_events("ModelRegistry", "ManifestPublished", model_id):
        if isinstance(logged.event, ManifestPublished):
            return logged.event.manifest
    return None


# --- tasks ------------------------------------------------------------------------------------------------


async def quote(chain: Chain, model_id: bytes, max_tokens: int, input_bytes: int) -> int:
    """Return the price of a task in wei, if it were posted in this block."""
    return int(await chain.read_one("TaskGateway", "quote", model_id, max_tokens, input_bytes))


async def offer(chain: Chain, model_id: bytes, max_tokens: int, input_bytes: int) -> int:
    """Return what to send along so that a request is taken in one of the next blocks, in wei.

    That is the quote, and where the base fee is above its minimum a quarter of it more: two blocks can make
    it rise by that much. The gateway credits what is too much.
    """
    price = await quote(chain, model_id, max_tokens, input_bytes)
    base = int(await chain.read_one("TaskGateway", "baseFee"))
    if base == int(await chain.read_one("TaskGateway", "minimumBaseFee")):
        return price
    units = int(await chain.read_one("TaskGateway", "computeUnits", max_tokens, input_bytes))
    return price + (base * units + 3) // 4


async def read_result(chain: Chain, task_id: int) -> TaskResult:
    """Return where a task stands, as contracts see it."""
    value = await chain.read("TaskGateway", "resultOf", task_id)
    try:
        status = TaskStatus(value["status"])
    except ValueError:
        raise RpcBadAnswer(chain.rpc.url, f"task status {value['status']}") from None
    return TaskResult(status, value["value"], value["finalizedAt"], value["signedBps"])


async def deadline_of(chain: Chain, task_id: int) -> int:
    """Until when a task can be certified, pauses included, unix seconds."""
    return int(await chain.read_one("TaskGateway", "deadlineOf", task_id))


def no_such_task(task_id: int) -> NotFound:
    """What is to be said of a task that the chain does not know."""
    return NotFound(
        f"There is no task {task_id}.", "Check the number, and that --deployment is the right network."
    )


async def read_task(chain: Chain, task_id: int) -> PostedTask:
    """Return a task as it was posted. Raises ``NotFound``."""
    for logged in await chain.find_events("TaskGateway", "TaskRequested", _word(task_id)):
        event = logged.event
        if isinstance(event, TaskRequested) and event.id == task_id:
            if request_hash(event.input, event.params) != event.header.request_hash:
                raise BadRecord(f"the input of task {task_id} is not the one its header names")
            return PostedTask(event, logged.block_number, logged.block_hash, logged.transaction_hash)
    raise no_such_task(task_id)


async def read_certificate(chain: Chain, task_id: int) -> CertifiedTask:
    """Return the certificate of a task out of the transaction that posted it.

    Raises ``NotFound`` where it is not certified, ``WrappedCertificate`` where it was posted through another
    contract, so that its calldata is not the gateway's.
    """
    for logged in await chain.find_events("TaskGateway", "TaskCertified", _word(task_id)):
        event = logged.event
        if not isinstance(event, TaskCertified) or event.id != task_id:
            continue
        transaction = await chain.rpc.transaction(logged.transaction_hash)
        if transaction is None:
            raise RpcBadAnswer(chain.rpc.url, f"transaction 0x{logged.transaction_hash.hex()} is missing")
        header, on_chain, output = _decode_submission(
            chain, task_id, transaction.to, transaction.data, logged
        )
        if (on_chain.result, on_chain.bitmap, on_chain.round) != (event.result, event.bitmap, event.round):
            raise WrappedCertificate(task_id, logged.transaction_hash)
        if output != event.output or keccak(output) != event.result.output_hash:
            raise BadRecord(f"the output of task {task_id} is not the one its certificate names")
        try:
            certificate = on_chain.to_certificate(task_id, header.committee_size)
        except bls.BlsError as error:
            raise BadRecord(f"the certificate of task {task_id}: {error}") from None
        return CertifiedTask(
            header=header,
            certificate=certificate,
            on_chain=on_chain,
            output=output,
            event=event,
            block_number=logged.block_number,
            transaction_hash=logged.transaction_hash,
        )
    raise NotFound(
        f"Task {task_id} has no certificate.",
        f"See where it stands with p2pavs task show {task_id}, or check the number.",
    )


def _decode_submission(
    chain: Chain, task_id: int, to: bytes | None, data: bytes, logged: Any
) -> tuple[TaskHeader, ChainCertificate, bytes]:
    wrapped = WrappedCertificate(task_id, logged.transaction_hash)
    if to != chain.address("TaskGateway"):
        raise wrapped
    try:
        function, arguments = interface("TaskGateway").decode_input(data)
        if function != "submitCertificate":
            raise wrapped
        header = TaskHeader.from_abi(arguments["header"])
        on_chain = ChainCertificate.from_abi(arguments["certificate"])
    except UndecodableData:
        raise wrapped from None
    if header.id != task_id:
        raise wrapped
    return header, on_chain, arguments["output"]


def _word(number: int) -> bytes:
    if not 0 <= number < 2**256:
        raise NotFound(f"There is no task {number}.", "Task numbers begin with 1.")
    return number.to_bytes(32, "big")
