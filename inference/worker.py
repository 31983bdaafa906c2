"""The node's side of a worker process: requests go in, answers come out, whatever happens to the process.

A crash, a kill for memory or a hang costs the request a retry; after the last one it gets a named
error. llama.cpp is never loaded into the node. ``python -m inference.worker`` is the process.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from inference.errors import (
    InferenceError,
    QueueFull,
    RequestError,
    TimeLimitExceeded,
    WorkerClosed,
    WorkerCrashed,
    WorkerHung,
)
from inference.model import Manifest
from inference.process import Ended, Guide, Job, Settings, WorkerProcess
from inference.request import Generation, Progress, Request
from inference.runtime import CANONICAL, RuntimeProfile
from inference.stats import OUTCOMES, Meter, WorkerStats, resident_bytes

__all__ = ["Generation", "Guide", "ModelWorker", "Progress", "Request"]

SLOTS, BATCH = 4, 128
"""Requests that a worker computes at once, and positions in one step, where nothing else is said."""


class ModelWorker:
    """One model, served by a subprocess that is restarted when it dies. Make it with ``ModelWorker.open``."""

    def __init__(
        self,
        settings: Settings,
        process: WorkerProcess,
        meter: Meter,
        max_queue: int,
        retries: int,
        time_limit: float,
    ) -> None:
        """Use ``open`` instead."""
        self._meter = meter
        self._tally: Counter[str] = Counter()
        self._settings = settings
        self._max_queue = max_queue
        self._retries = retries
        self._time_limit = time_limit
        self._jobs: dict[int, Job] = {}
        self._next = 0
        self._wake = trio.Event()
        self._closed = False
        self._process: WorkerProcess | None = process
        self._manifest = process.manifest

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: str | os.PathLike[str],
        profile: RuntimeProfile = CANONICAL,
        *,
        threads: int | None = None,
        slots: int = SLOTS,
        batch: int = BATCH,
        max_queue: int = 64,
        retries: int = 2,
        time_limit: float = 600.0,
        hang_seconds: float = 120.0,
        start_seconds: float = 600.0,
    ) -> AsyncIterator[ModelWorker]:
        """Start a worker for the model at ``path`` and serve until the block is left.

        ``slots`` requests are computed at once and up to ``max_queue`` may be open. ``threads`` defaults to
        half of the processors. Raises, before the block is entered: ManifestError, DamagedModel,
        RuntimeMismatch, NotEnoughMemory, EngineError or WorkerStartFailed; each says what to do.
        """
        if not 1 <= slots <= batch:
            raise ValueError("a batch must have room for a token of every slot")
        count = threads or max(1, (os.cpu_count() or 1) // 2)
        settings = Settings(Path(path), profile, count, slots, batch, hang_seconds, start_seconds)
        meter = Meter()
        process = await WorkerProcess.start(settings, meter)
        worker = cls(settings, process, meter, max_queue, retries, time_limit)
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker._supervise, process)
            try:
                yield worker
            except Exception as error:
                # Raised again below as itself: a nursery would wrap it in a group.
                failure = error
            finally:
                worker._close()
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that is served: its name, hashes and context length."""
        return self._manifest

    @property
    def profile(self) -> RuntimeProfile:
        """The runtime profile the process was checked against."""
        return self._settings.profile

    @property
    def pid(self) -> int | None:
        """Process id of the worker while one runs."""
        return self._process.pid if self._process is not None else None

    @property
    def waiting(self) -> int:
        """Requests that are open."""
        return len(self._jobs)

    @property
    def restarts(self) -> int:
        """How often the process had to be started again."""
        return self._tally["restarts"]

    def stats(self) -> WorkerStats:
        """What the worker does and did, for who watches it."""
        computing = sum(job.sent and not job.done.is_set() for job in self._jobs.values())
        return WorkerStats(
            computing=computing,
            waiting=len(self._jobs) - computing,
            restarts=self.restarts,
            crashes=self._tally["crashes"],
            hangs=self._tally["hangs"],
            requests={outcome: self._tally[outcome] for outcome in OUTCOMES},
            counts=self._meter.total,
            tokens_per_second=self._meter.tokens_per_second,
            memory=resident_bytes(self.pid),
        )

    async def generate(
        self,
        request: Request,
        progress: Callable[[Progress], None] | None = None,
        *,
        time_limit: float | None = None,
        guide: Guide | None = None,
    ) -> Generation:
        """Answer ``request``. The answer depends on the request and the model only.

        ``progress`` is called for every full chunk of 32 tokens. Cancelling the call stops the computation.
        With ``guide`` the request follows its draft; the draft of ``request`` itself is not looked at.
        Raises QueueFull, RequestError, TimeLimitExceeded (``time_limit`` seconds of computing),
        WorkerCrashed or WorkerHung (after the retries), WorkerClosed, or a start error if the process died
        and cannot be started again.
        """
        if self._closed:
            raise WorkerClosed("the worker is closed")
        if len(self._jobs) >= self._max_queue:
            self._tally["refused"] += 1
            raise QueueFull(f"{self._max_queue} requests wait already; try again later")
        limit = self._time_limit if time_limit is None else time_limit
        if not 0 < limit < math.inf:
            raise ValueError("the time limit must be a positive number of seconds")
        self._next += 1
        job = Job(self._next, request, limit, progress, guide)
        self._jobs[job.key] = job
        self._nudge()
        outcome = "cancelled"
        try:
            await job.done.wait()
            outcome = "failed"
            answer = job.outcome()
            outcome = "answered"
            return answer
        except (TimeLimitExceeded, RequestError) as error:
            outcome = "timed_out" if isinstance(error, TimeLimitExceeded) else "rejected"
            raise
        finally:
            self._tally[outcome] += 1
            del self._jobs[job.key]
            self._nudge()

    def _nudge(self) -> None:
        """Tell the supervisor that the set of jobs has changed."""
        self._wake.set()

    def _close(self) -> None:
        self._closed = True
        for job in self._jobs.values():
            job.fail(WorkerClosed("the worker was closed before the request was answered"))

    async def _supervise(self, process: WorkerProcess | None) -> None:
        """Keep a process running for as long as there are jobs that need one."""
        while True:
            if process is not None:
                self._process = process
                ended = await self._use(process)
                self._process = None
                self._blame(ended)
                process = None
            await self._wait_for_jobs()
            try:
                self._tally["restarts"] += 1
                process = await WorkerProcess.start(self._settings, self._meter)
            except InferenceError as error:
                for job in self._jobs.values():
                    job.fail(error)

    async def _wait_for_jobs(self) -> None:
        while all(job.done.is_set() for job in self._jobs.values()):
            self._wake = trio.Event()
            await self._wake.wait()

    def _blame(self, ended: Ended) -> None:
        """Count the death against the jobs the process held, and give up those that have no retry left."""
        kind = WorkerHung if ended.hung else WorkerCrashed
        self._tally["hangs" if ended.hung else "crashes"] += 1
        self._meter.process_ended()
        for job in self._jobs.values():
            if job.sent:
                job.sent = False
                job.deaths += 1
                if job.deaths > self._retries:
                    job.fail(kind(f"the worker {ended.reason}, {job.deaths} times with this request"))

    async def _use(self, process: WorkerProcess) -> Ended:
        """Feed ``process`` until it ends."""
        async with process.running() as ended:
            while not ended.event.is_set():
                self._wake = wake = trio.Event()
                await self._dispatch(process)
                async with trio.open_nursery() as nursery:
                    for event in (wake, ended.event):
                        nursery.start_soon(_first, event, nursery.cancel_scope)
        return ended

    async def _dispatch(self, process: WorkerProcess) -> None:
        """Send what may be sent now. After a death its suspects go one by one: only the culprit fails."""
        open_jobs = [job for job in self._jobs.values() if not job.done.is_set()]
        await process.keep_only({job.key for job in open_jobs})
        suspects = any(job.deaths for job in open_jobs)
        room = (1 if suspects else self._settings.slots) - sum(job.sent for job in open_jobs)
        # Those who generate go before those who follow: else nodes could wait for each other in a ring.
        ready = sorted(
            (job for job in open_jobs if not job.sent), key=lambda job: (not job.deaths, job.follows, job.key)
        )
        leaders = sum(not job.follows for job in ready)
        followers = sorted((j for j in open_jobs if j.sent and j.follows), key=lambda j: -j.key)
        if not suspects:
            for job in followers[: max(0, leaders - room)]:
                await process.take_back(job)
                room += 1
        for job in ready[: max(0, room)]:
            await process.submit(job, self._nudge)
        await process.guide(open_jobs)


async def _first(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


if __name__ == "__main__":
    from inference.serve import main

    main()
