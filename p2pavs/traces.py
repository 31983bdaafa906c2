"""Where two results of one task part: chunk and position, from the traces that members serve on request.

``/p2pavs/trace/1``: the request ``[taskId, attempt, chunk]`` asks for the tokens and logits digests of a
chunk, with chunk -1 for the digests of all chunks. A member answers once it has decided: before that, the
digests would let others vote without computing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consensus.encoding import CborValue, EncodingError, decode, encode
from consensus.types import CHUNK_TOKENS, MAX_TOKENS, InstanceId, Result
from inference.trace import chunk_digest, trace_root
from p2pavs.execution import Execution
from p2pavs.network import Network, NetworkError, ServeLimits

PROTOCOL = "/p2pavs/trace/1"
MAX_REQUEST = 32
MAX_CHUNKS = MAX_TOKENS // CHUNK_TOKENS
MAX_RESPONSE = 8192  # bytes: 128 digests of 32 and their heads
TIMEOUT = 5.0
LIMITS = ServeLimits(
    max_request=MAX_REQUEST, max_response=MAX_RESPONSE, streams_per_peer=2, rate=5.0, burst=40
)


class TraceRefused(Exception):
    """A peer's trace cannot be had, or is not that of the result it signed."""


@dataclass(frozen=True, slots=True)
class Parting:
    """Where a trace leaves the own one."""

    chunk: int
    position: int
    """In tokens of the answer, from 0."""
    cause: str
    """"logits": other numbers; "token": another token from the same numbers; "length": one answer ends."""

    def __str__(self) -> str:
        what = {
            "logits": "the logits differ",
            "token": "another token was taken from the same logits",
            "length": "one of the answers ends",
        }[self.cause]
        return f"{what} at token {self.position} (chunk {self.chunk})"


class Traces:
    """Both ends of the protocol."""

    def __init__(self, network: Network, serve: Callable[[InstanceId], Execution | None]) -> None:
        """``serve`` gives what may be shown of an instance: None before its decision."""
        self._network = network
        self._serve = serve
        network.handle(PROTOCOL, self._answer, LIMITS)

    async def parting(
        self, peer: str, instance: InstanceId, own: Execution, theirs: Result
    ) -> Parting | None:
        """Find where a peer's result parts from the own one; None where the traces are equal.

        Raises ``TraceRefused`` where the peer does not answer, or answers what it has not signed.
        """
        digests = _digests(await self._ask(peer, instance, -1))
        if trace_root(theirs.token_count, digests) != theirs.trace_root:
            raise TraceRefused("the digests are not those of the trace root that it signed")
        chunk = next(
            (i for i, pair in enumerate(zip(own.chunk_digests, digests, strict=False)) if pair[0] != pair[1]),
            None,
        )
        if chunk is None:
            if len(own.chunk_digests) == len(digests):
                return None
            shorter = min(len(own.tokens), theirs.token_count)
            return Parting(shorter // CHUNK_TOKENS, shorter, "length")
        tokens, logits = _chunk(await self._ask(peer, instance, chunk))
        if chunk_digest(chunk, tokens, logits) != digests[chunk]:
            raise TraceRefused(f"chunk {chunk} has another digest than it said")
        return _parting(own, chunk, tokens, logits)

    async def _ask(self, peer: str, instance: InstanceId, chunk: int) -> Sequence[CborValue]:
        request = encode([instance.task_id, instance.attempt, chunk])
        try:
            data = await self._network.request(
                peer, PROTOCOL, request, timeout=TIMEOUT, max_response=MAX_RESPONSE
            )
            answer = decode(data, MAX_RESPONSE)
        except (NetworkError, EncodingError) as error:
            raise TraceRefused(str(error)) from error
        if not isinstance(answer, tuple) or not answer:
            raise TraceRefused("it has no trace to show, or has not decided yet")
        return answer

    async def _answer(self, peer: str, data: bytes) -> bytes:
        match decode(data, MAX_REQUEST):
            case (int(task_id), int(attempt), int(chunk)):
                instance = InstanceId(task_id, attempt)
            case _:
                raise EncodingError("a request is [taskId, attempt, chunk]")
        execution = self._serve(instance)
        if execution is None or not -1 <= chunk < len(execution.chunk_digests):
            return encode([])
        if chunk < 0:
            return encode([list(execution.chunk_digests)])
        part = slice(chunk * CHUNK_TOKENS, (chunk + 1) * CHUNK_TOKENS)
        return encode([list(execution.tokens[part]), list(execution.logits_digests[part])])


def _parting(own: Execution, chunk: int, tokens: Sequence[int], logits: Sequence[bytes]) -> Parting | None:
    first = chunk * CHUNK_TOKENS
    part = slice(first, first + CHUNK_TOKENS)
    mine = list(zip(own.tokens[part], own.logits_digests[part], strict=True))
    theirs = list(zip(tokens, logits, strict=True))
    for position, (one, other) in enumerate(zip(mine, theirs, strict=False), first):
        if one[1] != other[1]:
            return Parting(chunk, position, "logits")
        if one[0] != other[0]:
            return Parting(chunk, position, "token")
    return Parting(chunk, first + min(len(mine), len(theirs)), "length")


def _digests(answer: Sequence[CborValue]) -> list[bytes]:
    match answer:
        case (tuple() as digests,) if len(digests) <= MAX_CHUNKS:
            return _hashes(digests)
        case _:
            raise TraceRefused("its answer is no list of digests")


def _chunk(answer: Sequence[CborValue]) -> tuple[list[int], list[bytes]]:
    match answer:
        case (tuple() as tokens, tuple() as logits) if 0 < len(tokens) == len(logits) <= CHUNK_TOKENS:
            if not all(type(token) is int and 0 <= token < 2**31 for token in tokens):
                raise TraceRefused("its tokens are no tokens")
            return [token for token in tokens if isinstance(token, int)], _hashes(logits)
        case _:
            raise TraceRefused("its answer is no chunk of a trace")


def _hashes(values: Sequence[CborValue]) -> list[bytes]:
    found = [value for value in values if isinstance(value, bytes) and len(value) == 32]
    if len(found) != len(values):
        raise TraceRefused("its digests are no digests")
    return found
