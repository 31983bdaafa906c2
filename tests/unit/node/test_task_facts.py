"""Many questions about a task in one block are one question to the chain."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from p2pavs import task_facts
from p2pavs.chain.errors import NotFound
from p2pavs.task_facts import TaskFacts


async def test_headers_and_sets_are_read_once_for_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def read_task(_: Any, task_id: int) -> Any:
        await trio.lowlevel.checkpoint()
        asked.append(f"task {task_id}")
        if task_id == 9:
            raise NotFound("There is no task 9.", "")
        return SimpleNamespace(requested=SimpleNamespace(header=SimpleNamespace(id=task_id, epoch=4)))

    async def read_operator_set(_: Any, epoch: int) -> Any:
        await trio.lowlevel.checkpoint()
        asked.append(f"epoch {epoch}")
        return f"set {epoch}"

    monkeypatch.setattr(task_facts.reader, "read_task", read_task)
    monkeypatch.setattr(task_facts.reader, "read_operator_set", read_operator_set)
    facts = TaskFacts(cast(Any, None))
    for _ in range(3):
        facts.renew(100)
        for task in (1, 2, 1):
            header, operators = await facts.read(task)
            assert (header.id, operators) == (task, "set 4")
    assert asked == ["task 1", "epoch 4", "task 2"]
    facts.renew(101)
    await facts.read(1)
    assert asked[3:] == ["task 1", "epoch 4"]
    for _ in range(2):  # what is not there may be there a moment later
        with pytest.raises(NotFound):
            await facts.read(9)
    assert asked[5:] == ["task 9", "task 9"]
