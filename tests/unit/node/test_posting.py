"""The poster ladder: who posts when, what ends it, what it survives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError, ContractRevert, InsufficientFunds, RpcUnreachable
from p2pavs.journal import Journal
from p2pavs.posting import PosterLadder
from p2pavs.task_post import ChainView, TaskPost
from tests.unit.consensus import factory
from tests.unit.node.chain_double import DEPLOYMENT, RECEIPT, SenderDouble, header

OF = factory.committee()
COMMIT = factory.commit(OF, (0, 1, 2))
DELAY = 4.0
CHAIN = Chain(cast(Any, None), DEPLOYMENT)


@pytest.fixture
def sender() -> Iterator[SenderDouble]:
    yield SenderDouble()


def ladder(rank: int, view: ChainView, sender: SenderDouble, journal: Journal | None = None) -> PosterLadder:
    own = OF.poster_order()[rank]
    post = TaskPost(header(7), OF, own, view, CHAIN, cast(Any, sender), journal or Journal())
    return PosterLadder(post, DELAY)


@asynccontextmanager
async def running(one: PosterLadder) -> Any:
    async def blocks() -> None:
        while True:
            await trio.sleep(1.0)
            one._view.head += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(blocks)
        nursery.start_soon(one.run, COMMIT)
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("rank", [0, 1, 3])
async def test_each_rank_waits_its_turn(rank: int, sender: SenderDouble, autojump_clock: MockClock) -> None:
    start = trio.current_time()
    async with running(ladder(rank, ChainView(), sender)):
        await sender.wait_for(1)
    assert sender.times[0] - start == pytest.approx(rank * DELAY)


async def test_only_the_first_attempt_of_the_first_poster_is_tried_out_without_what_waits(
    sender: SenderDouble, autojump_clock: MockClock
) -> None:
    async with running(ladder(0, ChainView(), sender)):
        await sender.wait_for(2)
    later = SenderDouble()
    async with running(ladder(1, ChainView(), later)):
        await later.wait_for(1)
    assert [call.trial for call in sender.calls[:2]] == ["latest", "pending"]
    assert [call.trial for call in later.calls[:1]] == ["pending"]


async def test_who_comes_later_finds_it_posted_and_sends_nothing(
    sender: SenderDouble, autojump_clock: MockClock
) -> None:
    view = ChainView()
    async with running(ladder(2, view, sender)):
        await trio.sleep(DELAY)
        view.certified = True
        await trio.sleep(100)
    assert sender.calls == []


async def test_the_call_is_the_certificate(sender: SenderDouble, autojump_clock: MockClock) -> None:
    async with running(ladder(0, ChainView(), sender)):
        await sender.wait_for(1)
    (call,) = sender.calls[:1]
    assert (call.to, call.what, call.value) == (
        DEPLOYMENT.contracts["TaskGateway"],
        "TaskGateway.submitCertificate",
        0,
    )
    from p2pavs.chain.contracts import interface

    _, arguments = interface("TaskGateway").decode_input(call.data)
    assert arguments["output"] == COMMIT.output
    assert arguments["header"]["id"] == 7
    assert arguments["certificate"]["bitmap"] == 0b111


async def test_posting_is_told_once_when_it_works(sender: SenderDouble, autojump_clock: MockClock) -> None:
    view, journal = ChainView(), Journal()
    sender.then = lambda: setattr(view, "certified", True)
    async with running(ladder(0, view, sender, journal)):
        await trio.sleep(300)
    assert [event.kind for event in journal.events(7)] == ["posting", "posted"]
    assert journal.events(7)[1].fields["transaction"] == "0x" + RECEIPT.transaction_hash.hex()


async def test_a_certificate_that_a_reorganisation_takes_back_is_posted_again(
    sender: SenderDouble, autojump_clock: MockClock
) -> None:
    view = ChainView()
    sender.then = lambda: setattr(view, "certified", True)
    async with running(ladder(0, view, sender)):
        await sender.wait_for(1)
        await trio.sleep(60)
        assert len(sender.calls) == 1
        view.certified = False
        await sender.wait_for(2)
        await trio.sleep(60)
    assert len(sender.calls) == 2


@pytest.mark.parametrize(
    "name", ["AlreadyCertified", "DeadlinePassed", "AlreadyRefunded", "HeaderMismatch", "UnknownTask"]
)
async def test_a_final_refusal_is_no_error_and_not_hammered(
    name: str, sender: SenderDouble, autojump_clock: MockClock
) -> None:
    sender.answer = ContractRevert(name, {}, "no", "")
    with capture_logs() as told:
        async with running(ladder(0, ChainView(), sender)):
            await trio.sleep(600)
    assert 1 <= len(sender.calls) < 40
    assert {entry["log_level"] for entry in told} == {"info"}


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (RpcUnreachable("http://127.0.0.1:1", "refused"), "posting_failed"),
        (InsufficientFunds("0xaa", 1, 2), "posting_failed"),
        (ContractRevert("WrongRuntimeProfile", {}, "another runtime", "check"), "posting_refused"),
    ],
    ids=["no endpoint", "no funds", "a refusal"],
)
async def test_what_keeps_it_from_posting_may_pass(
    failure: ChainError,
    said: str,
    sender: SenderDouble,
    autojump_clock: MockClock,
) -> None:
    view = ChainView()
    sender.answer = failure
    with capture_logs() as told:
        async with running(ladder(0, view, sender)):
            await trio.sleep(3610)  # in the middle of a pause
            failed = len(sender.calls)
            assert 10 < failed < 200, "it tries again, and not all the time"
            assert [entry["event"] for entry in told].count(said) == failed
            sender.answer = None
            sender.then = lambda: setattr(view, "certified", True)
            await sender.wait_for(failed + 1)
            await trio.sleep(600)
    assert len(sender.calls) == failed + 1


async def test_it_ends_when_the_task_is_over(sender: SenderDouble, autojump_clock: MockClock) -> None:
    view = ChainView(certified=True, over=True)
    with trio.fail_after(100):
        await ladder(3, view, sender).run(COMMIT)
    assert sender.calls == []


async def test_a_refunded_task_is_not_posted(sender: SenderDouble, autojump_clock: MockClock) -> None:
    async with running(ladder(0, ChainView(refunded=True), sender)):
        await trio.sleep(100)
    assert sender.calls == []


async def test_on_a_slow_chain_each_poster_has_two_blocks_for_itself(
    sender: SenderDouble, autojump_clock: MockClock
) -> None:
    view = ChainView(head=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ladder(2, view, sender).run, COMMIT)
        await trio.sleep(20)
        assert sender.calls == []
        view.head = 13
        await trio.sleep(20)
        assert sender.calls == []
        view.head = 14
        await sender.wait_for(1)
        nursery.cancel_scope.cancel()


async def test_after_a_reorganisation_the_turns_begin_anew(
    sender: SenderDouble, autojump_clock: MockClock
) -> None:
    view = ChainView(certified=True)
    async with running(ladder(1, view, sender)):
        await trio.sleep(100)
        view.certified, undone = False, trio.current_time()
        await sender.wait_for(1)
    assert sender.times[0] - undone >= DELAY
