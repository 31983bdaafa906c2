"""Long steps of a set-up: run a program, keep its whole output in a log, and show that it moves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TAIL_LINES = 40
_TERMINAL_PERIOD = 0.5
_PLAIN_PERIOD = 20.0
_TASKS_DONE = re.compile(r"\[\s*(\d+)/(\d+)\]")
_PERCENT_DONE = re.compile(r"\[\s*(\d+)%\]")


class StepFailed(Exception):
    """A step ended with an error; the message holds the end of its output and the path of the log."""


def tail(path: Path, lines: int = TAIL_LINES, limit: int = 65_536) -> str:
    """The last lines of a text file, at most `limit` bytes; empty if there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - limit))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def elapsed(seconds: float) -> str:
    """A duration for people: 7s, 3m05s."""
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02d}s"


def run_step(
    title: str,
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    hint: str = "",
) -> None:
    """Run one program to its end, its output appended to `log`.

    On a terminal one line shows the elapsed time (and how far a compilation is); elsewhere a line comes now
    and then. Raises StepFailed with the end of the output if the program fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    begin = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        output.write(f"\n== {title}\n== {' '.join(command)}\n".encode())
        output.flush()
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _show_until_done(process, title, log, begin, started)
        except BaseException:
            # The whole group: pip does not pass a signal on to the compilers it started.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    took = elapsed(time.monotonic() - started)
    if process.returncode != 0:
        _line(f"  {title}: failed after {took}", last=True)
        advice = f"\n{hint}" if hint else ""
        raise StepFailed(f"{title} failed. The end of its output:\n\n{tail(log)}\n\nAll of it: {log}{advice}")
    _line(f"  {title}: done in {took}", last=True)


def _show_until_done(
    process: subprocess.Popen[bytes], title: str, log: Path, begin: int, started: float
) -> None:
    terminal = sys.stdout.isatty()
    _line(f"  {title} ...", last=not terminal)
    while True:
        try:
            process.wait(_TERMINAL_PERIOD if terminal else _PLAIN_PERIOD)
        except subprocess.TimeoutExpired:
            progress = _progress(log, begin)
            _line(f"  {title} ... {elapsed(time.monotonic() - started)}{progress}", last=not terminal)
        else:
            return


def _progress(log: Path, begin: int) -> str:
    """How far a build in the log is, as ninja or make tell it; empty if the log does not say."""
    if not log.exists() or log.stat().st_size <= begin:
        return ""
    text = tail(log, lines=30)
    tasks = _TASKS_DONE.findall(text)
    if tasks:
        done, total = tasks[-1]
        return f" ({done} of {total} files)"
    percents = _PERCENT_DONE.findall(text)
    return f" ({percents[-1]}%)" if percents else ""


def _line(text: str, *, last: bool) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\x1b[K{text}" + ("\n" if last else ""))
    else:
        sys.stdout.write(text + "\n")
    sys.stdout.flush()
