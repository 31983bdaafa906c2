"""In a large committee votes go to the collectors, and to everybody where these keep silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from consensus.messages import Commit, Message, RoundCertificate, Vote
from consensus.types import NIL
from tests.unit.node.parliament import TRUTH, Parliament, Setting

SIZE, MANY = 10, 9


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Parliament]:
    opened = Parliament(Setting.with_fake_signatures(SIZE, MANY), tmp_path)
    yield opened
    opened.close()


async def meet(house: Parliament, *dead: int) -> None:
    living = [seat.index for seat in house.seats if seat.index not in dead]
    async with trio.open_nursery() as nursery:
        for index in living:
            nursery.start_soon(house.seats[index].live)
        await house.until_decided(living)
        nursery.cancel_scope.cancel()


def collected(said: list[tuple[int, Message]]) -> Counter[Vote]:
    """How often each vote that is for collectors was said by its sender."""
    votes = [(who, message) for who, message in said if isinstance(message, Vote)]
    return Counter(v for who, v in votes if v.sender == who and v.round == 0 and v.value_id != NIL)


async def test_each_vote_is_for_the_collectors_first(house: Parliament, autojump_clock: MockClock) -> None:
    await meet(house)
    house.assert_all_decided(TRUTH)
    house.assert_nobody_signed_twice()
    told = collected(house.told)
    assert told
    assert set(told) == set(collected(house.said))


async def test_votes_that_nobody_collects_are_for_everybody(
    house: Parliament, autojump_clock: MockClock
) -> None:
    # Nothing is said again, and nobody is asked: who waits for ever for its collectors decides nothing.
    house.settings = replace(house.settings, rebroadcast_every=1e6)
    house.answer = lambda asker: []  # type: ignore[method-assign]
    dead = house.setting.collectors.members
    await meet(house, *dead)
    house.assert_all_decided(TRUTH, *dead)
    house.assert_nobody_signed_twice()
    if house.setting.committee.proposer(0) not in dead:
        assert collected(house.said) - collected(house.told)


async def test_a_collector_that_says_nothing_is_not_missed(
    house: Parliament, autojump_clock: MockClock
) -> None:
    for silent in house.setting.collectors.members[:2]:

        async def keep(message: Message, own: int = silent) -> None:
            await trio.lowlevel.checkpoint()
            if not isinstance(message, RoundCertificate | Commit):
                house.say(own, message)

        house.seats[silent].publish = keep  # type: ignore[method-assign]
    await meet(house)
    house.assert_all_decided(TRUTH)
    house.assert_nobody_signed_twice()
