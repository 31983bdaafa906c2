"""Pauses stop new requests, and the clock of the tasks that exist; they stop no certificate and no money."""

from __future__ import annotations

import pytest

from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.test_tasks import refusal_of
from tests.integration.contracts.world import (
    ETHER,
    LONGEST_PAUSE,
    SUPPLEMENT_WINDOW,
    Task,
    World,
    account,
    operator,
)

WINDOW = 600  # seconds from a request to its deadline


def pause(world: World, seconds: int) -> None:
    world.send(world.gateway.functions.setPaused(True))
    world.pass_time(seconds)
    world.send(world.gateway.functions.setPaused(False))


def refund_refused_until(world: World, task: Task) -> int:
    refusal = refusal_of(world, world.gateway.functions.refund(task.header))
    assert refusal.name == "DeadlineNotPassed"
    return int(refusal.arguments[1])


def test_a_pause_stops_requests_and_nothing_else(staffed: Staffed) -> None:
    world, stranger = staffed.world, account("stranger")
    over = world.request()
    world.pass_time(WINDOW + 1)
    one, two = world.request(), world.request()
    assert refusal_of(world, world.gateway.functions.setPaused(True), stranger).name == "NotTheOwner"
    assert refusal_of(world, world.gateway.functions.setPaused(False)).name == "NotPaused"
    world.send(world.gateway.functions.setPaused(True))
    assert refusal_of(world, world.gateway.functions.setPaused(True)).name == "PausedAlready"
    assert refusal_of(world, world.request_call(), value=ETHER).name == "RequestsArePaused"
    world.send(world.submit_call(one, world.certify(one, staffed.operators)))
    world.pass_time(SUPPLEMENT_WINDOW)
    world.send(world.gateway.functions.claim(0, [one.header]))
    world.send(world.gateway.functions.withdraw(), operator(0).account)
    world.send(world.gateway.functions.refund(over.header))
    world.pass_time(WINDOW)
    refund_refused_until(world, two)
    world.pass_time(LONGEST_PAUSE)
    world.send(world.gateway.functions.refund(two.header))
    world.send(world.gateway.functions.withdraw(), account("requester"))
    world.send(world.gateway.functions.setPaused(False))
    world.request()


def test_a_pause_moves_the_deadlines_of_the_tasks_it_found(staffed: Staffed) -> None:
    world = staffed.world
    task = world.request()
    world.send(world.gateway.functions.setPaused(True))
    world.pass_time(WINDOW + 400)
    assert world.status(task) == 1, "it has not expired"
    world.send(world.gateway.functions.setPaused(False))
    moved = refund_refused_until(world, task)
    assert moved - task.fields["deadline"] >= WINDOW + 400
    assert world.gateway.functions.deadlineOf(task.id).call() == moved
    later = world.request()
    assert world.gateway.functions.deadlineOf(later.id).call() == later.fields["deadline"]
    world.send(world.submit_call(task, world.certify(task, staffed.operators)))
    assert world.gateway.functions.wasPaused(task.id).call()
    world.send(world.submit_call(later, world.certify(later, staffed.operators)))
    assert not world.gateway.functions.wasPaused(later.id).call()


def test_several_pauses_add_up_to_the_longest_at_most(staffed: Staffed) -> None:
    world = staffed.world
    pause(world, 1000)  # before the task: of no account
    task = world.request()
    for _ in range(3):
        pause(world, 500)
    moved = world.gateway.functions.deadlineOf(task.id).call() - task.fields["deadline"]
    assert 1500 <= moved < 1520, "the three that came after it"
    pause(world, 2 * LONGEST_PAUSE)
    assert world.gateway.functions.deadlineOf(task.id).call() == task.fields["deadline"] + LONGEST_PAUSE
    assert world.status(task) == 3, "nobody can hold money back with a pause"
    refusal = refusal_of(world, world.submit_call(task, world.certify(task, staffed.operators)))
    assert refusal.name == "DeadlinePassed"
    world.send(world.gateway.functions.refund(task.header))


def test_a_pause_after_the_deadline_brings_no_task_back(staffed: Staffed) -> None:
    world = staffed.world
    task = world.request()
    world.pass_time(WINDOW + 100)
    world.send(world.gateway.functions.setPaused(True))
    world.pass_time(50)
    assert world.status(task) == 3
    world.pass_time(500)
    assert world.status(task) == 3
    world.send(world.gateway.functions.refund(task.header))


@pytest.mark.parametrize("paused", [False, True])
def test_a_pause_that_came_after_the_certificate_did_not_meet_the_task(
    staffed: Staffed, paused: bool
) -> None:
    world = staffed.world
    task = world.request()
    world.send(world.submit_call(task, world.certify(task, staffed.operators)))
    world.pass_time(10)
    if paused:
        pause(world, 100)
    assert not world.gateway.functions.wasPaused(task.id).call()
