"""Who was left out of a certificate adds itself, in turn, where that is worth it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from consensus.committee import Committee
from consensus.messages import Vote
from consensus.signing import value_id
from consensus.types import Kind
from p2pavs import supplement
from p2pavs.chain.contracts import Chain, interface
from p2pavs.chain.fees import Fees
from p2pavs.chain.rpc import Rpc
from p2pavs.journal import Journal
from p2pavs.settings import Supplement
from p2pavs.supplement import Attendance, Latecomer
from p2pavs.task_post import ChainView, TaskPost
from tests.unit.consensus import factory
from tests.unit.node.chain_double import DEPLOYMENT, SenderDouble, certified, header
from tests.unit.node.parliament import SETTINGS

VALUE = value_id(factory.result())
WAIT = 10.0


@pytest.fixture(autouse=True)
def fees(monkeypatch: pytest.MonkeyPatch) -> None:
    async def market_fees(_: Rpc) -> Fees:
        await trio.lowlevel.checkpoint()
        return Fees(10**9, 10**9)

    async def read_rule(_: Chain) -> tuple[int, int]:
        return 8, 20

    monkeypatch.setattr(supplement, "market_fees", market_fees)
    monkeypatch.setattr(supplement, "read_rule", read_rule)


class Desk:
    """A latecomer of a committee, and what it sees."""

    def __init__(
        self,
        of: Committee,
        own: int,
        voters: tuple[int, ...],
        attendance: Attendance | None = None,
        publish: Callable[[Vote], Awaitable[None]] | None = None,
        **settings: Any,
    ) -> None:
        self.view, self.sender, self.journal = ChainView(), SenderDouble(), Journal()
        self.votes = tuple(factory.vote(of, sender, Kind.PRECOMMIT, 0, VALUE) for sender in voters)

        def precommits(round_: int, value: bytes) -> tuple[Vote, ...]:
            return self.votes if (round_, value) == (0, VALUE) else ()

        post = TaskPost(
            header(1, fee=settings.pop("fee", 10**18)),
            of,
            own,
            self.view,
            Chain(cast(Any, None), DEPLOYMENT),
            cast(Any, self.sender),
            self.journal,
        )
        self.latecomer = Latecomer(
            post,
            replace(SETTINGS, supplement_delay=WAIT, **settings),
            precommits,
            attendance or Attendance(),
            publish,
        )

    def certify(self, bitmap: int) -> None:
        self.view.certificate = replace(certified(1), value_id=VALUE)
        self.view.bitmap = bitmap

    async def watch(self, seconds: float) -> list[dict[str, Any]]:
        with trio.move_on_after(seconds):
            await self.latecomer.run()
        decoded = [interface("TaskGateway").decode_input(call.data) for call in self.sender.calls]
        return [arguments["late"] for _, arguments in decoded]


OF = factory.committee()


async def test_who_was_left_out_adds_all_that_were(autojump_clock: MockClock) -> None:
    order = [index for index in OF.poster_order() if index in (2, 3)]
    for rank, own in enumerate(order):
        desk = Desk(OF, own, (0, 1, 2, 3))
        desk.certify(0b0011)
        assert await desk.watch((1 + rank) * WAIT - 1) == []
        assert desk.view.busy, "the task is not let go meanwhile"
        (sent,) = await desk.watch(10 * WAIT) if not desk.sender.calls else []
        assert (sent["round"], sent["value"], sent["bitmap"]) == (0, VALUE, 0b1100)
        assert not desk.view.busy


async def test_those_that_only_collectors_have_heard_tell_each_other(autojump_clock: MockClock) -> None:
    order = [index for index in OF.poster_order() if index in (2, 3)]
    desks: dict[int, Desk] = {}

    async def say(vote: Vote) -> None:
        await trio.lowlevel.checkpoint()
        for desk in desks.values():
            if vote not in desk.votes:
                desk.votes += (vote,)

    for own in order:
        desks[own] = Desk(OF, own, (0, 1, own), publish=say)
        desks[own].certify(0b0011)
    async with trio.open_nursery() as nursery:
        for desk in desks.values():
            nursery.start_soon(desk.watch, WAIT + 3)
    first, second = (desks[own] for own in order)
    assert len(first.sender.calls) == 1
    assert not second.sender.calls  # it waits for its turn
    _, arguments = interface("TaskGateway").decode_input(first.sender.calls[0].data)
    assert arguments["late"]["bitmap"] == 0b1100


async def test_who_is_in_it_or_did_not_vote_adds_nothing(autojump_clock: MockClock) -> None:
    for own, voters, bitmap in ((0, (0, 1, 2), 0b0111), (3, (0, 1, 2), 0b0111), (0, (0, 1, 2, 3), 0b0111)):
        desk = Desk(OF, own, voters)
        desk.certify(bitmap)
        assert await desk.watch(100) == []


async def test_what_another_one_added_is_not_added_again(autojump_clock: MockClock) -> None:
    desk = Desk(OF, 3, (0, 1, 2, 3))
    desk.certify(0b0111)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.watch, 100)
        await trio.sleep(WAIT / 2)
        desk.view.bitmap = 0b1111
    assert desk.sender.calls == []


@pytest.mark.parametrize(("rule", "sends"), [("worth", False), ("always", True), ("never", False)])
async def test_a_share_below_the_gas_is_let_go(rule: str, sends: bool, autojump_clock: MockClock) -> None:
    desk = Desk(OF, 3, (0, 1, 2, 3), fee=10**13, supplement=Supplement(rule))
    desk.certify(0b0111)
    assert bool(await desk.watch(100)) == sends
    assert [event.kind for event in desk.journal.events(1)] == {
        "worth": ["left_out"],
        "always": ["supplemented"],
        "never": [],
    }[rule]


async def test_seats_that_the_certificate_lacks_are_added_with_their_hints(autojump_clock: MockClock) -> None:
    of = factory.committee((1, 1, 1, 1), 12)
    own = max(of.members, key=lambda member: member.weight)
    bitmap, mine = of.bitmap_of([member.index for member in of.members]), of.bitmap_of([own.index])
    lacking = mine & ~(mine & -mine)  # all of its seats but the first
    desk = Desk(of, own.index, tuple(member.index for member in of.members))
    desk.certify(bitmap & ~lacking)
    (sent,) = await desk.watch(100)
    assert sent["bitmap"] == lacking
    assert (sent["bitmap"], sent["hints"]) == of.supplement_bitmap_and_hints([own.index], bitmap & ~lacking)


async def test_a_certificate_of_another_attempt_is_none_of_its_business(autojump_clock: MockClock) -> None:
    desk = Desk(OF, 3, (0, 1, 2, 3))
    desk.view.certificate, desk.view.bitmap = replace(certified(1), value_id=VALUE, attempt=1), 0b0111
    assert await desk.watch(100) == []


async def test_who_would_count_as_absent_adds_itself_whatever_it_costs(autojump_clock: MockClock) -> None:
    """With 8 of 20 tasks an absence, a third one of 20 is not let go."""
    attendance = Attendance()
    for task, sends in ((1, False), (1, False), (1, True)):
        desk = Desk(OF, 3, (0, 1, 2, 3), attendance, fee=10**13)
        desk.certify(0b0111)
        assert bool(await desk.watch(100)) == sends, task
    assert await attendance.is_at_risk(cast(Any, None), 20)
    assert not await attendance.is_at_risk(cast(Any, None), 21), "those are out of the window"
