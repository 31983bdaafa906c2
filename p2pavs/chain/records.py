"""What the contracts store and pass, as typed values. Addresses are 20 bytes, hashes 32, amounts wei."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Any

from eth_utils.crypto import keccak

from consensus.types import Mode
from p2pavs.chain.abi import codec

AbiTuple = tuple[Any, ...]
"""A struct as the ABI encoder takes it."""


@dataclass(frozen=True, slots=True)
class InferenceParams:
    """How to generate. Integers only: ``_milli`` in thousandths, ``_micro`` in millionths."""

    max_tokens: int
    temperature_milli: int = 0
    top_k: int = 0
    top_p_micro: int = 0
    min_p_micro: int = 0
    repetition_penalty_milli: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    json_schema: str = ""

    def to_abi(self) -> AbiTuple:
        """Return the struct for the ABI encoder."""
        return (
            self.max_tokens,
            self.temperature_milli,
            self.top_k,
            self.top_p_micro,
            self.min_p_micro,
            self.repetition_penalty_milli,
            self.seed,
            list(self.stop),
            list(self.choices),
            self.json_schema,
        )

    @classmethod
    def from_abi(cls, value: Mapping[str, Any]) -> InferenceParams:
        """From a decoded struct."""
        return cls(
            max_tokens=value["maxTokens"],
            temperature_milli=value["temperatureMilli"],
            top_k=value["topK"],
            top_p_micro=value["topPMicro"],
            min_p_micro=value["minPMicro"],
            repetition_penalty_milli=value["repetitionPenaltyMilli"],
            seed=value["seed"],
            stop=value["stop"],
            choices=value["choices"],
            json_schema=value["jsonSchema"],
        )


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a dApp asks the gateway for."""

    model_id: bytes
    input: bytes
    params: InferenceParams
    deadline: int  # unix seconds
    mode: Mode = Mode.REPLICATE
    committee_size: int = 0  # seats; 0 = the whole operator set
    attempts: int = 1  # equal parts of the time to the deadline, each with a committee of its own
    tip: int = 0  # wei, for the signers
    callback: bytes = bytes(20)  # zero = no callback
    callback_gas: int = 0

    def to_abi(self) -> AbiTuple:
        """Return the struct for the ABI encoder."""
        return (
            self.model_id,
            self.input,
            self.params.to_abi(),
            int(self.mode),
            self.committee_size,
            self.deadline,
            self.attempts,
            self.tip,
            self.callback,
            self.callback_gas,
        )


@dataclass(frozen=True, slots=True)
class TaskHeader:
    """All that the gateway must be told again about a task: it stores only this header's hash."""

    id: int
    requester: bytes
    model_id: bytes
    request_hash: bytes
    mode: int
    committee_size: int
    epoch: int
    attempts: int
    task_seed: bytes
    requested_at: int  # unix seconds
    deadline: int  # unix seconds
    fee: int  # all of it, wei
    base_fee: int  # of the fee: for the pool that pays the beacon
    royalty: int  # of the fee: for the model's maker
    callback: bytes
    callback_gas: int

    def to_abi(self) -> AbiTuple:
        """Return the struct for the ABI encoder."""
        return (
            self.id,
            self.requester,
            self.model_id,
            self.request_hash,
            self.mode,
            self.committee_size,
            self.epoch,
            self.attempts,
            self.task_seed,
            self.requested_at,
            self.deadline,
            self.fee,
            self.base_fee,
            self.royalty,
            self.callback,
            self.callback_gas,
        )

    @property
    def reward(self) -> int:
        """What the signers share, wei."""
        return self.fee - self.base_fee - self.royalty

    def attempt_start(self, attempt: int) -> int:
        """When an attempt begins, in unix seconds; the one after the last is the deadline."""
        window = self.deadline - self.requested_at
        return self.requested_at + -(-window * attempt // self.attempts)

    def attempt_at(self, time: int) -> int:
        """Return the attempt that runs at a time (unix seconds) between request and deadline."""
        begun = [n for n in range(self.attempts) if self.attempt_start(n) <= time]
        return begun[-1] if begun else 0

    @property
    def hash(self) -> bytes:
        """What the gateway stores and the committee's root holds: keccak256(abi.encode(header))."""
        return keccak(codec.encode([_HEADER_TYPE], [self.to_abi()]))

    @classmethod
    def from_abi(cls, value: Mapping[str, Any]) -> TaskHeader:
        """From a decoded struct."""
        return cls(
            id=value["id"],
            requester=value["requester"],
            model_id=value["modelId"],
            request_hash=value["requestHash"],
            mode=value["mode"],
            committee_size=value["committeeSize"],
            epoch=value["epoch"],
            attempts=value["attempts"],
            task_seed=value["taskSeed"],
            requested_at=value["requestedAt"],
            deadline=value["deadline"],
            fee=value["fee"],
            base_fee=value["baseFee"],
            royalty=value["royalty"],
            callback=value["callback"],
            callback_gas=value["callbackGas"],
        )


_HEADER_TYPE = (
    "(uint256,address,bytes32,bytes32,uint8,uint16,uint64,uint8,bytes32,uint64,uint64,"
    "uint128,uint128,uint128,address,uint32)"
)
_PARAMS_TYPE = "(uint32,uint32,uint32,uint32,uint32,uint32,uint64,string[],string[],string)"


def request_hash(input_bytes: bytes, params: InferenceParams) -> bytes:
    """Return what ``TaskHeader.request_hash`` must be: keccak256(abi.encode(input, params))."""
    return keccak(codec.encode(["bytes", _PARAMS_TYPE], [input_bytes, params.to_abi()]))


@dataclass(frozen=True, slots=True)
class OperatorRecord:
    """An operator as registered; ``stake`` is what counts for the next snapshot."""

    account: bytes
    consensus_key: bytes  # 48 bytes compressed
    key_block: int  # in which this key entered
    peer_id: bytes  # a multihash
    active: bool
    stake: int
    next_key: bytes | None = None  # 48 bytes compressed: takes the key's place
    next_key_from: int = 0  # unix seconds: in snapshots from then on
    peer_block: int = 0  # in which this peer id was named


@dataclass(frozen=True, slots=True)
class EpochInfo:
    """An epoch that was opened."""

    epoch: int
    seed: bytes
    total_stake: int
    count: int  # operators in the set
    set_root: bytes
    opened_at: int  # block number; 0 = frozen but not opened yet
    blobs: tuple[bytes, ...]  # addresses of the contracts whose code holds the records


@dataclass(frozen=True, slots=True)
class PendingEpoch:
    """The epoch to come."""

    epoch: int
    frozen_at: int  # block number; 0 = its set is not frozen yet
    pre_seed: bytes  # what its seed will be made from


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model version that tasks can name."""

    id: bytes
    model_hash: bytes  # SHA-256 of the GGUF file
    manifest_hash: bytes
    runtime_profile: bytes
    golden_digest: bytes
    price_per_task: int
    price_per_token: int
    min_committee: int
    royalty_bps: int  # the maker's part of the price, in 1/10,000
    active_from: int  # first epoch whose tasks may name it
    maker: bytes
    active: bool
    name: str  # one maker's models of one name are versions of a family

    def to_abi(self) -> AbiTuple:
        """Return the struct for the ABI encoder (without the id, which the contract computes)."""
        return (
            self.model_hash,
            self.manifest_hash,
            self.runtime_profile,
            self.golden_digest,
            self.price_per_task,
            self.price_per_token,
            self.min_committee,
            self.royalty_bps,
            self.active_from,
            self.maker,
            self.active,
            self.name,
        )

    @classmethod
    def from_abi(cls, model_id: bytes, value: Mapping[str, Any]) -> ModelEntry:
        """From a decoded struct."""
        return cls(
            id=model_id,
            model_hash=value["modelHash"],
            manifest_hash=value["manifestHash"],
            runtime_profile=value["runtimeProfile"],
            golden_digest=value["goldenDigest"],
            price_per_task=value["pricePerTask"],
            price_per_token=value["pricePerToken"],
            min_committee=value["minCommittee"],
            royalty_bps=value["royaltyBps"],
            active_from=value["activeFrom"],
            maker=value["maker"],
            active=value["active"],
            # Only shown, never hashed; anyone may register one, so it must be printable as it is.
            name=value["name"].encode(errors="surrogateescape").decode(errors="replace"),
        )


@unique
class TaskStatus(IntEnum):
    """Where a task stands on the chain."""

    NONE = 0
    REQUESTED = 1
    CERTIFIED = 2
    EXPIRED = 3
    REFUNDED = 4


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a dApp reads with ``resultOf``."""

    status: TaskStatus
    value: bytes  # 32 bytes: the output, left-aligned, if it is that short; else its hash
    finalized_at: int  # unix seconds, 0 = not yet
    signed_bps: int  # weight that signed, in 1/10,000 of the total
