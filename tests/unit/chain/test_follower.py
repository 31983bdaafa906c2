"""The follower against a scripted chain: what real test chains do not do on demand. Waiting takes no time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from p2pavs.chain.errors import ReorgTooDeep, RpcBadAnswer, RpcLagging, RpcRefused, RpcUnreachable, WrongChain
from p2pavs.chain.events import EpochOpened, LoggedEvent
from p2pavs.chain.follower import BlockAdded, BlockRemoved, Follower
from p2pavs.chain.rpc_values import BlockHeader

URL = "http://test"


def block_hash(number: int, fork: str) -> bytes:
    return f"{number}{fork}".encode().ljust(32, b".")


class ScriptedChain:
    """A chain whose forks and failures the test decides. It stands for both ``Chain`` and its ``rpc``."""

    def __init__(self, blocks: int) -> None:
        self.forks = ["a"] * (blocks + 1)  # by block number
        self.with_events: set[int] = set()
        self.fail: Callable[[str], None] = lambda _: None
        self.largest_range = 10**9
        self.ranges: list[tuple[int, int]] = []
        self.checks = 0
        self.url = URL
        self.rpc = self

    @property
    def head(self) -> int:
        return len(self.forks) - 1

    def grow(self, count: int = 1, fork: str = "a") -> None:
        self.forks += [fork] * count

    def reorganise(self, depth: int, fork: str) -> None:
        self.forks[-depth:] = [fork] * depth

    def _header(self, number: int) -> BlockHeader:
        parent = block_hash(number - 1, self.forks[number - 1]) if number else bytes(32)
        return BlockHeader(number, block_hash(number, self.forks[number]), parent, 1000 + number, 0)

    async def check_chain(self) -> None:
        self.checks += 1
        self.fail("check_chain")

    async def block(self, which: int | str | bytes) -> BlockHeader | None:
        await trio.lowlevel.checkpoint()
        self.fail("block")
        if which == "latest":
            return self._header(self.head)
        if isinstance(which, bytes):
            return next((h for h in map(self._header, range(self.head + 1)) if h.hash == which), None)
        assert isinstance(which, int)
        return self._header(which) if which <= self.head else None

    def _events(self, number: int) -> tuple[LoggedEvent, ...]:
        if number not in self.with_events:
            return ()
        return (LoggedEvent(EpochOpened(number, bytes(32)), number, self._header(number).hash, bytes(32), 0),)

    async def block_events(self, wanted: bytes) -> tuple[LoggedEvent, ...]:
        self.fail("block_events")
        header = await self.block(wanted)
        return () if header is None else self._events(header.number)

    async def range_events(self, first: int, last: int) -> tuple[LoggedEvent, ...]:
        self.fail("range_events")
        if last - first + 1 > self.largest_range:
            raise RpcRefused("eth_getLogs", -32005, "too many blocks")
        self.ranges.append((first, last))
        return tuple(event for number in range(first, last + 1) for event in self._events(number))


def follow(chain: ScriptedChain, start: Any = 0, **kwargs: Any) -> Follower:
    stand_in: Any = chain
    return Follower(stand_in, start, **kwargs)


async def take(follower: Follower, count: int) -> list[str]:
    """The next changes, as "+5a" and "-5a"."""
    shown = []
    with trio.fail_after(60):
        for _ in range(count):
            change = await anext(follower)
            sign = "+" if isinstance(change, BlockAdded) else "-"
            shown.append(sign + change.hash.rstrip(b".").decode())
    return shown


async def nothing_more(follower: Follower) -> bool:
    with trio.move_on_after(30):
        await anext(follower)
        return False
    return True


async def test_blocks_come_in_order_and_then_it_waits(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(3)
    follower = follow(chain, 1)
    assert await take(follower, 3) == ["+1a", "+2a", "+3a"]
    assert follower.head == 3
    assert follower.behind == 0
    assert await nothing_more(follower)
    chain.grow()
    assert await take(follower, 1) == ["+4a"]


async def test_it_knows_when_it_is_not_current(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(3)
    follower = follow(chain, 1)
    assert not follower.is_current, "nothing was read yet"
    await take(follower, 2)
    assert not follower.is_current, "a block waits"
    await take(follower, 1)
    assert follower.is_current
    await trio.sleep(30)
    assert not follower.is_current, "nobody asked for changes for long, so none can have been noticed"
    assert await nothing_more(follower)
    assert follower.is_current

    def refuse(_: str) -> None:
        raise RpcUnreachable(URL, "it is not there")

    chain.fail = refuse
    assert await nothing_more(follower)
    assert not follower.is_current, "the endpoint does not answer"


async def test_a_reorganisation_takes_back_then_adds(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(5)
    follower = follow(chain, 3)
    await take(follower, 3)
    chain.reorganise(2, "b")
    chain.grow(1, "b")
    assert await take(follower, 5) == ["-5a", "-4a", "+4b", "+5b", "+6b"]


async def test_a_reorganisation_to_a_shorter_fork_that_then_grows(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(5)
    follower = follow(chain, 3)
    await take(follower, 3)
    chain.reorganise(2, "b")
    del chain.forks[-1]  # head is 4b now, 5a is known
    assert await take(follower, 3) == ["-5a", "-4a", "+4b"]
    chain.grow(1, "b")
    assert await take(follower, 1) == ["+5b"]


async def test_an_endpoint_that_lags_changes_nothing(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(5)
    follower = follow(chain, 1)
    await take(follower, 5)
    del chain.forks[-2:]
    assert await nothing_more(follower)
    assert follower.last_error is None
    chain.grow(3)
    assert await take(follower, 1) == ["+6a"]


async def test_an_endpoint_far_behind_is_named(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(5)
    follower = follow(chain, 4)
    await take(follower, 2)
    del chain.forks[3:]
    assert await nothing_more(follower)
    assert isinstance(follower.last_error, RpcLagging)
    assert "block 2" in follower.last_error.message
    chain.grow(4)
    assert await take(follower, 1) == ["+6a"]
    assert follower.last_error is None


async def test_a_chain_that_was_replaced_from_the_start_is_taken_back(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(3)
    follower = follow(chain, 2)
    await take(follower, 2)
    chain.reorganise(3, "b")
    assert await take(follower, 4) == ["-3a", "-2a", "+2b", "+3b"]


async def test_a_reorganisation_beyond_memory_ends_it(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(9)
    follower = follow(chain, 1, depth=4)
    await take(follower, 5)
    while follower.behind:
        await take(follower, 1)
    chain.reorganise(9, "b")
    with pytest.raises(ReorgTooDeep) as caught, trio.fail_after(60):
        while True:
            await anext(follower)
    assert "deploy again" in caught.value.remedy


async def test_it_goes_on_where_another_stopped(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(6)
    first = follow(chain, 1)
    await take(first, 4)
    assert first.remembered[-1] == (4, block_hash(4, "a"))  # not 6: two blocks were read but not handed out
    second = follow(chain, first.remembered)
    assert await take(second, 2) == ["+5a", "+6a"]


async def test_what_changed_while_it_was_away_is_taken_back(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(5)
    first = follow(chain, 1)
    await take(first, 5)
    chain.reorganise(2, "b")
    assert await take(follow(chain, first.remembered), 4) == ["-5a", "-4a", "+4b", "+5b"]


async def test_remembered_blocks_shrink_when_blocks_are_taken_back(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(4)
    follower = follow(chain, 1)
    await take(follower, 4)
    chain.reorganise(2, "b")
    await take(follower, 1)
    assert follower.remembered[-1] == (3, block_hash(3, "a"))


@pytest.mark.parametrize("bad", [(), ((2, b"x"), (1, b"y")), ((1, b"x"), (1, b"y"))])
def test_positions_that_make_no_sense_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="ascending"):
        follow(ScriptedChain(1), bad)


async def test_old_blocks_are_read_in_ranges(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(100)
    chain.with_events = {7, 30}
    follower = follow(chain, 1, depth=10)
    assert await take(follower, 4) == ["+7a", "+30a", "+90a", "+91a"]
    assert chain.ranges == [(1, 90)]


async def test_events_of_old_blocks_are_with_their_block(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(50)
    chain.with_events = {7}
    change = await anext(follow(chain, 1, depth=10))
    assert isinstance(change, BlockAdded)
    assert (change.number, change.timestamp, len(change.events)) == (7, 1007, 1)


async def test_ranges_shrink_to_what_the_endpoint_takes(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(100)
    chain.largest_range = 20
    chain.with_events = {3, 40, 77}
    follower = follow(chain, 1, depth=10)
    seen: list[str] = []
    while "+77a" not in seen:
        seen += await take(follower, 1)
    assert [entry for entry in seen if entry in ("+3a", "+40a", "+77a")] == ["+3a", "+40a", "+77a"]
    assert all(last - first < 20 for first, last in chain.ranges)
    covered = [number for first, last in chain.ranges for number in range(first, last + 1)]
    assert covered == list(range(1, len(covered) + 1))


async def test_a_reorganisation_right_after_a_range(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(30)
    follower = follow(chain, 1, depth=10)
    assert (await take(follower, 11))[0] == "+20a"
    chain.reorganise(9, "b")
    chain.with_events = {22}
    removed = await take(follower, 9)
    assert removed[-1] == "-22a"
    change = await anext(follower)
    assert isinstance(change, BlockAdded)
    assert change.hash == block_hash(22, "b")
    assert len(change.events) == 1


async def test_catching_up_does_not_read_everything_before_reporting(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(50)
    reads = 0

    def count(what: str) -> None:
        nonlocal reads
        reads += what == "block_events"

    chain.fail = count
    follower = follow(chain, 1, batch=5)
    await take(follower, 1)
    assert reads == 5
    assert follower.behind == 45


async def test_an_outage_is_waited_out_and_shown(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(2)
    follower = follow(chain, 1)
    await take(follower, 1)
    error = RpcUnreachable(URL, "down")

    def down(_: str) -> None:
        raise error

    await take(follower, 1)
    chain.fail = down
    chain.grow(3)
    assert await nothing_more(follower)
    assert follower.last_error is error
    chain.fail = lambda _: None
    assert await take(follower, 3) == ["+3a", "+4a", "+5a"]
    assert follower.last_error is None
    assert chain.checks >= 1


async def test_an_outage_in_the_middle_loses_nothing(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(20)
    dice = random.Random(5)

    def one_in_four(_: str) -> None:
        if dice.random() < 0.25:
            raise RpcUnreachable(URL, "flaky")

    chain.fail = one_in_four
    follower = follow(chain, 1)
    seen: list[str] = []
    while len(seen) < 20:
        seen += await take(follower, 1)
    assert seen == [f"+{n}a" for n in range(1, 21)]


async def test_another_chain_after_an_outage_ends_it(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(2)
    follower = follow(chain, 1)
    await take(follower, 2)
    failures: list[Exception] = [RpcUnreachable(URL, "down"), WrongChain(1, 2)]

    def fail(_: str) -> None:
        if failures:
            raise failures.pop(0)

    chain.fail = fail
    with pytest.raises(WrongChain), trio.fail_after(60):
        await anext(follower)


async def test_a_block_that_vanishes_while_its_logs_are_read_is_read_anew(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(3)
    follower = follow(chain, 3)

    def vanish(what: str) -> None:
        if what == "block_events" and chain.forks[3] == "a":
            chain.reorganise(1, "b")
            raise RpcRefused("eth_getLogs", -32000, "unknown block")

    chain.fail = vanish
    assert await take(follower, 1) == ["+3b"]


async def test_logs_of_another_block_are_not_believed(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(2)
    chain.with_events = {2}
    follower = follow(chain, 1)
    real = chain.block_events

    async def wrong(wanted: bytes) -> tuple[LoggedEvent, ...]:
        return await real(block_hash(2, "a") if wanted else wanted)

    chain.block_events = wrong  # type: ignore[method-assign]
    assert await nothing_more(follower)
    assert isinstance(follower.last_error, RpcBadAnswer)


async def test_a_cancelled_wait_loses_no_block(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(0)
    follower = follow(chain, 1)
    for number in range(1, 6):
        with trio.move_on_after(3):
            await anext(follower)
        chain.grow()
        assert await take(follower, 1) == [f"+{number}a"]


async def test_removed_blocks_name_what_was_added(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(2)
    follower = follow(chain, 2)
    added = await anext(follower)
    chain.reorganise(1, "b")
    removed = await anext(follower)
    assert isinstance(removed, BlockRemoved)
    assert (removed.number, removed.hash) == (added.number, added.hash)


async def test_one_more_block_takes_two_questions(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(3)
    follower = follow(chain, 1)
    await take(follower, 3)
    asked: list[str] = []
    chain.fail = asked.append
    chain.grow()
    assert await take(follower, 1) == ["+4a"]
    assert asked == ["block", "block_events", "block"]  # the last one is the double asking itself


async def test_a_steady_chain_is_not_asked_while_no_block_can_come(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(0)
    asked: list[float] = []
    chain.fail = lambda what: asked.append(trio.current_time()) if what == "block" else None
    follower = follow(chain, 0, poll_interval=0.1)
    seen_late: list[float] = []

    async def grow() -> None:
        while True:
            await trio.sleep(1)  # as far apart as the timestamps say
            chain.grow()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(grow)
        begin = trio.current_time()
        await take(follower, 21)
        asked.clear()
        for _ in range(100):
            change = await anext(follower)
            seen_late.append(trio.current_time() - begin - change.number)
        nursery.cancel_scope.cancel()
    assert max(seen_late) <= 0.2
    assert len(asked) < 450  # two of them for each block are the double's own; without a rhythm 1,100


async def test_a_chain_without_a_rhythm_is_asked_all_the_time(autojump_clock: MockClock) -> None:
    chain = ScriptedChain(0)
    chain._header = lambda number: replace(  # type: ignore[method-assign]
        ScriptedChain._header(chain, number), timestamp=1000 + number // 2
    )
    follower = follow(chain, 0, poll_interval=0.1)
    await take(follower, 1)
    for number in range(1, 20):
        chain.grow()
        before = trio.current_time()
        assert await take(follower, 1) == [f"+{number}a"]
        assert trio.current_time() - before <= 0.11
