"""Results that are not the own one: who is asked where they part, and what is noted whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from consensus.effects import OwnResult
from consensus.types import Result
from p2pavs.divergence import DivergenceBook
from p2pavs.execution import Execution
from p2pavs.relay import Refused
from p2pavs.scrutiny import TRIES, Scrutiny
from p2pavs.traces import Parting, TraceRefused
from tests.unit.consensus import factory

OF = factory.committee()
OWN = factory.result(b"own")
OTHER = factory.result(b"other")
FOUND = Parting(1, 40, "logits")


class Desk:
    """A scrutiny, what it noted, and whom it asked."""

    def __init__(
        self, compare: Callable[[int], Awaitable[Parting | None]], refused: Refused | None = None
    ) -> None:
        self.noted: list[dict[str, Any]] = []
        self.asked: list[int] = []
        self.book = DivergenceBook()
        self._compare = compare
        self.scrutiny = Scrutiny(
            7, OF, 0, self._note, self.book, self._ask, lambda index: refused if index == 2 else None, 2.0
        )
        self.scrutiny.execution = Execution(OWN, b"own", bytes(32), (1,), (b"1" * 32,), (b"2" * 32,))
        self.scrutiny.computed(OwnResult(OWN, b"own", bytes(32)))

    def _note(self, kind: str, **fields: Any) -> None:
        self.noted.append({"kind": kind, **fields})

    async def _ask(self, operator: bytes, own: Execution, theirs: Result) -> Parting | None:
        index = next(member.index for member in OF.members if member.operator == operator)
        self.asked.append(index)
        return await self._compare(index)

    def diverged(self) -> list[tuple[str, int, int, str]]:
        return [
            (one["operator"], one["chunk"], one["position"], one["detail"])
            for one in self.noted
            if one["kind"] == "diverged"
        ]


def name(index: int) -> str:
    return "0x" + OF.member(index).operator.hex()


async def found(index: int) -> Parting:
    await trio.lowlevel.checkpoint()
    return FOUND


async def refuse(index: int) -> Parting:
    await trio.lowlevel.checkpoint()
    raise TraceRefused("not decided")


async def watch(desk: Desk, seconds: float, act: Callable[[], None] = lambda: None) -> None:
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.scrutiny.run)
            await trio.sleep(seconds / 2)
            act()


def certificate(result: Result) -> Any:
    return replace(factory.commit(OF, (1, 2, 3)).certificate, result=result)


async def test_nobody_is_asked_before_the_decision(autojump_clock: MockClock) -> None:
    desk = Desk(found)
    desk.scrutiny.reported(replace(factory.divergence(OF, 3), own=OTHER))
    await watch(desk, 100)
    assert desk.asked == [] and desk.scrutiny.trace is None
    desk.scrutiny.decided(certificate(OWN))
    await watch(desk, 100)
    assert desk.asked == [3]
    assert desk.diverged() == [(name(3), 1, 40, str(FOUND))]
    assert desk.scrutiny.trace is not None
    assert (desk.book.own, desk.book.others) == (0, 1)


async def test_each_is_examined_once_also_who_comes_late(autojump_clock: MockClock) -> None:
    desk = Desk(found)
    desk.scrutiny.decided(certificate(OWN))
    late = replace(factory.divergence(OF, 2), own=OTHER)
    desk.scrutiny.reported(replace(late, sender=1))
    await watch(desk, 100, lambda: [desk.scrutiny.reported(late) for _ in range(3)] and None)
    assert desk.asked == [1, 2]
    desk.scrutiny.reported(replace(late, sender=3, own=OWN))  # it computed the same
    desk.scrutiny.reported(replace(late, sender=0))  # nobody else speaks for this member
    assert len(desk.diverged()) == 2


async def test_who_stands_alone_asks_the_signers_in_turn_until_one_answers(autojump_clock: MockClock) -> None:
    answers = iter([refuse, refuse, refuse, refuse, found])
    desk = Desk(lambda index: next(answers)(index))
    desk.scrutiny.decided(certificate(OTHER))
    await watch(desk, 100)
    assert desk.asked == [1, 2, 3, 1, 2]
    assert desk.diverged() == [(name(0), 1, 40, str(FOUND))]
    assert desk.book.own == 1


async def test_what_chunks_showed_stands_where_no_trace_is_shown(autojump_clock: MockClock) -> None:
    desk = Desk(refuse, Refused(2, 33, True))
    desk.scrutiny.decided(certificate(OWN))
    desk.scrutiny.reported(replace(factory.divergence(OF, 2), own=OTHER))
    desk.scrutiny.reported(replace(factory.divergence(OF, 3), own=OTHER))
    assert desk.scrutiny.first_chunk == 1
    await watch(desk, 100)
    assert desk.asked == [2] * TRIES + [3] * TRIES
    assert desk.diverged() == [
        (name(2), 1, 33, "the answer differs from token 33 on (chunk 1)"),
        (name(3), -1, -1, "unknown: not decided"),
    ]


@pytest.mark.parametrize("theirs", [OWN, OTHER], ids=["another diverges", "this one diverges"])
async def test_a_divergence_is_noted_also_where_the_task_ends_first(
    autojump_clock: MockClock, theirs: Result
) -> None:
    async def never(index: int) -> Parting:
        await trio.sleep_forever()
        raise AssertionError

    desk = Desk(never)
    desk.scrutiny.decided(certificate(theirs))
    if theirs is OWN:
        desk.scrutiny.reported(replace(factory.divergence(OF, 3), own=OTHER))
    await watch(desk, 10)
    ((_, chunk, _, detail),) = desk.diverged()
    assert (chunk, detail) == (-1, "unknown: the task was over before anybody answered")


async def test_other_profiles_are_named(autojump_clock: MockClock) -> None:
    desk = Desk(found)
    desk.scrutiny.decided(certificate(OWN))
    desk.scrutiny.reported(replace(factory.divergence(OF, 3), own=replace(OTHER, runtime_profile=b"\7" * 32)))
    await watch(desk, 10)
    assert [one["profilesDiffer"] for one in desk.noted] == [True]


async def test_a_refused_proposal_is_explained_now_or_when_there_is_a_result(
    autojump_clock: MockClock,
) -> None:
    desk = Desk(found)
    proposal = factory.proposal(OF)
    desk.scrutiny.proposed(proposal)
    early = Desk(found)
    early.scrutiny._result = None
    early.scrutiny.proposed(proposal)
    assert early.noted == []
    early.scrutiny.computed(OwnResult(OWN, b"own", bytes(32)))
    for one in (desk, early):
        ((kind, reason),) = [(note["kind"], note["reason"]) for note in one.noted]
        assert kind == "proposal_refused"
        assert reason.startswith("the output differs from byte 0 on")
