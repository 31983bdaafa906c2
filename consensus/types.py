"""The vocabulary of the protocol: identities, values, results, and the words statements are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import NewType

ValueId = NewType("ValueId", bytes)
"""32 bytes naming a result; ``NIL`` is "no value in this round"."""

NIL = ValueId(bytes(32))

NO_ROUND = -1
"""The paper's -1: no locked, valid or proof-of-lock round."""

MAX_ROUND = 2**31 - 1
MAX_OUTPUT_BYTES = 8192
MAX_INPUT_BYTES = 16384
MAX_TOKENS = 4096  # of an answer
CHUNK_TOKENS = 32  # of a trace, see inference/trace.py
MAX_OPERATORS = 256
MAX_SEATS = 256


@unique
class Kind(IntEnum):
    """What a signed statement says (protocol, section 6)."""

    PROPOSAL = 1
    PREVOTE = 2
    PRECOMMIT = 3
    WORK_TAG = 4
    OUTPUT = 5
    COMMITMENT = 6
    REVEAL = 7


@unique
class Step(IntEnum):
    """Where a member stands in its round."""

    UNSTARTED = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    COMMIT = 4


@unique
class ResultStatus(IntEnum):
    """How the computation ended. Every value is deterministic, so every value can be certified."""

    COMPLETED = 1
    REJECTED = 2
    """The model cannot take this request: too many tokens, or parameters that no model could follow."""


@unique
class FinishReason(IntEnum):
    """Why generation stopped."""

    END_OF_TEXT = 1
    STOP_STRING = 2
    LENGTH = 3
    CHOICE = 4
    INPUT_TOO_LONG = 5
    BAD_REQUEST = 6
    JSON = 7


@unique
class Mode(IntEnum):
    """How members check each other (protocol, section 5)."""

    REPLICATE = 0
    VERIFY = 1


@dataclass(frozen=True, slots=True)
class Domain:
    """The chain and the gateway contract that statements are bound to."""

    chain_id: int
    gateway: bytes  # 20 bytes


@dataclass(frozen=True, slots=True, order=True)
class InstanceId:
    """One Tendermint instance: an attempt at a task."""

    task_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Scope:
    """All that a statement is bound to besides its kind, round and value."""

    domain: Domain
    instance: InstanceId
    committee_root: bytes  # 32 bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What a member computed. Its hash is the value that consensus decides (see ``signing.value_id``)."""

    status: ResultStatus
    output_hash: bytes  # keccak-256 of the output bytes
    output_length: int  # bytes
    token_count: int  # generated tokens
    finish_reason: FinishReason
    trace_root: bytes  # 32 bytes, see inference/trace.py
    trace_commit: bytes  # SHA-256 of the trace secret
    runtime_profile: bytes  # 32 bytes, see inference/runtime.py
