"""A task has several committees, one after the other; only time begins the next one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.test_rewards import claim
from tests.integration.contracts.world import MINIMUM_WINDOW, Reverted, Task, World


def starts(world: World, task: Task) -> list[int]:
    attempts = task.fields["attempts"]
    return [world.gateway.functions.attemptStart(task.header, n).call() for n in range(attempts + 1)]


def refused(world: World, call: Any) -> tuple[Any, ...]:
    with pytest.raises(Reverted) as refusal:
        world.send(call)
    return (refusal.value.name, *refusal.value.arguments)


def at(world: World, time: int) -> None:
    """The next block, also the one that calls are tried out on, has this time."""
    world.rpc("evm_setNextBlockTimestamp", time)
    world.mine()


@pytest.mark.parametrize(("attempts", "size"), [(2, 9), (4, 9), (3, 0)])
def test_each_attempt_has_its_part_of_the_time(staffed: Staffed, attempts: int, size: int) -> None:
    world = staffed.world
    task = world.request(committeeSize=size, attempts=attempts, deadline=world.now() + 601)
    asked, deadline = task.fields["requestedAt"], task.fields["deadline"]
    window = deadline - asked
    begins = starts(world, task)
    assert begins == [asked + -(-window * n // attempts) for n in range(attempts + 1)]
    assert begins[-1] == deadline
    for attempt in range(1, attempts):
        call = world.submit_call(task, world.certify(task, staffed.operators, attempt=attempt))
        assert refused(world, call) == ("AttemptNotBegun", attempt, begins[attempt])
    beyond = world.submit_call(task, world.certify(task, staffed.operators, attempt=attempts))
    assert refused(world, beyond) == ("UnknownAttempt", attempts, attempts)
    last = attempts - 1
    at(world, begins[last])
    world.send(world.submit_call(task, world.certify(task, staffed.operators, attempt=last)))
    committee = world.committee(task, staffed.operators, last)
    for member in committee.members:
        total = size or sum(STAKES)
        assert claim(world, member.index, [task]) == world.reward * member.weight // total


def test_committees_are_drawn_anew_and_do_not_stand_for_each_other(staffed: Staffed) -> None:
    world = staffed.world
    task = world.request(committeeSize=9, attempts=2)
    first, second = (world.committee(task, staffed.operators, n) for n in (0, 1))
    assert first.seats != second.seats and first.root != second.root
    at(world, starts(world, task)[1])
    mixed = world.certify(task, staffed.operators, attempt=0)
    assert refused(world, world.submit_call(task, (1, *mixed[1:])))[0] in (
        "WrongSeatHolder",
        "SignatureMismatch",
    )
    whole = world.request(attempts=2)
    at(world, starts(world, whole)[1])
    replayed = world.certify(whole, staffed.operators, attempt=0)
    assert refused(world, world.submit_call(whole, (1, *replayed[1:])))[0] == "SignatureMismatch"


def test_what_an_earlier_attempt_decided_late_is_taken(staffed: Staffed) -> None:
    world = staffed.world
    task = world.request(committeeSize=9, attempts=3)
    at(world, starts(world, task)[2])
    world.send(world.submit_call(task, world.certify(task, staffed.operators, attempt=1)))
    assert world.status(task) == 2


def test_after_the_last_attempt_the_fee_goes_back(staffed: Staffed) -> None:
    world = staffed.world
    task = world.request(committeeSize=9, attempts=3)
    at(world, starts(world, task)[1])
    assert refused(world, world.gateway.functions.refund(task.header))[0] == "DeadlineNotPassed"
    at(world, task.fields["deadline"] + 1)
    world.send(world.gateway.functions.refund(task.header))
    assert world.gateway.functions.balanceOf(task.fields["requester"]).call() == world.fee


def test_every_attempt_needs_the_least_window(staffed: Staffed) -> None:
    world = staffed.world
    call = world.request_call(attempts=4, deadline=world.now() + 4 * MINIMUM_WINDOW - 1)
    with pytest.raises(Reverted) as refusal:
        world.send(call, value=world.fee)
    assert refusal.value.name == "DeadlineTooNear"
