"""What is signed: the one preimage of every statement, and who signs and checks it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeAlias

from consensus.hashing import words
from consensus.types import Domain, InstanceId, Kind, Result, Scope, ValueId

TRACE_COMMIT_TAG = b"p2pavs/trace-commit/1"


@lru_cache(maxsize=1024)  # all votes for a value are of one statement
def statement(scope: Scope, kind: Kind, round_: int, value: bytes) -> bytes:
    """Return the 32 bytes that a signature of this kind, round and value covers.

    Neither the signer nor a time is part of it, so equal statements of several members aggregate.
    """
    return words(
        "p2pavs/v1",
        int(kind),
        scope.domain.chain_id,
        scope.domain.gateway,
        scope.instance.task_id,
        scope.instance.attempt,
        scope.committee_root,
        round_,
        value,
    )


@lru_cache(maxsize=256)
def value_id(result: Result) -> ValueId:
    """Name a result: what consensus decides on."""
    return ValueId(
        words(
            "p2pavs/result/1",
            int(result.status),
            result.output_hash,
            result.output_length,
            result.token_count,
            int(result.finish_reason),
            result.trace_root,
            result.trace_commit,
            result.runtime_profile,
        )
    )


def proposal_id(value: ValueId, pol_round: int) -> bytes:
    """Return the value a PROPOSAL statement carries: the result and the round of its proof of lock.

    Signing the value alone would let whoever forwards a proposal change its ``pol_round``.
    """
    return words("p2pavs/proposal/1", value, pol_round + 1)


def work_tag(domain: Domain, instance: InstanceId, operator: bytes, trace_secret: bytes) -> bytes:
    """Return the tag that only who knows the trace secret can make, salted by the operator's address."""
    return words(
        "p2pavs/work-tag/1",
        domain.chain_id,
        domain.gateway,
        instance.task_id,
        instance.attempt,
        operator,
        trace_secret,
    )


def trace_commit(trace_secret: bytes) -> bytes:
    """Commit to a trace secret (SHA-256), as ``Result.trace_commit`` does."""
    if len(trace_secret) != 32:
        raise ValueError(f"a trace secret has 32 bytes, not {len(trace_secret)}")
    return hashlib.sha256(TRACE_COMMIT_TAG + trace_secret).digest()


Randomness: TypeAlias = Callable[[int], bytes]
"""Returns that many bytes nobody can predict. Given by the host: the core has no randomness of its own."""


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """A claim: ``signature`` (96 B) is the aggregate of all ``keys`` (48 B each) over ``message``."""

    keys: tuple[bytes, ...]
    message: bytes
    signature: bytes


class Signer(Protocol):
    """Holds a consensus key and releases signatures, never two for one slot."""

    def sign(self, statement: bytes) -> bytes:
        """Return the 96-byte signature of a 32-byte statement."""
        ...


class SignatureScheme(Protocol):
    """How signatures are joined and checked. ``consensus.bls.SCHEME`` is the real one."""

    def aggregate(self, signatures: Sequence[bytes]) -> bytes:
        """Join the signatures of several members of one statement."""
        ...

    def fast_aggregate_verify(self, keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
        """Whether all keys signed the one message."""
        ...

    def find_bad(self, checks: Sequence[SignatureCheck], rng: Randomness) -> tuple[int, ...]:
        """Return the ascending positions of the checks that do not hold; empty if all hold."""
        ...
