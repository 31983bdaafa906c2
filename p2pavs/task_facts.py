"""What the chain says of tasks, kept for as long as a block is the newest: many may ask about one task."""

from __future__ import annotations

from consensus.committee import OperatorSet
from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.records import TaskHeader


class TaskFacts:
    """Headers of tasks and sets of epochs, each read once."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._head: int | None = None
        self._headers: dict[int, TaskHeader] = {}
        self._sets: dict[int, OperatorSet] = {}

    def renew(self, head: int) -> None:
        """Forget everything if ``head`` is another block than before: a reorganisation may change it."""
        if head != self._head:
            self._head = head
            self._headers.clear()
            self._sets.clear()

    async def read(self, task_id: int) -> tuple[TaskHeader, OperatorSet]:
        """A task's header, and the operators of its epoch. Raises ``NotFound`` and other ``ChainError``."""
        header = self._headers.get(task_id)
        if header is None:
            header = (await reader.read_task(self._chain, task_id)).requested.header
            self._headers[task_id] = header
        operators = self._sets.get(header.epoch)
        if operators is None:
            operators = self._sets[header.epoch] = await reader.read_operator_set(self._chain, header.epoch)
        return header, operators
