"""What the node tells of answers that it computes itself."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from p2pavs.drafts import TASKS_KEPT, Drafts


async def test_the_length_of_a_prompt_is_told_when_it_is_known() -> None:
    drafts = Drafts()
    told: list[int | None] = []

    async def ask() -> None:
        told.append(await drafts.prompt_tokens(7))

    assert await drafts.prompt_tokens(7) is None
    async with trio.open_nursery() as nursery:
        with drafts.counting(7) as counted:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert told == []
            counted(12)
    assert told == [12] == [await drafts.prompt_tokens(7)]


async def test_who_waits_for_a_computation_that_fails_is_told_nothing() -> None:
    drafts = Drafts()
    told: list[int | None] = []

    async def ask() -> None:
        told.append(await drafts.prompt_tokens(7))

    async with trio.open_nursery() as nursery:
        with pytest.raises(KeyError), drafts.counting(7):
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError
    assert told == [None]


async def test_the_oldest_are_forgotten() -> None:
    drafts = Drafts()
    for task in range(TASKS_KEPT + 1):
        with drafts.counting(task) as counted:
            counted(task)
    assert await drafts.prompt_tokens(0) is None
    assert await drafts.prompt_tokens(TASKS_KEPT) == TASKS_KEPT
