"""Token buckets, buffered reads, causes of failures."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from libp2p.exceptions import ParseError
from libp2p.io.exceptions import MessageTooLarge
from libp2p.utils import encode_varint_prefixed
from trio.testing import MockClock

from p2pavs.errors import only_error
from p2pavs.network.errors import ListenFailed, NetworkError
from p2pavs.network.failures import root_cause
from p2pavs.network.limits import MAX_BUCKETS, RateLimit
from p2pavs.network.mends.first_reads import take_prefixed


async def test_a_bucket_gives_its_burst_and_then_its_rate(autojump_clock: MockClock) -> None:
    limit = RateLimit(rate=2, burst=3)
    assert [limit.allow("a") for _ in range(4)] == [True, True, True, False]
    assert limit.allow("b")
    await trio.sleep(0.6)
    assert [limit.allow("a") for _ in range(2)] == [True, False]
    await trio.sleep(100)
    assert [limit.allow("a") for _ in range(4)] == [True, True, True, False]


async def test_who_waits_first_is_served_first_and_wakes_once(autojump_clock: MockClock) -> None:
    limit = RateLimit(rate=2, burst=2)
    served: list[tuple[int, float]] = []
    began = trio.current_time()

    async def wait(number: int, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await limit.wait("a")
        served.append((number, trio.current_time() - began))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            await nursery.start(wait, number)
    assert [number for number, _ in served] == [0, 1, 2, 3, 4]
    assert [at for _, at in served] == pytest.approx([0, 0, 0.5, 1.0, 1.5])


async def test_what_is_left_of_a_burst(autojump_clock: MockClock) -> None:
    limit = RateLimit(rate=1, burst=4)
    assert limit.left("a") == 1
    for _ in range(3):
        await limit.wait("a")
    assert limit.left("a") == pytest.approx(0.25)
    await trio.sleep(2)
    assert limit.left("a") == pytest.approx(0.75)
    with trio.move_on_after(0.5):
        for _ in range(4):
            await limit.wait("a")
    assert limit.left("a") >= 0  # the one that gave up took nothing


async def test_many_keys_do_not_fill_the_memory(autojump_clock: MockClock) -> None:
    limit = RateLimit(rate=1, burst=2)
    for number in range(MAX_BUCKETS + 100):
        assert limit.allow(str(number))
    assert len(limit._buckets) <= MAX_BUCKETS
    await trio.sleep(10)
    limit.allow("late")
    assert len(limit._buckets) == 1


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_messages_come_out_of_any_pieces_whole(messages: list[bytes], size: int) -> None:
    stream = b"".join(encode_varint_prefixed(message) for message in messages)
    buffer, out = bytearray(), []
    for start in range(0, len(stream), size):
        buffer += stream[start : start + size]
        while (message := take_prefixed(buffer, 300)) is not None:
            out.append(message)
    assert out == messages
    assert not buffer


def test_lengths_are_checked_before_anything_is_read() -> None:
    with pytest.raises(MessageTooLarge):
        take_prefixed(bytearray(b"\x0b"), 10)
    with pytest.raises(ParseError):
        take_prefixed(bytearray(b"\xff" * 10), 10)
    assert take_prefixed(bytearray(b"\xff" * 9), 10) is None


def test_the_cause_of_a_failure_is_the_innermost() -> None:
    inner = ValueError("the real\n reason")
    middle = OSError("connecting")
    middle.__cause__ = inner
    assert root_cause(ExceptionGroup("many", [middle])) == "the real reason"
    assert root_cause(KeyError()) == "KeyError"
    middle.__cause__ = middle
    assert root_cause(middle) == "connecting"


def test_a_named_error_is_found_in_groups_unless_there_is_more() -> None:
    named = ListenFailed("taken")
    assert only_error(ExceptionGroup("a", [ExceptionGroup("b", [named])]), NetworkError) is named
    assert only_error(ExceptionGroup("a", [named, ValueError()]), NetworkError) is None
    assert only_error(ExceptionGroup("a", [ValueError()]), NetworkError) is None
