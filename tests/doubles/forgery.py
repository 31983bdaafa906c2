"""Answers that nobody computed, without a contradiction in themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from consensus.types import CHUNK_TOKENS
from inference.request import Generation
from inference.trace import chunk_digest, trace_commit, trace_root, trace_secret
from p2pavs.execution import Execution, execution_of

PROFILE = b"\5" * 32
"""A runtime profile, where it does not matter which."""


def forged(honest: Execution, tokens: Sequence[int], logits: Sequence[bytes], output: bytes) -> Execution:
    """An execution that claims these tokens and logits, without a contradiction in itself."""
    parts = [slice(at, at + CHUNK_TOKENS) for at in range(0, len(tokens), CHUNK_TOKENS)]
    chunks = tuple(chunk_digest(i, tokens[part], logits[part]) for i, part in enumerate(parts))
    generation = Generation(
        status=cast(Any, honest.result.status),
        output=output,
        token_ids=tuple(tokens),
        finish_reason=cast(Any, honest.result.finish_reason),
        trace_root=trace_root(len(tokens), chunks),
        trace_secret=trace_secret(logits),
        chunk_digests=chunks,
        prompt_tokens=0,
        logits_digests=tuple(logits),
    )
    made = execution_of(generation, honest.result.runtime_profile)
    assert made.result.trace_commit == trace_commit(generation.trace_secret)
    return made
