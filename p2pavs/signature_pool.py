"""Signature checks of all tasks, together: while one batch is checked the next one gathers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import outcome
import trio

from consensus.messages import Message
from consensus.signing import Randomness
from consensus.verification import MessageVerifier, Outcome, verify_together

AT_ONCE: Final = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Batches that are checked at the same time, each in a thread: more of them are smaller and cost more."""

TOGETHER: Final = 256
"""Messages from which on a batch takes no further task's: each has to wait for all."""


@dataclass(slots=True, eq=False)
class _Job:
    """The messages of one instance that wait for their check."""

    verifier: MessageVerifier
    messages: Sequence[Message]
    done: trio.Event = field(default_factory=trio.Event)
    verdicts: outcome.Outcome[list[Outcome]] | None = None


class SignaturePool:
    """One for a node."""

    def __init__(
        self,
        randomness: Randomness,
        verified: Callable[[float], None] = lambda seconds: None,
        at_once: int = AT_ONCE,
    ) -> None:
        """``verified`` is told what each batch took, in seconds of the processor."""
        self._randomness = randomness
        self._verified = verified
        self._waiting: list[_Job] = []
        self._places = trio.Semaphore(at_once)

    async def verify(self, verifier: MessageVerifier, messages: Sequence[Message]) -> list[Outcome]:
        """Check the messages of an instance, each on its own merits; same order out."""
        job = _Job(verifier, messages)
        self._waiting.append(job)
        try:
            async with self._places:
                if job in self._waiting:
                    with trio.CancelScope(shield=True):  # it works for others too
                        await self._work()
            await job.done.wait()
        finally:
            if job in self._waiting:
                self._waiting.remove(job)
        if job.verdicts is None:
            raise RuntimeError("a signature check was left out")
        return job.verdicts.unwrap()

    async def _work(self) -> None:
        """Check the messages of those who wait."""
        jobs, total = [], 0
        while self._waiting and total < TOGETHER:
            jobs.append(self._waiting.pop(0))
            total += len(jobs[-1].messages)
        pairs = [(job.verifier, job.messages) for job in jobs]
        try:
            found = await outcome.acapture(trio.to_thread.run_sync, self._timed, pairs)
            match found:
                case outcome.Value((verdicts, seconds)):
                    for job, one in zip(jobs, verdicts, strict=True):
                        job.verdicts = outcome.Value(one)
                    self._verified(seconds)
                case outcome.Error(error):
                    for job in jobs:
                        job.verdicts = outcome.Error(error)
        finally:
            for job in jobs:
                job.done.set()

    def _timed(
        self, pairs: Sequence[tuple[MessageVerifier, Sequence[Message]]]
    ) -> tuple[list[list[Outcome]], float]:
        """In a thread; also the seconds of the processor that it took."""
        begin = time.thread_time()
        verdicts = verify_together(pairs, self._randomness)
        return verdicts, time.thread_time() - begin
