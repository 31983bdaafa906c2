"""The contracts' events as typed values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from consensus.types import Result
from p2pavs.chain.abi import UndecodableData
from p2pavs.chain.certificates import result_from_abi
from p2pavs.chain.records import InferenceParams, TaskHeader


@dataclass(frozen=True, slots=True)
class TaskRequested:
    """A task was posted and paid for."""

    header: TaskHeader
    input: bytes
    params: InferenceParams

    @property
    def id(self) -> int:
        """The task's number."""
        return self.header.id


@dataclass(frozen=True, slots=True)
class TaskCertified:
    """The gateway accepted a certificate."""

    id: int
    model_id: bytes
    poster: bytes
    epoch: int
    attempt: int
    round: int
    value_id: bytes
    bitmap: int
    signed_weight: int
    total_weight: int
    result: Result
    output: bytes


@dataclass(frozen=True, slots=True)
class TaskSupplemented:
    """Precommits were added to a certificate; ``bitmap`` is of all who signed now."""

    id: int
    epoch: int
    bitmap: int
    signed_weight: int
    total_weight: int


@dataclass(frozen=True, slots=True)
class TaskRefunded:
    """Nobody certified in time and the requester got its fee back."""

    id: int
    requester: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class EpochFrozen:
    """The operator set of the next epoch is fixed; its seed does not exist yet."""

    epoch: int
    count: int
    total_stake: int
    set_root: bytes


@dataclass(frozen=True, slots=True)
class EpochOpened:
    """An epoch has its seed and is the current one."""

    epoch: int
    seed: bytes


@dataclass(frozen=True, slots=True)
class BeaconRevealed:
    """A leader made an epoch's seed; ``rank`` leaders before it let their window pass."""

    epoch: int
    operator: bytes
    rank: int


@dataclass(frozen=True, slots=True)
class OperatorRegistered:
    """A new operator, with its consensus key in EVM form (128 bytes)."""

    operator: bytes
    previous: int  # block of the registration before; 0 = there is none
    public_key: bytes
    peer_id: bytes


@dataclass(frozen=True, slots=True)
class KeyRotationBegun:
    """An operator brought another key, in EVM form (128 bytes)."""

    operator: bytes
    starts: int  # unix seconds: in snapshots from then on
    public_key: bytes


@dataclass(frozen=True, slots=True)
class PeerIdChanged:
    """An operator's node has another name in the network."""

    operator: bytes
    peer_id: bytes


@dataclass(frozen=True, slots=True)
class OperatorExited:
    """An operator leaves with the next snapshot."""

    operator: bytes


@dataclass(frozen=True, slots=True)
class CaseOpened:
    """An offence was reported and waits out its veto window."""

    id: int
    operator: bytes
    executable_from: int  # unix seconds
    evidence: bytes


@dataclass(frozen=True, slots=True)
class OperatorSlashed:
    """An operator lost stake."""

    operator: bytes
    verifier: bytes
    reporter: bytes
    first_task: int
    wad: int  # of 1e18 of its stake
    taken: int  # wei; 0 where the stake source keeps it
    bounty: int  # wei of it that went to the reporter


@dataclass(frozen=True, slots=True)
class CallbackFailed:
    """The requester's contract did not take the result; anyone may retry."""

    id: int
    callback: bytes


@dataclass(frozen=True, slots=True)
class ManifestPublished:
    """The manifest of a model in its canonical form, which has the hash that was registered."""

    model_id: bytes
    manifest: bytes


@dataclass(frozen=True, slots=True)
class TaskSettled:
    """What of a task's fee is not the signers' was passed on."""

    id: int
    maker: bytes  # of the model
    royalty: int  # wei, credited to the maker
    base_fee: int  # wei, for the pool


@dataclass(frozen=True, slots=True)
class CallScheduled:
    """The timelock was asked to make a call."""

    id: bytes  # 32 bytes
    target: bytes
    value: int  # wei
    data: bytes
    predecessor: bytes  # the proposal that must be done before; zeros: none


Event: TypeAlias = (
    TaskRequested
    | TaskCertified
    | TaskSupplemented
    | TaskRefunded
    | EpochFrozen
    | EpochOpened
    | BeaconRevealed
    | OperatorRegistered
    | KeyRotationBegun
    | PeerIdChanged
    | OperatorExited
    | CallbackFailed
    | CaseOpened
    | OperatorSlashed
    | ManifestPublished
    | TaskSettled
    | CallScheduled
)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and where it stands on the chain."""

    event: Event
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int  # within the block


def _task_requested(a: Mapping[str, Any]) -> TaskRequested:
    if a["header"]["id"] >= 2**63:
        raise UndecodableData("no gateway has counted so many tasks")  # and no database holds the number
    return TaskRequested(TaskHeader.from_abi(a["header"]), a["input"], InferenceParams.from_abi(a["params"]))


def _task_certified(a: Mapping[str, Any]) -> TaskCertified:
    return TaskCertified(
        id=a["id"],
        model_id=a["modelId"],
        poster=a["poster"],
        epoch=a["epoch"],
        attempt=a["attempt"],
        round=a["round"],
        value_id=a["valueId"],
        bitmap=a["bitmap"],
        signed_weight=a["signedWeight"],
        total_weight=a["totalWeight"],
        result=result_from_abi(a["result"]),
        output=a["output"],
    )


BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    "TaskRequested": _task_requested,
    "TaskCertified": _task_certified,
    "TaskSupplemented": lambda a: TaskSupplemented(
        a["id"], a["epoch"], a["bitmap"], a["signedWeight"], a["totalWeight"]
    ),
    "TaskRefunded": lambda a: TaskRefunded(a["id"], a["requester"], a["amount"]),
    "EpochFrozen": lambda a: EpochFrozen(a["epoch"], a["count"], a["totalStake"], a["setRoot"]),
    "EpochOpened": lambda a: EpochOpened(a["epoch"], a["seed"]),
    "BeaconRevealed": lambda a: BeaconRevealed(a["epoch"], a["operator"], a["rank"]),
    "OperatorRegistered": lambda a: OperatorRegistered(
        a["operator"], a["previous"], a["publicKey"], a["peerId"]
    ),
    "KeyRotationBegun": lambda a: KeyRotationBegun(a["operator"], a["from"], a["publicKey"]),
    "PeerIdChanged": lambda a: PeerIdChanged(a["operator"], a["peerId"]),
    "OperatorExited": lambda a: OperatorExited(a["operator"]),
    "CaseOpened": lambda a: CaseOpened(a["id"], a["operator"], a["executableFrom"], a["evidence"]),
    "OperatorSlashed": lambda a: OperatorSlashed(
        a["operator"], a["verifier"], a["reporter"], a["firstTask"], a["wad"], a["taken"], a["bounty"]
    ),
    "CallbackFailed": lambda a: CallbackFailed(a["id"], a["callback"]),
    "ManifestPublished": lambda a: ManifestPublished(a["modelId"], a["manifest"]),
    "TaskSettled": lambda a: TaskSettled(a["id"], a["maker"], a["royalty"], a["baseFee"]),
    "CallScheduled": lambda a: CallScheduled(a["id"], a["target"], a["value"], a["data"], a["predecessor"]),
}
"""How each event is built from its decoded arguments, by the event's name."""
