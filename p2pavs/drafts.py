"""The node's own answers while they grow, for who wants to read along. Nothing of them is certified."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from inference.request import Progress
from inference.worker import Guide
from p2pavs.chain.events import TaskRequested
from p2pavs.execution import Execution, Executor, OnProgress

TASKS_KEPT = 256


class Drafts:
    """The last tasks' answers so far."""

    def __init__(self) -> None:
        self._outputs: OrderedDict[int, bytes] = OrderedDict()
        self._prompt_tokens: OrderedDict[int, int | None] = OrderedDict()
        self._news = trio.Event()

    def put(self, task_id: int, output: bytes) -> None:
        """Take an answer so far; one that is computed again begins anew, and is told once it is longer."""
        if len(output) <= len(self._outputs.get(task_id, b"")):
            return
        self._outputs[task_id] = output
        if len(self._outputs) > TASKS_KEPT:
            self._outputs.popitem(last=False)
        self._news.set()
        self._news = trio.Event()

    @contextmanager
    def counting(self, task_id: int) -> Iterator[Callable[[int], None]]:
        """Compute a task in the block, and give what it yields the number of tokens of the prompt."""
        found: list[int] = []
        self._note_prompt(task_id, None)
        try:
            yield found.append
        finally:
            self._note_prompt(task_id, found[0] if found else None)
            if not found:
                self._prompt_tokens.pop(task_id, None)

    def _note_prompt(self, task_id: int, tokens: int | None) -> None:
        self._prompt_tokens[task_id] = tokens
        if len(self._prompt_tokens) > TASKS_KEPT:
            self._prompt_tokens.popitem(last=False)
        self._news.set()
        self._news = trio.Event()

    async def prompt_tokens(self, task_id: int) -> int | None:
        """Return the length of a prompt in tokens, once known; None if this node does not compute it."""
        while task_id in self._prompt_tokens:
            if (tokens := self._prompt_tokens[task_id]) is not None:
                return tokens
            await self._news.wait()
        return None

    async def longer(self, task_id: int, known: int) -> bytes:
        """Wait until an answer has more than ``known`` bytes, and return it."""
        while len(output := self._outputs.get(task_id, b"")) <= known:
            await self._news.wait()
        return output


class DraftingExecutor:
    """An executor whose progress is kept as drafts."""

    def __init__(self, executor: Executor, drafts: Drafts) -> None:
        self._executor = executor
        self._drafts = drafts

    async def execute(
        self, task: TaskRequested, progress: OnProgress, guide: Guide | None = None
    ) -> Execution:
        """See ``Executor``."""

        def report(chunk: Progress) -> None:
            self._drafts.put(task.id, chunk.output)
            progress(chunk)

        with self._drafts.counting(task.id) as counted:
            execution = await self._executor.execute(task, report, guide)
            counted(execution.prompt_tokens)
            return execution
