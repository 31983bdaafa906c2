"""What a test network stops, and what it must never touch."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from testnet import processes
from testnet.processes import Known

FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]
# Says when its handler is in place, then ignores what a polite request to stop is.
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
)


Begin = Callable[[list[str]], tuple["subprocess.Popen[bytes]", Known]]


@pytest.fixture
def token() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def begin(tmp_path: Path, token: str) -> Iterator[Begin]:
    """Starts processes with the token, and leaves none behind."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str]) -> tuple[subprocess.Popen[bytes], Known]:
        environment = {"PATH": "/usr/bin:/bin"}
        process, known = processes.start("it", command, tmp_path / "log", token, environment, tmp_path)
        started.append(process)
        # For a moment after it began to run a program, the kernel shows no environment of a process.
        deadline = time.monotonic() + 10
        while process.pid not in processes.carrying(token) and process.poll() is None:
            assert time.monotonic() < deadline, "the process does not show its token"
            time.sleep(0.001)
        return process, known

    yield start
    processes.stop_all(token, [], grace=1)
    for process in started:
        process.wait(10)


def test_everything_with_the_token_is_stopped(begin: Begin, token: str) -> None:
    first, known = begin(FOREVER)
    second, _ = begin(FOREVER)
    assert sorted(processes.carrying(token)) == sorted([first.pid, second.pid])
    assert processes.stop_all(token, [known], grace=10)
    assert (first.wait(10), second.wait(10)) == (-signal.SIGTERM, -signal.SIGTERM)
    assert not processes.alive(known)


def test_what_carries_another_token_is_left_alone(begin: Begin, token: str) -> None:
    stranger, known = begin(FOREVER)
    # A number in our files that came to mean a stranger: the token is another one.
    assert processes.stop_all(secrets.token_hex(16), [known], grace=1)
    assert not processes.signal_marked(stranger.pid, secrets.token_hex(16), signal.SIGKILL)
    assert stranger.poll() is None


def test_a_recycled_number_is_not_the_process_it_was(begin: Begin, token: str) -> None:
    stranger, known = begin(FOREVER)
    recycled = replace(known, started=known.started - 1)
    assert processes.alive(known)
    assert not processes.alive(recycled)
    assert not processes.signal_known(recycled, signal.SIGKILL)
    assert processes.wait_known(recycled, seconds=0)
    assert stranger.poll() is None


def test_a_child_of_a_killed_process_is_found(begin: Begin, token: str) -> None:
    parent, _ = begin(["/bin/sh", "-c", "sleep 1000 & echo started; wait"])
    orphan = _until_two(token)
    parent.kill()
    parent.wait()
    assert processes.carrying(token) == [pid for pid in orphan if pid != parent.pid]
    assert processes.stop_all(token, [], grace=10)
    assert processes.carrying(token) == []


def test_a_stopped_process_is_stopped_for_good(begin: Begin, token: str) -> None:
    paused, known = begin(FOREVER)
    assert processes.signal_marked(paused.pid, token, signal.SIGSTOP)
    assert processes.alive(known)
    assert processes.stop_all(token, [known], grace=10)
    assert paused.wait(10) == -signal.SIGTERM


def test_who_does_not_listen_is_killed(begin: Begin, token: str) -> None:
    deaf = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], env={processes.TOKEN_VARIABLE: token}, stdout=subprocess.PIPE
    )
    assert deaf.stdout is not None
    with deaf.stdout as said:
        assert said.readline() == b"deaf\n"
    assert processes.stop_all(token, [], grace=0.2)
    assert deaf.wait(10) == -signal.SIGKILL


def test_an_ended_process_is_not_alive(begin: Begin, token: str) -> None:
    done, known = begin(["/bin/true"])
    done.wait(10)
    assert not processes.alive(known)
    assert not processes.signal_marked(done.pid, token, signal.SIGTERM)


def _until_two(token: str) -> list[int]:
    deadline = time.monotonic() + 10
    while len(found := processes.carrying(token)) != 2:
        assert time.monotonic() < deadline, f"the child was not started: {found}"
        time.sleep(0.01)
    return found
