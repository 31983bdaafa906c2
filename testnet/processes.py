"""Processes of a test network: started with a mark, found by it, and stopped without ever hitting another.

Every process carries the network's token in its environment, and so does whatever it starts in turn. A
number in a file may have been given to a stranger meanwhile; a process that carries the token is ours.
Between looking and signalling a process is held by a file descriptor (pidfd), so that its number cannot
change hands.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TOKEN_VARIABLE = "P2PAVS_TESTNET_TOKEN"
_STARTED_FIELD = 21  # "starttime" of proc(5), counted from 0


@dataclass(frozen=True, slots=True)
class Known:
    """A process that was started: its number means this process only while the start time agrees."""

    name: str
    pid: int
    started: int


def start(
    name: str, command: Sequence[str], log: Path, token: str, environment: Mapping[str, str], cwd: Path
) -> tuple[subprocess.Popen[bytes], Known]:
    """Start a process in a session of its own (a Ctrl-C at the terminal is not for it), output to a file."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**environment, TOKEN_VARIABLE: token},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, Known(name, process.pid, start_time(process.pid) or 0)


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which a process started; None if there is none or it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold anything
    ended = fields[0] in ("Z", "X")
    return None if ended else int(fields[_STARTED_FIELD - 2])


def alive(known: Known) -> bool:
    """Whether this very process still runs."""
    return start_time(known.pid) == known.started


def carrying(token: str) -> list[int]:
    """All running processes that carry the token, whoever started them."""
    mark = f"{TOKEN_VARIABLE}={token}".encode()
    return [pid for pid in _all_pids() if pid != os.getpid() and _carries(pid, mark)]


def _all_pids() -> Iterable[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _carries(pid: int, mark: bytes) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return mark in environment.split(b"\0") and start_time(pid) is not None


def signal_marked(pid: int, token: str, number: signal.Signals) -> bool:
    """Signal a process if it carries the token. False if it is gone or is not ours."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _carries(pid, f"{TOKEN_VARIABLE}={token}".encode()):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def signal_known(known: Known, number: signal.Signals) -> bool:
    """Signal a process by its number and start time, token or not. False if it is gone."""
    try:
        handle = os.pidfd_open(known.pid)
    except OSError:
        return False
    try:
        if not alive(known):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def wait_known(known: Known, seconds: float) -> bool:
    """Wait for the end of a process; False if it still runs after the time."""
    try:
        handle = os.pidfd_open(known.pid)
    except OSError:
        return True
    try:
        if alive(known):
            select.select([handle], [], [], seconds)
        return not alive(known)
    finally:
        os.close(handle)


def wait_gone(pids: Sequence[int], token: str, seconds: float) -> bool:
    """Wait until none of these processes of ours runs; False if some still do after the time."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if _carries(pid, f"{TOKEN_VARIABLE}={token}".encode()):
                select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(handle)
    return not set(pids) & set(carrying(token))


def stop_all(token: str, first: Sequence[Known], grace: float) -> bool:
    """Stop everything that carries the token: `first` in order of mention, then the rest.

    Each gets SIGTERM (and SIGCONT, in case it was stopped), `grace` seconds, then SIGKILL.
    Returns whether nothing is left.
    """
    named = [known.pid for known in first if alive(known)]
    for group in (named, None):
        pids = [pid for pid in carrying(token) if group is None or pid in group]
        for pid in pids:
            signal_marked(pid, token, signal.SIGTERM)
            signal_marked(pid, token, signal.SIGCONT)
        wait_gone(pids, token, grace)
    for _ in range(5):  # a process killed here may have started another a moment before
        pids = carrying(token)
        for pid in pids:
            signal_marked(pid, token, signal.SIGKILL)
        if wait_gone(pids, token, grace) and not carrying(token):
            return True
    return not carrying(token)
