"""The worker process: loads one model, checks that its bits are right, and answers requests over its pipes.

It ends when its standard input ends, so it cannot outlive the node, however that ends.
"""

from __future__ import annotations

import argparse
import gc
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from inference import wire
from inference.errors import InferenceError, RuntimeMismatch, TimeLimitExceeded
from inference.golden import check_golden, digest_of
from inference.model import ModelFile
from inference.request import Difference, Progress, Request
from inference.runtime import PROFILES, RuntimeProfile, check_build, prepare

if TYPE_CHECKING:
    from inference.engine import Engine

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
    follow: bool


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

    def __init__(self, engine: Engine, pipe: _Pipe) -> None:
        self._engine = engine
        self._pipe = pipe
        self._waiting: deque[_Waiting] = deque()
        self._left: dict[int, float] = {}  # seconds that a request may still compute
        self._spoke = time.monotonic()

    def run(self, inbox: queue.SimpleQueue[dict[str, Any]]) -> None:
        """Serve for ever."""
        while True:
            try:
                patience = self._patience()
                while True:
                    self._take(inbox.get(block=patience != 0, timeout=patience))
                    patience = 0
            except queue.Empty:
                pass
            self._admit()
            self._step()
            self._expire()
            if time.monotonic() - self._spoke > _ALIVE_SECONDS:
                self._report()

    def _report(self) -> None:
        """A sign of life, and what was computed so far."""
        self._spoke = time.monotonic()
        self._pipe.send(event="alive", counts=asdict(self._engine.counts))

    def _step(self) -> None:
        """Compute a batch. A follower's time stands still while it waits."""
        begin = time.monotonic()
        busy = self._left.keys() - set(self._engine.waiting)
        for key, answer in self._engine.step():
            self._left.pop(key, None)
            self._report()
            self._pipe.send(event="answer", id=key, answer=wire.generation_to_wire(answer))
        passed = time.monotonic() - begin
        for key in busy & self._left.keys():
            self._left[key] -= passed

    def _patience(self) -> float | None:
        """How long nothing needs to be done but to wait for a message; None is for ever."""
        if self._engine.idle and not self._waiting:
            return None
        if self._waiting and not self._engine.full:
            return 0
        return _ALIVE_SECONDS if len(self._engine.waiting) == self._engine.active else 0

    def _take(self, message: dict[str, Any]) -> None:
        key = message["id"]
        match message["op"]:
            case "cancel":
                self._drop(key)
            case "extend":
                self._admit()  # it may have come in the same breath
                self._engine.extend(key, message["at"], message["tokens"])
            case "lead":
                self._admit()
                self._engine.lead(key)
            case _:
                try:
                    request = wire.request_from_wire(message["request"])
                    self._waiting.append(_Waiting(key, request, message["limit"], message["follow"]))
                except InferenceError as error:
                    self._fail(key, error)

    def _drop(self, key: int) -> None:
        self._engine.cancel(key)
        self._left.pop(key, None)
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
                    output=progress.output,
                )

            def differs(difference: Difference, key: int = key) -> None:
                self._pipe.send(event="differs", id=key, at=difference.position, token=difference.token)

            def read(key: int = key) -> None:
                self._pipe.send(event="read", id=key)

            try:
                answer = self._engine.submit(
                    key, next_up.request, report, follow=next_up.follow, differs=differs, read=read
                )
            except InferenceError as error:
                self._fail(key, error)
                continue
            if answer is None:
                self._left[key] = next_up.limit
            else:
                self._pipe.send(event="answer", id=key, answer=wire.generation_to_wire(answer))

    def _expire(self) -> None:
        for key in [key for key, left in self._left.items() if left < 0]:
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


def _checked_engine(options: argparse.Namespace, profile: RuntimeProfile) -> Engine:
    """The loaded model, after the build, the micro model and the model itself gave the right bits."""
    for check in check_build(profile):
        if not check.passed:
            raise RuntimeMismatch(f"{check.name}: {check.detail}. To mend it, run: {profile.remedy()}")
    from inference.engine import Engine  # loads llama.cpp, so only after ``prepare``

    file = ModelFile.open(options.model)
    engine = Engine(file, slots=options.slots, threads=options.threads, batch=options.batch)
    check_golden(digest_of(engine), file.manifest)
    engine.reset()  # the golden test is nobody's request
    return engine


def _offer_to_be_killed() -> None:
    """When memory runs out the system shall end this process, which can be started again, not the node."""
    with suppress(OSError):  # not on Linux
        Path("/proc/self/oom_score_adj").write_text("800")


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
    _offer_to_be_killed()
    pipe = _Pipe()
    profile = PROFILES[options.profile]
    prepare(profile)
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox), daemon=True).start()
    try:
        engine = _checked_engine(options, profile)
    except InferenceError as error:
        pipe.send(event="failed", error=_name(error), message=str(error))
        sys.exit(1)
    gc.freeze()  # what is there now stays: collections need not look at it again
    pipe.send(event="ready", manifest=engine.manifest.to_json(), profile=profile.identifier())
    _Service(engine, pipe).run(inbox)
