"""A member killed at any instant goes on in its next life, and never says two things in one slot.

Every await of a member that touches the world is an instant: before and after each database transaction (so
with and without the last write), before and after each message leaves, around the computation and around the
hand-over of the certificate.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from consensus.types import Kind
from p2pavs.execution import Execution
from p2pavs.storage import CertificateStore
from tests.unit.node.parliament import LIE, TRUTH, Fate, Parliament, Setting, execution

pytestmark = pytest.mark.usefixtures("no_threads", "no_log")

SETTING = Setting.with_fake_signatures()
PROPOSER = SETTING.committee.proposer(0)
BYSTANDER = next(i for i in range(4) if i not in (PROPOSER, SETTING.committee.proposer(1)))


async def lie() -> Execution:
    return execution(LIE)


async def one_run(directory: Path, victims: set[int], at: int, *, cancels: bool, liar: int | None) -> int:
    """Kill the victims at their ``at``-th instant, let them live again; how many of them were killed."""
    directory.mkdir()
    house = Parliament(SETTING, directory)
    fates = {index: Fate(at, cancels) for index in victims}
    if liar is not None:
        house.seats[liar].execute = lie
    async with trio.open_nursery() as nursery:
        for seat in house.seats:
            if seat.index in victims:
                nursery.start_soon(seat.live_twice, fates[seat.index])
            else:
                nursery.start_soon(seat.live)
        await house.until_decided(range(4))
        await trio.sleep(5)  # repetitions, catching up, evidence
        nursery.cancel_scope.cancel()
    killed = sum(house.seats[index].lives == 2 for index in victims)
    for seat in house.seats:
        seat.database.fate = Fate()
    house.assert_all_decided(TRUTH)
    house.assert_nobody_signed_twice()
    assert await CertificateStore(house.seats[BYSTANDER].database).count() == 1
    for seat in house.seats:
        if seat.index != liar:
            assert not [e for e in seat.events("evidence") if e["offence"] == "equivocation"]
    house.close()
    return killed


@pytest.mark.parametrize(
    ("victim", "liar", "cancels"),
    [
        pytest.param(PROPOSER, None, False, id="proposer killed"),
        pytest.param(PROPOSER, None, True, id="proposer cancelled"),
        pytest.param(BYSTANDER, None, False, id="other killed"),
        pytest.param(BYSTANDER, None, True, id="other cancelled"),
        pytest.param(BYSTANDER, PROPOSER, False, id="other killed, lying proposer"),
    ],
)
async def test_a_member_that_ends_at_any_instant_finishes(
    tmp_path: Path, autojump_clock: MockClock, victim: int, liar: int | None, cancels: bool
) -> None:
    at = 1
    while await one_run(tmp_path / str(at), {victim}, at, cancels=cancels, liar=liar):
        at += 1
    assert at > 25, "a member touches the world more often than that"


async def test_all_members_killed_at_the_same_instant_finish(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    at = 1
    while await one_run(tmp_path / str(at), {0, 1, 2, 3}, at, cancels=False, liar=None):
        at += 1
    assert at > 25


async def test_a_restored_backup_cannot_make_a_member_sign_twice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The log is lost and the result is another one: the guard alone must hold."""
    house = Parliament(SETTING, tmp_path)
    victim = house.seats[BYSTANDER]
    async with trio.open_nursery() as nursery:
        for seat in house.seats:
            nursery.start_soon(seat.live)
        await house.until_decided(range(4))
        nursery.cancel_scope.cancel()
    victim.database.transaction(lambda connection: connection.execute("DELETE FROM inputs"))
    victim.execute = lie
    for seat in house.seats:
        seat.member = None
    with trio.move_on_after(120):
        await victim.live()
    house.assert_nobody_signed_twice()
    assert (Kind.PREVOTE, 0) in house.statements(BYSTANDER)
    assert victim.guard is not None and victim.guard.refused > 0
    house.close()
