"""Results of an imagined model: an output and, following from it, everything else."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from consensus.effects import OwnResult
from consensus.hashing import keccak256
from consensus.signing import trace_commit, value_id
from consensus.types import FinishReason, Result, ResultStatus, ValueId

RIGHT = b"right"
WRONG = b"wrong"


@lru_cache(maxsize=4096)
def own_result(output: bytes) -> OwnResult:
    """Return the result with its trace secret; another output has another secret."""
    secret = hashlib.sha256(b"trace of " + output).digest()
    result = Result(
        status=ResultStatus.COMPLETED,
        output_hash=keccak256(output),
        output_length=len(output),
        token_count=1,
        finish_reason=FinishReason.END_OF_TEXT,
        trace_root=keccak256(b"root of " + output),
        trace_commit=trace_commit(secret),
        runtime_profile=b"\x44" * 32,
    )
    return OwnResult(result, output, secret)


@lru_cache(maxsize=4096)
def value_of(output: bytes) -> ValueId:
    """Return the id of the result with this output."""
    return value_id(own_result(output).result)
