"""The watch holds the guard while it listens, and stops the node once it heard itself from elsewhere."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from consensus import bls
from consensus.messages import Message, Vote
from consensus.signing import statement
from consensus.types import Kind
from consensus.wire import encode_message
from p2pavs.doppelganger import DoppelgangerFound, DoppelgangerWatch
from p2pavs.storage import Database, SignGuard, Slot
from p2pavs.storage.inspection import inspect
from tests.unit.consensus import factory
from tests.unit.node.test_sign_guard import NO, SCOPE, YES, Signer

COMMITTEE = factory.committee()
SLOT = Slot(SCOPE, Kind.PREVOTE, 0)


def vote(value: bytes, sender: int = 0, key: int = 0) -> Vote:
    signature = bls.sign(factory.secret(key), statement(SCOPE, Kind.PREVOTE, 0, value))
    return Vote(SCOPE.instance, Kind.PREVOTE, 0, value, sender, signature)  # type: ignore[arg-type]


@pytest.fixture
def guard(database: Database) -> SignGuard:
    return SignGuard(database, Signer())


async def found(watch: DoppelgangerWatch) -> DoppelgangerFound:
    with trio.fail_after(60):
        with pytest.raises((DoppelgangerFound, BaseExceptionGroup)) as caught:
            await watch.run()
    error = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # type: ignore[assignment]
    assert isinstance(error, DoppelgangerFound)
    return error


async def test_nothing_is_signed_before_the_wait_is_over(guard: SignGuard) -> None:
    watch = DoppelgangerWatch(guard, trio.Event(), 0.2)
    with trio.move_on_after(0.05) as waited:
        await guard.sign(SLOT, YES)
    assert waited.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with trio.fail_after(60):
            await guard.sign(SLOT, YES)
        nursery.cancel_scope.cancel()


async def test_another_record_of_ours_stops_the_node_before_it_signs(guard: SignGuard) -> None:
    outbid = trio.Event()
    watch = DoppelgangerWatch(guard, outbid, 1000)
    outbid.set()
    error = await found(watch)
    assert "announces itself" in error.message and "stop it" in error.remedy
    with trio.move_on_after(0.05) as waited:
        await guard.sign(SLOT, YES)
    assert waited.cancelled_caught


async def test_a_record_also_stops_a_node_that_signs_already(guard: SignGuard) -> None:
    outbid = trio.Event()
    watch = DoppelgangerWatch(guard, outbid, 0)
    errors: list[DoppelgangerFound] = []

    async def run() -> None:
        errors.append(await found(watch))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await guard.sign(SLOT, YES)
        outbid.set()
    assert errors


@pytest.mark.parametrize("way", ["gossip", "told"])
async def test_a_statement_that_the_guard_never_let_out_stops_the_node(
    guard: SignGuard, database: Database, way: str
) -> None:
    watch = DoppelgangerWatch(guard, trio.Event(), 1000)
    if way == "gossip":
        watch.gossiped(encode_message(vote(NO)))
    else:
        await watch.told([vote(NO)], SCOPE, COMMITTEE, 0)
    assert not inspect(database.path).restored
    assert "signed for task 7" in (await found(watch)).message
    assert inspect(database.path).restored, "the next start sits out the tasks that exist"


@pytest.mark.parametrize(
    "message",
    [
        vote(YES),  # our own, from before the start
        vote(NO, sender=1, key=1),  # of another member
        vote(NO, sender=0, key=1),  # a forgery: not our signature
    ],
    ids=["own", "other", "forged"],
)
async def test_what_peers_tell_raises_no_false_alarm(guard: SignGuard, message: Message) -> None:
    await guard.sign(SLOT, YES)
    watch = DoppelgangerWatch(guard, trio.Event(), 0)
    await watch.told([message], SCOPE, COMMITTEE, 0)
    assert not watch._heard.is_set()


async def test_gossip_of_our_last_life_and_garbage_raise_no_alarm(guard: SignGuard) -> None:
    await guard.sign(SLOT, YES)
    watch = DoppelgangerWatch(guard, trio.Event(), 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        for data in (encode_message(vote(YES)), b"", b"\xff" * 50):
            watch.gossiped(data)
        await guard.sign(SLOT, YES)
        await trio.sleep(0.2)
        assert not watch._heard.is_set()
        nursery.cancel_scope.cancel()
