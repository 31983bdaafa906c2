"""The worker process: loads one model, checks that its bits are right, and answers requests over its pipes.

It ends when its standard input ends, so it cannot outlive the node, however that ends.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from inference import wire
from inference.errors import InferenceError, RuntimeMismatch, TimeLimitExceeded
from inference.golden import check_golden
from inference.model import ModelFile
from inference.request import Progress, Request
from inference.runtime import PROFILES, RuntimeProfile, check_build, prepare

_ALIVE_SECONDS = 1.0


class _Pipe:
    """Where frames go. llama.cpp may print to standard output, so frames use a descriptor of their own."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def send(self, **message: Any) -> None:
        """Write a frame; a node that is gone is no reason to go on."""
        try:
            self._file.write(wire.encode(message))
        except OSError:
            os._exit(0)


@dataclass(slots=True)
class _Waiting:
    key: int
    request: Request
    limit: float  # seconds


def _listen(source: BinaryIO, inbox: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Read frames until the node closes the pipe; then end at once, whatever is being computed."""
    try:
        while (message := wire.read_frame(source)) is not None:
            inbox.put(message)
    except InferenceError as error:
        sys.stderr.write(f"{error}\n")
    os._exit(0)


class _Service:
    """Requests in, answers out: continuous batching in as many slots as the engine has."""

    def __init__(self, file: ModelFile, pipe: _Pipe, slots: int, threads: int, batch: int) -> None:
        from inference.engine import Engine  # loads llama.cpp, so only after ``prepare``

        self._engine = Engine(file, slots=slots, threads=threads, batch=batch)
        self._pipe = pipe
        self._waiting: deque[_Waiting] = deque()
        self._deadlines: dict[int, float] = {}
        self._spoke = time.monotonic()

    def run(self, inbox: queue.SimpleQueue[dict[str, Any]]) -> None:
        """Serve for ever."""
        while True:
            idle = self._engine.idle and not self._waiting
            try:
                while True:
                    self._take(inbox.get(block=idle))
                    idle = False
            except queue.Empty:
                pass
            self._admit()
            self._expire()
            if not self._engine.idle:
                for key, answer in self._engine.step():
                    self._deadlines.pop(key, None)
                    self._pipe.send(event="answer", id=key, answer=wire.generation_to_wire(answer))
            if time.monotonic() - self._spoke > _ALIVE_SECONDS:
                self._spoke = time.monotonic()
                self._pipe.send(event="alive")

    def _take(self, message: dict[str, Any]) -> None:
        key = message["id"]
        if message["op"] == "cancel":
            self._drop(key)
            return
        try:
            self._waiting.append(_Waiting(key, wire.request_from_wire(message["request"]), message["limit"]))
        except InferenceError as error:
            self._fail(key, error)

    def _drop(self, key: int) -> None:
        self._engine.cancel(key)
        self._deadlines.pop(key, None)
        self._waiting = deque(w for w in self._waiting if w.key != key)

    def _admit(self) -> None:
        while self._waiting and not self._engine.full:
            next_up = self._waiting.popleft()
            key = next_up.key

            def report(progress: Progress, key: int = key) -> None:
                self._pipe.send(
                    event="progress",
                    id=key,
                    chunk=progress.chunk,
                    tokens=progress.token_ids,
                    digest=progress.digest,
                )

            try:
                answer = self._engine.submit(key, next_up.request, report)
            except InferenceError as error:
                self._fail(key, error)
                continue
            if answer is None:
                self._deadlines[key] = time.monotonic() + next_up.limit
            else:
                self._pipe.send(event="answer", id=key, answer=wire.generation_to_wire(answer))

    def _expire(self) -> None:
        now = time.monotonic()
        for key in [k for k, deadline in self._deadlines.items() if now > deadline]:
            self._drop(key)
            self._fail(
                key,
                TimeLimitExceeded(
                    "the request took longer than its time limit; allow fewer tokens or more time"
                ),
            )

    def _fail(self, key: int, error: InferenceError) -> None:
        self._pipe.send(event="error", id=key, error=_name(error), message=str(error))


def _name(error: InferenceError) -> str:
    return type(error).__name__


def _checked_model(path: Path, profile: RuntimeProfile, threads: int) -> ModelFile:
    """The model, after the build, the micro model and the model itself gave the right bits."""
    for check in check_build(profile):
        if not check.passed:
            raise RuntimeMismatch(f"{check.name}: {check.detail}. To mend it, run: {profile.remedy()}")
    file = ModelFile.open(path)
    check_golden(file, threads=threads)
    return file


def main() -> None:
    """``python -m inference.worker MODEL.gguf``: started by a node, which speaks to it over its pipes."""
    parser = argparse.ArgumentParser(prog="python -m inference.worker")
    parser.add_argument("model", type=Path)
    parser.add_argument("--profile", choices=sorted(PROFILES), required=True)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    # Ctrl-C in the terminal is the node's business: it closes the pipe when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = _Pipe()
    profile = PROFILES[options.profile]
    prepare(profile)
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox), daemon=True).start()
    try:
        file = _checked_model(options.model, profile, options.threads)
        service = _Service(file, pipe, options.slots, options.threads, options.batch)
    except InferenceError as error:
        pipe.send(event="failed", error=_name(error), message=str(error))
        sys.exit(1)
    pipe.send(event="ready", manifest=file.manifest.to_json(), profile=profile.identifier())
    service.run(inbox)
