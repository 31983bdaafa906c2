"""Signature checks of all tasks, together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from consensus.effects import Verified
from consensus.messages import Message
from consensus.verification import Invalid, MessageVerifier, Outcome
from p2pavs import signature_pool
from p2pavs.signature_pool import SignaturePool
from tests.unit.consensus import factory
from tests.unit.consensus.factory import Coefficients

COMMITTEE = factory.committee()
SCOPE = factory.scope(COMMITTEE)
VOTES = [factory.vote(COMMITTEE, sender) for sender in range(4)]


def verifier() -> MessageVerifier:
    return MessageVerifier(SCOPE, COMMITTEE, Coefficients())


class Gate:
    """Stands where the pool calls ``verify_together``: keeps the first batch until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[int] = []
        self.begun = trio.Event()
        self.go_on = trio.Event()
        self.failure: Exception | None = None
        original = signature_pool.verify_together

        def held(jobs: Sequence[tuple[MessageVerifier, Sequence[Message]]], rng: Any) -> list[list[Outcome]]:
            self.batches.append(len(jobs))
            if len(self.batches) == 1:
                trio.from_thread.run_sync(self.begun.set)
                trio.from_thread.run(self.go_on.wait)
            if self.failure is not None:
                raise self.failure
            return original(jobs, rng)

        monkeypatch.setattr(signature_pool, "verify_together", held)


async def test_messages_are_judged_as_alone() -> None:
    seconds: list[float] = []
    pool = SignaturePool(Coefficients(), seconds.append)
    forged = replace(VOTES[0], sender=1)
    found = await pool.verify(verifier(), [VOTES[0], forged])
    assert found[0] == Verified(VOTES[0])
    assert isinstance(found[1], Invalid)
    assert len(seconds) == 1 and seconds[0] >= 0


async def test_who_comes_while_a_batch_is_checked_is_checked_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(monkeypatch)
    pool = SignaturePool(Coefficients(), at_once=1)
    found: dict[int, list[Outcome]] = {}

    async def ask(number: int) -> None:
        found[number] = await pool.verify(verifier(), [VOTES[number]])

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, 0)
            await gate.begun.wait()
            for number in (1, 2, 3):
                nursery.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
            gate.go_on.set()
    assert gate.batches == [1, 3]
    assert found == {number: [Verified(VOTES[number])] for number in range(4)}


async def test_a_batch_is_not_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    monkeypatch.setattr(signature_pool, "TOGETHER", 2)
    pool = SignaturePool(Coefficients(), at_once=1)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.verify, verifier(), [VOTES[0]])
            await gate.begun.wait()
            for number in (1, 2, 3):
                nursery.start_soon(pool.verify, verifier(), [VOTES[number]])
            await trio.testing.wait_all_tasks_blocked()
            gate.go_on.set()
    assert gate.batches == [1, 2, 1]


async def test_who_gives_up_takes_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one who has begun the batch, and one who waits for the next."""
    gate = Gate(monkeypatch)
    pool = SignaturePool(Coefficients(), at_once=1)
    found: list[list[Outcome]] = []

    async def ask() -> None:
        found.append(await pool.verify(verifier(), [VOTES[3]]))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, trio.open_nursery() as leaving:
            leaving.start_soon(pool.verify, verifier(), [VOTES[0]])
            await gate.begun.wait()
            leaving.start_soon(pool.verify, verifier(), [VOTES[1]])
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
            gate.go_on.set()
    assert gate.batches == [1, 1]
    assert found == [[Verified(VOTES[3])]]


async def test_a_failure_reaches_everybody_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    pool = SignaturePool(Coefficients(), at_once=1)
    failed: list[str] = []

    async def ask(number: int) -> None:
        try:
            await pool.verify(verifier(), [VOTES[number]])
        except ZeroDivisionError as error:
            failed.append(str(error))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, 0)
            await gate.begun.wait()
            nursery.start_soon(ask, 1)
            nursery.start_soon(ask, 2)
            await trio.testing.wait_all_tasks_blocked()
            gate.failure = ZeroDivisionError("broken")
            gate.go_on.set()
        gate.failure = None
        assert await pool.verify(verifier(), [VOTES[1]]) == [Verified(VOTES[1])]
    assert failed == ["broken"] * 3
