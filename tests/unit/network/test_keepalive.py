"""When a silent connection is closed, and when the silence was our own; on a clock that we turn by hand."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from p2pavs.network.mends.keepalive import DEAD_AFTER, OWN_PAUSE, PING_INTERVAL, _keep_alive


class Secured:
    def __init__(self) -> None:
        self.last_heard = 0.0
        self.closed_at: float | None = None

    async def close(self) -> None:
        self.closed_at = trio.current_time()


class Connection:
    def __init__(self, *, answers: bool, stuck: bool = False) -> None:
        self.peer_id = "a peer"
        self.event_shutting_down = trio.Event()
        self.secured_conn = Secured()
        self.secured_conn.last_heard = trio.current_time()
        self.answers = answers
        self.stuck = stuck
        self.pings = 0
        self._ping_id = 0
        self._ping_sent_time = 0.0

    async def _write_frame(self, data: bytes) -> None:
        assert len(data) == 12
        self.pings += 1
        if self.stuck:
            await trio.sleep_forever()
        if self.answers:
            self.secured_conn.last_heard = trio.current_time()


async def run_for(connection: Connection, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await _keep_alive(connection)


async def test_a_peer_that_answers_is_kept(autojump_clock: MockClock) -> None:
    connection = Connection(answers=True)
    await run_for(connection, 300)
    assert connection.secured_conn.closed_at is None
    assert 300 / (PING_INTERVAL * 1.2) - 1 <= connection.pings <= 300 / (PING_INTERVAL * 0.8)


@pytest.mark.parametrize("stuck", [False, True])
async def test_a_silent_peer_is_closed_soon_after_its_time(stuck: bool, autojump_clock: MockClock) -> None:
    connection = Connection(answers=False, stuck=stuck)
    start = trio.current_time()
    await run_for(connection, 300)
    assert connection.secured_conn.closed_at is not None
    latest = DEAD_AFTER + (2.2 if stuck else 1.2) * PING_INTERVAL
    assert DEAD_AFTER < connection.secured_conn.closed_at - start <= latest + 1e-6


async def test_after_a_pause_of_our_own_everybody_gets_a_fresh_start(mock_clock: MockClock) -> None:
    connection = Connection(answers=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_alive, connection)
        await wait_all_tasks_blocked()
        mock_clock.jump(60)  # we were stopped: the timer of two seconds rings a minute late
        while connection.pings == 0:
            await wait_all_tasks_blocked()
        assert connection.secured_conn.closed_at is None
        for _ in range(4):
            mock_clock.jump(PING_INTERVAL * 1.2)
            await wait_all_tasks_blocked()
        assert connection.secured_conn.closed_at is not None  # silent once more, and this time we were there


async def test_a_slightly_late_timer_forgives_nothing(mock_clock: MockClock) -> None:
    connection = Connection(answers=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_alive, connection)
        for _ in range(2):
            await wait_all_tasks_blocked()
            mock_clock.jump(PING_INTERVAL + OWN_PAUSE - 0.1)
        await wait_all_tasks_blocked()
    assert connection.secured_conn.closed_at is not None


async def test_it_ends_with_the_connection(autojump_clock: MockClock) -> None:
    connection = Connection(answers=True)
    connection.event_shutting_down.set()
    with trio.fail_after(1):
        await _keep_alive(connection)
    assert connection.secured_conn.closed_at is None
