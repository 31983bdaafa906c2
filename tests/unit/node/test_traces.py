"""Where two results part: what is served, what is believed, what is said of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any, cast

import pytest

from consensus.encoding import encode
from consensus.types import FinishReason, InstanceId, Result, ResultStatus
from inference.request import FinishReason as Finish
from inference.request import Generation, Status
from inference.trace import Trace, chunk_digest, trace_root
from p2pavs.divergence import mismatch
from p2pavs.execution import Execution, execution_of
from p2pavs.network.errors import RequestFailed
from p2pavs.relay import Refused
from p2pavs.traces import MAX_RESPONSE, PROTOCOL, Parting, TraceRefused, Traces
from tests.unit.consensus import factory

HERE = InstanceId(7, 0)
PROFILE = b"\5" * 32
Handler = Callable[[str, bytes], Awaitable[bytes]]


class Wire:
    """A network of one peer that answers by the handler of the other side, or as a test says."""

    def __init__(self) -> None:
        self.handler: Handler | None = None
        self.answer: bytes | Exception | None = None

    def handle(self, protocol: str, handler: Handler, limits: Any) -> None:
        assert protocol == PROTOCOL
        self.handler = handler

    async def request(
        self, peer: str, protocol: str, data: bytes, *, timeout: float, max_response: int
    ) -> bytes:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        assert self.handler is not None
        answer = await self.handler(peer, data)
        assert len(answer) <= min(max_response, MAX_RESPONSE)
        return answer


def computed(count: int = 100, flipped: int = -1, token: int = -1) -> Execution:
    """An answer of so many tokens; at ``flipped`` other logits, at ``token`` another token."""
    trace = Trace()
    tokens = tuple(1000 + i + (i == token) for i in range(count))
    for i, one in enumerate(tokens):
        trace.add(one, b"logits %d %d" % (i, i == flipped))
    root, secret, chunks = trace.finish()
    made = Generation(
        Status.COMPLETED, b"out", tokens, Finish.LENGTH, root, secret, chunks, 5, 0, trace.digests
    )
    return execution_of(made, PROFILE)


async def parting(own: Execution, theirs: Execution | None, answer: bytes | Exception | None = None) -> Any:
    wire = Wire()
    office = Traces(cast(Any, wire), lambda instance: theirs if instance == HERE else None)
    wire.answer = answer
    return await office.parting("peer", HERE, own, (theirs or own).result)


@pytest.mark.parametrize("at", [0, 31, 32, 70, 99])
async def test_a_flipped_bit_and_another_token_are_found_where_they_are(at: int) -> None:
    assert await parting(computed(), computed(flipped=at)) == Parting(at // 32, at, "logits")
    assert await parting(computed(), computed(token=at)) == Parting(at // 32, at, "token")


@pytest.mark.parametrize(
    ("own", "theirs", "at"), [(100, 96, 96), (96, 100, 96), (100, 70, 70), (70, 100, 70)]
)
async def test_a_shorter_answer_parts_where_it_ends(own: int, theirs: int, at: int) -> None:
    assert await parting(computed(own), computed(theirs)) == Parting(at // 32, at, "length")


async def test_equal_traces_part_nowhere() -> None:
    assert await parting(computed(), computed()) is None
    assert await parting(computed(4096), computed(4096, flipped=4095)) == Parting(127, 4095, "logits")


async def test_what_was_not_decided_is_not_shown() -> None:
    with pytest.raises(TraceRefused, match="has not decided"):
        await parting(computed(), None)


def digests(of: Execution) -> list[bytes]:
    return list(of.chunk_digests)


LIAR = computed(flipped=40)
HOSTILE = {
    "noise": b"\xff",
    "a number": encode(7),
    "a map": encode({1: 2}),
    "no list": encode([7]),
    "short digests": encode([[b"1" * 31] * 4]),
    "too many": encode([[bytes(32)] * 129]),
    "another trace than it signed": encode([digests(computed(flipped=41))]),
    "fewer chunks than it signed": encode([digests(LIAR)[:3]]),
    "a chunk where a list is due": encode([[1], [bytes(32)]]),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_answers_are_refused(what: str) -> None:
    with pytest.raises(TraceRefused):
        await parting(computed(), LIAR, HOSTILE[what])


async def test_a_peer_that_fails_is_no_crash() -> None:
    with pytest.raises(TraceRefused, match="reset"):
        await parting(computed(), LIAR, RequestFailed("reset"))


@pytest.mark.parametrize(
    "chunk",
    [
        [[1, 2], [bytes(32)]],
        [[-1], [bytes(32)]],
        [[True], [bytes(32)]],
        [[], []],
        [[1] * 33, [bytes(32)] * 33],
        [[1], [bytes(32)]],  # well-formed, and not what the digest says
    ],
)
async def test_a_chunk_that_does_not_fit_its_digest_is_refused(chunk: Any) -> None:
    wire = Wire()
    office = Traces(cast(Any, wire), lambda instance: None)
    answers = [encode([digests(LIAR)]), encode(chunk)]

    async def request(*args: Any, **options: Any) -> bytes:
        return answers.pop(0)

    wire.request = request  # type: ignore[method-assign]
    with pytest.raises(TraceRefused):
        await office.parting("peer", HERE, computed(), LIAR.result)


@pytest.mark.parametrize("request_", [[7, 0], [7, 0, 0, 0], [b"", 0, 0], 7])
async def test_a_request_has_one_form(request_: Any) -> None:
    wire = Wire()
    Traces(cast(Any, wire), lambda instance: computed())
    assert wire.handler is not None
    with pytest.raises(ValueError, match="request"):
        await wire.handler("peer", encode(request_))
    for chunk in (-2, 4, 2**40):
        assert await wire.handler("peer", encode([7, 0, chunk])) == encode([])


FINISH = "finish reason length, not end_of_text, after token 40"
OWN = replace(factory.result(b"one two three"), token_count=40, trace_root=b"\1" * 32)


@pytest.mark.parametrize(
    ("change", "output", "reason", "byte", "position"),
    [
        ({"status": ResultStatus.REJECTED}, b"", "status rejected, not completed", -1, -1),
        ({}, b"one too three", "the output differs from byte 5 on", 5, -1),
        ({}, b"one two", "the output differs from byte 7 on", 7, -1),
        ({"token_count": 30}, None, "30 tokens, not 40: one ends at token 30", -1, 30),
        ({"finish_reason": FinishReason.LENGTH}, None, FINISH, -1, 40),
        ({"trace_root": bytes(32)}, None, "the traces differ", -1, -1),
        ({"trace_commit": bytes(32)}, None, "the trace secrets differ", -1, -1),
        ({"runtime_profile": b"\7" * 32}, None, "the runtime profiles differ", -1, -1),
    ],
)  # fmt: skip
def test_a_refusal_names_the_first_thing_that_differs(
    change: dict[str, Any], output: bytes | None, reason: str, byte: int, position: int
) -> None:
    text = b"one two three"
    other: Result = replace(OWN, **change)
    found = mismatch(OWN, text, other, text if output is None else output, None)
    assert (found.reason, found.byte, found.position) == (reason, byte, position)
    chunks = Refused(3, 33, True)
    told = mismatch(OWN, text, other, text if output is None else output, chunks)
    assert told.position == 33
    assert told.reason == f"the answer differs from token 33 on (chunk 1); {reason}"


def test_the_chunk_digest_is_that_of_the_protocol() -> None:
    made = computed(40)
    assert made.chunk_digests[1] == chunk_digest(1, made.tokens[32:], made.logits_digests[32:])
    assert made.result.trace_root == trace_root(40, made.chunk_digests)
    assert made.logits_digests[0] == sha256(b"p2pavs/logits/1" + b"logits 0 0").digest()
