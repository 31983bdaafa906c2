"""Locks of libp2p that are taken at once where they are free."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from p2pavs.network import mends
from p2pavs.network.mends import cheap_locks
from p2pavs.network.mends.cheap_locks import QuickLock


async def test_a_free_lock_is_taken_without_a_turn_of_the_loop() -> None:
    lock = QuickLock()
    with trio.testing.assert_no_checkpoints():
        async with lock:
            pass


async def test_who_finds_it_held_waits_in_line() -> None:
    lock, order = QuickLock(), list[int]()

    async def take(number: int) -> None:
        async with lock:
            order.append(number)
            await trio.lowlevel.checkpoint()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            async with lock:
                for number in range(4):
                    nursery.start_soon(take, number)
                    await trio.testing.wait_all_tasks_blocked()
                assert order == []
    assert order == [0, 1, 2, 3]


async def test_it_is_free_again_after_an_error_and_after_a_cancelled_wait() -> None:
    lock = QuickLock()
    with pytest.raises(ZeroDivisionError):
        async with lock:
            raise ZeroDivisionError

    async def give_up() -> None:
        with trio.move_on_after(0) as waiting:
            async with lock:
                pytest.fail("it was held")
        assert waiting.cancelled_caught

    async with lock, trio.open_nursery() as nursery:
        nursery.start_soon(give_up)
    with trio.testing.assert_no_checkpoints():
        async with lock:
            pass


def test_a_class_without_the_lock_is_refused() -> None:
    class Other:
        lock: Any = "another thing"

    cheap_locks._replace_locks(Other, ("lock",))
    with pytest.raises(TypeError, match=r"Other\.lock is not the lock"):
        Other()


async def test_streams_have_these_locks() -> None:
    mends.apply_all()

    class Connection:
        """As much of a connection as a stream looks at when it is made."""

        peer_id = "somebody"

    connection: Any = Connection()
    stream: Any = YamuxStream(1, connection, True)
    assert isinstance(stream.window_lock, QuickLock)
    assert isinstance(stream.rw_lock.write_lock(), QuickLock)
