"""Requests that follow a draft while it grows: the bits of who generates alone, whatever the draft says."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256

import pytest
import trio

from inference.errors import TimeLimitExceeded
from inference.model import demo_model
from inference.request import Difference, Generation, Progress, Request
from inference.trace import CHUNK_TOKENS
from inference.worker import Guide, ModelWorker

MICRO = demo_model().parent / "micro.gguf"


def request(seed: int = 0, tokens: int = 100) -> Request:
    return Request(
        b"once upon a time", tokens, temperature_milli=3000, seed=seed, task_seed=sha256(b"task").digest()
    )


class Follower:
    """A followed request: what it reported, and its answer in the end."""

    def __init__(self, worker: ModelWorker, asked: Request) -> None:
        self.chunks: list[Progress] = []
        self.differences: list[Difference] = []
        self.guide = Guide(self.differences.append)
        self.answer: Generation | None = None
        self._worker, self._asked = worker, asked

    async def run(self) -> None:
        self.answer = await self._worker.generate(self._asked, self.chunks.append, guide=self.guide)

    async def until(self, condition: Callable[[], object]) -> None:
        while True:
            if condition():
                return
            await trio.sleep(0.01)


async def followed(
    asked: Request, act: Callable[[Follower, Generation], Awaitable[None]], **options: int
) -> tuple[Follower, Generation]:
    """Generate, then follow as ``act`` guides; both ends of it."""
    with trio.fail_after(300):
        async with ModelWorker.open(MICRO, **{"threads": 1, **options}) as worker:
            answer = await worker.generate(asked)
            follower = Follower(worker, asked)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follower.run)
                await act(follower, answer)
                await follower.until(lambda: follower.answer)
    assert follower.answer is not None
    return follower, answer


def bits(generation: Generation) -> Generation:
    return replace(generation, draft_accepted=0)


async def test_a_follower_checks_chunk_by_chunk_and_never_generates() -> None:
    async def act(follower: Follower, answer: Generation) -> None:
        for at in range(0, answer.token_count, CHUNK_TOKENS):
            follower.guide.extend(at, answer.token_ids[at : at + CHUNK_TOKENS])
            full = min(at + CHUNK_TOKENS, answer.token_count) // CHUNK_TOKENS
            await follower.until(lambda full=full: len(follower.chunks) >= full)
            if at + CHUNK_TOKENS < answer.token_count:
                await trio.sleep(0.1)
                assert len(follower.chunks) == full and follower.answer is None

    follower, answer = await followed(request(), act)
    assert bits(follower.answer) == bits(answer)
    assert [one.digest for one in follower.chunks] == list(answer.chunk_digests[:3])
    # The prompt gives the first token (if it was read before the draft came) and each chunk the one after it.
    assert follower.answer.draft_accepted in (answer.token_count - 4, answer.token_count - 3)
    assert follower.differences == []


@pytest.mark.parametrize("at", [0, 1, 31, 32, 77, 99])
async def test_a_wrong_token_is_named_and_the_follower_waits_for_another_draft(at: int) -> None:
    async def act(follower: Follower, answer: Generation) -> None:
        wrong = list(answer.token_ids)
        wrong[at] ^= 1
        follower.guide.extend(0, wrong)
        await follower.until(lambda: follower.differences or follower.answer)
        first = at - at % CHUNK_TOKENS
        follower.guide.extend(first, answer.token_ids[first:])

    follower, answer = await followed(request(), act)
    assert bits(follower.answer) == bits(answer)
    assert follower.differences[:1] == [Difference(at, answer.token_ids[at])]


async def test_a_token_that_the_model_does_not_have_is_wrong_and_harmless() -> None:
    async def act(follower: Follower, answer: Generation) -> None:
        follower.guide.extend(0, [*answer.token_ids[:40], 2**31 - 1])
        await follower.until(lambda: follower.differences)
        follower.guide.lead()

    follower, answer = await followed(request(), act)
    assert follower.differences == [Difference(40, answer.token_ids[40])]
    assert bits(follower.answer) == bits(answer)


async def test_who_leads_generates_from_the_checked_prefix() -> None:
    async def act(follower: Follower, answer: Generation) -> None:
        follower.guide.extend(0, answer.token_ids[:CHUNK_TOKENS])
        await follower.until(lambda: follower.chunks)
        follower.guide.lead()

    follower, answer = await followed(request(), act)
    assert bits(follower.answer) == bits(answer)
    assert [one.chunk for one in follower.chunks] == [0, 1, 2]


async def test_a_draft_that_is_there_before_the_request_begins_counts() -> None:
    async def act(follower: Follower, answer: Generation) -> None:
        follower.guide.extend(0, answer.token_ids)

    follower, answer = await followed(request(), act, slots=1, batch=17)
    assert bits(follower.answer) == bits(answer)


async def test_a_draft_longer_than_the_answer_changes_nothing() -> None:
    async def act(follower: Follower, answer: Generation) -> None:
        follower.guide.extend(0, [*answer.token_ids, 1, 2, 3])

    follower, answer = await followed(request(tokens=40), act)
    assert bits(follower.answer) == bits(answer)


async def test_the_draft_survives_the_death_of_the_process() -> None:
    async def act(follower: Follower, answer: Generation) -> None:
        follower.guide.extend(0, answer.token_ids[:CHUNK_TOKENS])
        await follower.until(lambda: follower.chunks)
        os.kill(follower._worker.pid, signal.SIGKILL)
        await trio.sleep(0.05)
        follower.guide.extend(CHUNK_TOKENS, answer.token_ids[CHUNK_TOKENS:])

    follower, answer = await followed(request(), act)
    assert bits(follower.answer) == bits(answer)
    assert [one.chunk for one in follower.chunks] == [0, 1, 2]


async def test_who_generates_takes_the_place_of_who_waits() -> None:
    """Else nodes whose slots are full of followers could wait for each other in a ring."""

    async def act(follower: Follower, answer: Generation) -> None:
        follower.guide.extend(0, answer.token_ids[:CHUNK_TOKENS])
        await follower.until(lambda: follower.chunks)
        other = await follower._worker.generate(request(seed=9))
        assert other.token_count and follower.answer is None
        follower.guide.extend(CHUNK_TOKENS, answer.token_ids[CHUNK_TOKENS:])

    follower, answer = await followed(request(), act, slots=1)
    assert bits(follower.answer) == bits(answer)


async def test_waiting_costs_no_time_of_the_limit_and_is_no_hang() -> None:
    with trio.fail_after(300):
        async with ModelWorker.open(MICRO, threads=1, hang_seconds=8.0) as worker:
            answer = await worker.generate(request())
            guide = Guide()
            async with trio.open_nursery() as nursery:
                results: list[Generation] = []

                async def run() -> None:
                    results.append(await worker.generate(request(), guide=guide, time_limit=8.0))

                nursery.start_soon(run)
                await trio.sleep(10.0)
                guide.extend(0, answer.token_ids)
            assert bits(results[0]) == bits(answer)
            assert worker.restarts == 0
            with pytest.raises(TimeLimitExceeded):
                guide = Guide()
                guide.lead()
                await worker.generate(request(tokens=400), guide=guide, time_limit=0.001)


async def test_a_gap_in_a_draft_is_refused() -> None:
    with pytest.raises(ValueError, match="has 0 tokens"):
        Guide().extend(1, [1])
