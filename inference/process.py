"""One worker process from start to end: its pipes, its watchdog and its last words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ParamSpec

import trio

from inference import wire
from inference.errors import BY_NAME, InferenceError, WorkerClosed, WorkerStartFailed
from inference.model import Manifest, parse_manifest
from inference.request import Difference, Generation, Progress, Request
from inference.runtime import RuntimeProfile
from inference.stats import Meter

_LAST_LINES = 20
_LINE_BYTES = 400
_GRACE_SECONDS = 2.0

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to start a worker and when to lose patience with it (seconds)."""

    path: Path
    profile: RuntimeProfile
    threads: int
    slots: int
    batch: int
    hang_seconds: float
    start_seconds: float

    def command(self) -> list[str]:
        """The process's arguments."""
        numbers = ["--threads", str(self.threads), "--slots", str(self.slots), "--batch", str(self.batch)]
        return [
            sys.executable,
            "-m",
            "inference.worker",
            str(self.path),
            "--profile",
            self.profile.name,
            *numbers,
        ]

    def environment(self) -> dict[str, str]:
        """The node's environment, with this package importable and what the profile asks for.

        Threads that wait sleep instead of spinning: on a busy machine spinning ones take the processor from
        those they wait for, and a batch took up to ten times as long. Set the variable to have it otherwise.
        """
        root = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        fixed = {**dict(self.profile.environment), "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
        return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **fixed}


class Guide:
    """The draft of a request that runs: tokens that others say its answer consists of.

    The request waits for more of it instead of generating, until ``lead``. It never changes the answer.
    """

    def __init__(
        self,
        differs: Callable[[Difference], None] = lambda difference: None,
        read: Callable[[], None] = lambda: None,
    ) -> None:
        """``differs`` is called where the draft proves wrong, ``read`` when the prompt has been read.

        Either may be called again after the process died and the request was repeated.
        """
        self.differs = differs
        self.read = read
        self.tokens: list[int] = []
        self.following = True
        self._orders: list[dict[str, Any]] = []
        self._changed: Callable[[], None] = lambda: None

    def extend(self, at: int, tokens: Sequence[int]) -> None:
        """Replace the draft from position ``at`` on. Raises ValueError if tokens before it are missing."""
        if not 0 <= at <= len(self.tokens):
            raise ValueError(f"the draft has {len(self.tokens)} tokens and cannot go on at {at}")
        self.tokens[at:] = tokens
        self._order({"op": "extend", "at": at, "tokens": list(tokens)})

    def confirm(self, at: int, tokens: Sequence[int]) -> None:
        """Note that the answer has these tokens, so that a repeated request need not generate them again."""
        if at <= len(self.tokens) and self.tokens[at : at + len(tokens)] != list(tokens):
            self.tokens[at:] = tokens

    def lead(self) -> None:
        """Generate the rest by itself."""
        if self.following:
            self.following = False
            self._order({"op": "lead"})

    def _order(self, order: dict[str, Any]) -> None:
        self._orders.append(order)
        self._changed()

    def begin(self, changed: Callable[[], None]) -> None:
        """Forget the orders so far: the request sent now holds them. ``changed`` hears of new ones."""
        self._orders.clear()
        self._changed = changed

    def orders(self) -> list[dict[str, Any]]:
        """Take the orders that were not sent yet."""
        taken, self._orders = self._orders, []
        return taken


@dataclass(slots=True, eq=False)
class Job:
    """A request and what became of it."""

    key: int
    request: Request
    limit: float
    progress: Callable[[Progress], None] | None
    guide: Guide | None = None
    done: trio.Event = field(default_factory=trio.Event)
    sent: bool = False
    deaths: int = 0
    chunks: int = 0
    _answer: Generation | None = None
    _error: Exception | None = None

    def answer(self, generation: Generation) -> None:
        """Finish with an answer."""
        if not self.done.is_set():
            self._answer = generation
            self.done.set()

    def fail(self, error: Exception) -> None:
        """Finish with an error."""
        if not self.done.is_set():
            self._error = error
            self.done.set()

    def report(self, progress: Progress) -> None:
        """Pass on a chunk, once, also if a retry computes it again. The callback's error is the request's."""
        if self.progress is None or self.done.is_set() or progress.chunk != self.chunks:
            return
        self.chunks += 1
        self._call(self.progress, progress)

    def differ(self, difference: Difference) -> None:
        """Pass on that the draft proved wrong."""
        if self.guide is not None and not self.done.is_set():
            self._call(self.guide.differs, difference)

    def read(self) -> None:
        """Pass on that the prompt has been read."""
        if self.guide is not None and not self.done.is_set():
            self._call(self.guide.read)

    def _call(self, callback: Callable[P, None], *values: P.args, **named: P.kwargs) -> None:
        try:
            callback(*values, **named)
        except Exception as error:
            # It belongs to the caller of generate(), who gets it there.
            self.fail(error)

    @property
    def follows(self) -> bool:
        """Whether it waits for others to generate."""
        return self.guide is not None and self.guide.following

    def outcome(self) -> Generation:
        """The answer, or raise the error."""
        if self._error is not None:
            raise self._error
        if self._answer is None:
            raise WorkerClosed("the request has no outcome yet")
        return self._answer


@dataclass(slots=True)
class Ended:
    """Set when a process is of no more use, and why."""

    event: trio.Event = field(default_factory=trio.Event)
    reason: str = ""
    hung: bool = False


class WorkerProcess:
    """A started and checked worker. Make it with ``start``, then use it inside ``running``."""

    def __init__(self, process: trio.Process, settings: Settings, meter: Meter) -> None:
        """Use ``start`` instead."""
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise WorkerStartFailed("the worker has no pipes")
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._settings = settings
        self._last_words: deque[str] = deque(maxlen=_LAST_LINES)
        self._unread = bytearray()
        self._held: dict[int, tuple[Job, Callable[[], None]]] = {}
        self._heard = trio.current_time()
        self._meter = meter
        self.manifest: Manifest

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @classmethod
    async def start(cls, settings: Settings, meter: Meter) -> WorkerProcess:
        """Start a process and wait until it has loaded and checked its model. Raises the error it reports.

        ``meter`` gets what it counts.
        """
        # A group of its own: Ctrl-C in the terminal reaches the node only. It ends when its stdin does. (A
        # death signal from the kernel would come too early: it follows the thread that started the process.)
        try:
            process = await trio.lowlevel.open_process(
                settings.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=settings.environment(),
                start_new_session=True,
            )
        except OSError as error:  # no memory, or too many processes or open files
            raise WorkerStartFailed(f"the worker's process cannot be started: {error}") from None
        worker = cls(process, settings, meter)
        nonsense: wire.BrokenPipe | None = None
        try:
            with trio.move_on_after(settings.start_seconds) as patience:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(worker._collect_stderr)
                    try:
                        message = await worker._receive()
                    except wire.BrokenPipe as error:  # kept, so that the nursery does not wrap it
                        nonsense = error
                    nursery.cancel_scope.cancel()
            if patience.cancelled_caught:
                raise WorkerStartFailed(f"the worker was not ready within {settings.start_seconds:.0f} s")
            if nonsense is not None:
                raise WorkerStartFailed(f"the worker sent nonsense ({nonsense})")
            if message is None:
                raise WorkerStartFailed(
                    f"the worker {await worker._epitaph()} while it loaded {settings.path}"
                )
            worker._check_ready(message)
        except BaseException:
            await worker.close()
            raise
        return worker

    def _check_ready(self, message: dict[str, Any]) -> None:
        if message.get("event") == "failed":
            raise BY_NAME.get(str(message.get("error")), InferenceError)(str(message.get("message"))[:4000])
        manifest = message.get("manifest")
        if message.get("event") != "ready" or not isinstance(manifest, str):
            raise WorkerStartFailed("the worker answered with something else than being ready")
        if message.get("profile") != self._settings.profile.identifier():
            raise WorkerStartFailed(
                "the worker runs another runtime profile; restart the node after an update"
            )
        self.manifest = parse_manifest(manifest.encode(), "the worker's manifest")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Ended]:
        """Read the process's messages while the block runs; end the process when it is left."""
        ended = Ended()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._collect_stderr)
                nursery.start_soon(self._read, ended)
                nursery.start_soon(self._watch, ended)
                yield ended
                nursery.cancel_scope.cancel()
        finally:
            await self.close()

    async def submit(self, job: Job, changed: Callable[[], None]) -> None:
        """Hand a job to the process; ``changed`` is called when it is done."""
        if not self._held:
            self._heard = trio.current_time()
        job.sent = True
        self._held[job.key] = (job, changed)
        request = job.request
        if job.guide is not None:
            job.guide.begin(changed)
            request = replace(request, draft=tuple(job.guide.tokens))
        await self._send(
            {
                "op": "generate",
                "id": job.key,
                "limit": job.limit,
                "follow": job.follows,
                "request": wire.request_to_wire(request),
            }
        )

    async def guide(self, jobs: Iterable[Job]) -> None:
        """Pass on how drafts have grown."""
        for job in jobs:
            if job.guide is not None and job.key in self._held:
                for order in job.guide.orders():
                    await self._send({**order, "id": job.key})

    async def take_back(self, job: Job) -> None:
        """Drop a job that is to be submitted again later."""
        job.sent = False
        del self._held[job.key]
        await self._send({"op": "cancel", "id": job.key})

    async def keep_only(self, keys: set[int]) -> None:
        """Cancel the jobs that nobody waits for any more."""
        for key in [key for key in self._held if key not in keys]:
            del self._held[key]
            await self._send({"op": "cancel", "id": key})

    async def _send(self, message: dict[str, Any]) -> None:
        # If the process is gone the reader sees it too, and says why.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stdin.send_all(wire.encode(message))

    async def _receive(self) -> dict[str, Any] | None:
        """The next message; None when the process has ended."""
        header = await self._exactly(wire.HEADER_BYTES)
        if header is None:
            return None
        body = await self._exactly(wire.body_length(header))
        return None if body is None else wire.decode(body)

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._unread) < size:
            data = await self._stdout.receive_some(65_536)
            if not data:
                return None
            self._unread += data
        found = bytes(self._unread[:size])
        del self._unread[:size]
        return found

    async def _read(self, ended: Ended) -> None:
        try:
            while (message := await self._receive()) is not None:
                self._heard = trio.current_time()
                self._handle(message)
            self._end(ended, await self._epitaph())
        except wire.BrokenPipe as error:
            self._end(ended, f"sent nonsense ({error})")

    def _handle(self, message: dict[str, Any]) -> None:
        if message.get("event") == "alive":
            self._meter.update(wire.counts_from_wire(message.get("counts")))
            return
        key = message.get("id")
        held = self._held.get(key) if type(key) is int else None
        if held is None:
            return  # about a job that was cancelled
        job, changed = held
        event = message.get("event")
        if event == "progress":
            job.report(wire.progress_from_wire(message))
            if not job.done.is_set():
                return
        elif event == "differs":
            job.differ(wire.difference_from_wire(message))
            if not job.done.is_set():
                return
        elif event == "read":
            job.read()
            if not job.done.is_set():
                return
        elif event == "answer":
            job.answer(wire.generation_from_wire(message.get("answer")))
            del self._held[job.key]
        elif event == "error":
            job.fail(
                BY_NAME.get(str(message.get("error")), InferenceError)(str(message.get("message"))[:4000])
            )
            del self._held[job.key]
        changed()

    async def _watch(self, ended: Ended) -> None:
        """A process that holds a job and says nothing for too long counts as hung."""
        patience = self._settings.hang_seconds
        while True:
            silent = trio.current_time() - self._heard if self._held else 0.0
            if silent >= patience:
                self._end(ended, f"gave no sign of life for {patience:.0f} s", hung=True)
                return
            await trio.sleep(min(patience - silent, patience / 4))

    @staticmethod
    def _end(ended: Ended, reason: str, *, hung: bool = False) -> None:
        if not ended.event.is_set():
            ended.reason, ended.hung = reason, hung
            ended.event.set()

    async def _collect_stderr(self) -> None:
        async for data in self._stderr:
            for line in data.decode("utf-8", "replace").splitlines():
                if line.strip():
                    self._last_words.append(line.strip()[:_LINE_BYTES])

    async def _epitaph(self) -> str:
        """How the process ended, in words; its pipe has closed already."""
        with trio.move_on_after(_GRACE_SECONDS):
            await self._process.wait()
        code = self._process.returncode
        if code is None:
            how = "closed its pipe"
        elif code == -signal.SIGKILL:
            how = "was killed (signal 9: often because the machine ran out of memory)"
        elif code < 0:
            how = f"crashed (signal {-code})"
        else:
            how = f"exited with code {code}"
        words = " | ".join(list(self._last_words)[-3:])
        return f"{how}; its last words: {words}" if words else how

    async def close(self) -> None:
        """End the process: by closing its input, and by force if that does not help."""
        with trio.CancelScope(shield=True):
            process = self._process
            for stream in (self._stdin, self._stdout, self._stderr):
                await stream.aclose()
            with trio.move_on_after(_GRACE_SECONDS):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
