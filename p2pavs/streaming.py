"""Verify mode: carries out what a relay says, with a model worker, a network and a clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import structlog
import trio

from consensus.messages import Message, OutputChunk
from consensus.types import CHUNK_TOKENS
from inference.request import Difference, Progress
from inference.worker import Guide
from p2pavs.execution import Execution, OnProgress
from p2pavs.journal import Note
from p2pavs.relay import Action, Extend, Lead, Refused, Relay, Say

log = structlog.get_logger()


class Stream:
    """One member's execution of a task together with the others of its committee."""

    def __init__(
        self,
        relay: Relay,
        max_tokens: int,
        publish: Callable[[Message], Awaitable[None]],
        name: Callable[[int], str],
        note: Note,
    ) -> None:
        """``name`` gives a member's account as text."""
        self.guide = Guide(self._differs, self._read)
        self.max_chunks = -(-max_tokens // CHUNK_TOKENS)
        self._relay = relay
        self._publish = publish
        self._name = name
        self._note = note
        self._outbox: deque[OutputChunk] = deque()
        self._changed = trio.Event()
        self._filled = trio.Event()

    def hear(self, chunk: OutputChunk, *, asked: bool = False) -> None:
        """Take a chunk of the member that it names, which must have been checked."""
        self._do(self._relay.hear(chunk, trio.current_time(), asked=asked))

    def chunks(self) -> list[OutputChunk]:
        """What a member that missed chunks can be given."""
        return self._relay.chunks()

    def refusal(self, member: int) -> Refused | None:
        """Where a member's chunks were not what this member computes."""
        return self._relay.refused.get(member)

    async def run(
        self, compute: Callable[[OnProgress, Guide], Awaitable[Execution | None]]
    ) -> Execution | None:
        """Compute the own result; publish it, chunk by chunk, when it is this member's turn."""
        self._do(self._relay.start())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._publish_chunks)
            nursery.start_soon(self._watch)
            execution = await compute(self._progress, self.guide)
            nursery.cancel_scope.cancel()
        if execution is not None:
            now = trio.current_time()
            self._do(self._relay.finished(execution.tokens, execution.chunk_digests, now))
        # Before the result can be logged: after a crash it would not be computed and published again.
        while self._outbox:
            await self._send_first()
        return execution

    def _progress(self, progress: Progress) -> None:
        at = progress.chunk * CHUNK_TOKENS
        self.guide.confirm(at, progress.token_ids)
        self._note(
            "inference",
            chunk=progress.chunk,
            tokens=len(progress.token_ids),
            generated=self._relay.leading,
        )
        now = trio.current_time()
        self._do(self._relay.computed(progress.chunk, progress.token_ids, progress.digest, now))

    def _differs(self, difference: Difference) -> None:
        self._do(self._relay.differs(difference.position, difference.token, trio.current_time()))

    def _read(self) -> None:
        self._do(self._relay.ready(trio.current_time()))

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Extend(at, tokens):
                    self.guide.extend(at, tokens)
                case Lead(rank):
                    if self.guide.following:
                        self._note("generating", rank=rank)
                    self.guide.lead()
                case Say(chunk):
                    self._outbox.append(chunk)
                    self._filled.set()
                case Refused():
                    self._note(
                        "chunk_refused",
                        operator=self._name(action.sender),
                        chunk=action.chunk,
                        position=action.position,
                        reason=str(action),
                    )
        self._changed.set()

    async def _watch(self) -> None:
        """Wake the relay when nothing has come for too long."""
        while True:
            deadline = self._relay.deadline
            with trio.move_on_at(float("inf") if deadline is None else deadline) as waiting:
                await self._changed.wait()
                self._changed = trio.Event()
            if waiting.cancelled_caught:
                self._do(self._relay.tick(trio.current_time()))

    async def _publish_chunks(self) -> None:
        while True:
            while self._outbox:
                await self._send_first()
            self._filled = trio.Event()
            await self._filled.wait()

    async def _send_first(self) -> None:
        await self._publish(self._outbox[0])
        self._outbox.popleft()
