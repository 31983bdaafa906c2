"""The trace of a generation: hashes that bind the tokens to the numbers they were sampled from.

All hashes are SHA-256 with a tag in front; integers are big-endian. For token i, ``l_i`` is the digest of
the logits it was sampled from (float32, little-endian, one per vocabulary entry; ``l_0`` belongs to the
prompt's last position)::

    l_i     = H("p2pavs/logits/1" ‖ logits)
    chunk_c = H("p2pavs/trace-chunk/1" ‖ u32 c ‖ u32 n ‖ n × u32 token ‖ inner_c)
    inner_c = H("p2pavs/chunk-logits/1" ‖ l's of the chunk)
    node    = H("p2pavs/trace-node/1" ‖ left ‖ right)            an odd node moves up as it is
    root    = H("p2pavs/trace-root/1" ‖ u32 tokens ‖ top node)   32 zero bytes as the top of no chunks
    secret  = H("p2pavs/trace-secret/1" ‖ all l_i)
    commit  = H("p2pavs/trace-commit/1" ‖ secret)

Chunks and root show nothing from which the secret follows, so they may be published before the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

CHUNK_TOKENS = 32


def _hash(tag: bytes, *parts: bytes | memoryview) -> bytes:
    digest = sha256(tag)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def logits_digest(logits: bytes | memoryview) -> bytes:
    """Digest of one position's logits, given as raw little-endian float32 bytes."""
    return _hash(b"p2pavs/logits/1", logits)


def chunk_digest(index: int, tokens: Sequence[int], digests: Sequence[bytes]) -> bytes:
    """Digest of chunk ``index``: its tokens and the digests of the logits they were sampled from."""
    if len(tokens) != len(digests) or not 0 < len(tokens) <= CHUNK_TOKENS:
        raise ValueError("a chunk has 1 to 32 tokens, each with one logits digest")
    inner = _hash(b"p2pavs/chunk-logits/1", *digests)
    return _hash(b"p2pavs/trace-chunk/1", _u32(index), _u32(len(tokens)), *map(_u32, tokens), inner)


def trace_root(token_count: int, chunks: Sequence[bytes]) -> bytes:
    """Merkle root over the chunk digests."""
    level = list(chunks)
    while len(level) > 1:
        pairs = [_hash(b"p2pavs/trace-node/1", a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return _hash(b"p2pavs/trace-root/1", _u32(token_count), level[0] if level else bytes(32))


def trace_secret(digests: Sequence[bytes]) -> bytes:
    """Digest of all logits digests in order."""
    return _hash(b"p2pavs/trace-secret/1", *digests)


def trace_commit(secret: bytes) -> bytes:
    """What may be shown of the secret before it is published."""
    return _hash(b"p2pavs/trace-commit/1", secret)


class Trace:
    """A trace that grows token by token."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._digests: list[bytes] = []
        self._chunks: list[bytes] = []

    def add(self, token: int, logits: bytes | memoryview) -> bytes | None:
        """Append a token and the logits it was sampled from. Returns the chunk's digest if it is full now."""
        return self.extend([token], [logits])

    def extend(self, tokens: Sequence[int], logits: Iterable[bytes | memoryview]) -> bytes | None:
        """Append some tokens of one chunk, with the logits of each. Returns its digest if it is full now."""
        if len(tokens) > CHUNK_TOKENS - len(self._tokens) % CHUNK_TOKENS:
            raise ValueError("the tokens go beyond the end of their chunk")
        self._tokens += tokens
        self._digests += map(logits_digest, logits)
        if len(self._tokens) % CHUNK_TOKENS:
            return None
        self._chunks.append(self._chunk(len(self._chunks)))
        return self._chunks[-1]

    def _chunk(self, index: int) -> bytes:
        part = slice(index * CHUNK_TOKENS, (index + 1) * CHUNK_TOKENS)
        return chunk_digest(index, self._tokens[part], self._digests[part])

    @property
    def digests(self) -> tuple[bytes, ...]:
        """One for each token: the digest of the logits that it was sampled from."""
        return tuple(self._digests)

    def finish(self) -> tuple[bytes, bytes, tuple[bytes, ...]]:
        """Root, secret and all chunk digests, the last chunk however short it is."""
        chunks = list(self._chunks)
        if len(self._tokens) % CHUNK_TOKENS:
            chunks.append(self._chunk(len(chunks)))
        return trace_root(len(self._tokens), chunks), trace_secret(self._digests), tuple(chunks)
