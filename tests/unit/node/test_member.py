"""Members with real guards, logs and signatures, wired in memory, decide whatever one of them does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from consensus.effects import ExecutionTimeout, OwnResult, RebroadcastDue, Received
from consensus.evidence import check_evidence, equivocation_evidence, wrong_output_evidence
from consensus.hashing import keccak256
from consensus.messages import Commit, DivergenceReport, Message, Proposal, Vote
from consensus.signing import statement, value_id
from consensus.types import NIL, Kind
from consensus.wire import decode_message
from p2pavs.execution import Execution
from p2pavs.network import Offence
from p2pavs.storage import CertificateStore, EvidenceStore, InputLog
from tests.unit.node.disk import break_disk, mend_disk
from tests.unit.node.parliament import LIE, TRUTH, Parliament, Setting, execution, until

pytestmark = pytest.mark.usefixtures("no_threads")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Parliament]:
    opened = Parliament(Setting.with_fake_signatures(), tmp_path)
    yield opened
    opened.close()


def proposer(house: Parliament, round_: int = 0) -> int:
    return house.setting.committee.proposer(round_)


def bystander(house: Parliament) -> int:
    """A member that does not propose in the first rounds."""
    taken = {proposer(house, 0), proposer(house, 1)}
    return next(seat.index for seat in house.seats if seat.index not in taken)


async def meet(house: Parliament, *wait_for: int) -> None:
    """Let all members live until those have decided (without names: all)."""
    async with trio.open_nursery() as nursery:
        for seat in house.seats:
            nursery.start_soon(seat.live)
        await house.until_decided(wait_for or range(len(house.seats)))
        nursery.cancel_scope.cancel()


async def test_four_members_with_real_signatures_decide_in_round_0(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    house = Parliament(Setting.with_real_signatures(), tmp_path)
    await meet(house)
    house.assert_all_decided(TRUTH)
    house.assert_nobody_signed_twice()
    for seat in house.seats:
        (certificate,) = seat.events("certificate")
        assert certificate["round"] == 0
        assert certificate["weight"] > 2
        stored = await CertificateStore(seat.database).get(house.setting.scope.instance.task_id)
        assert stored == seat.decisions[0]
        assert await EvidenceStore(seat.database).all() == []
    house.close()


async def test_a_decision_survives_the_death_of_all(house: Parliament, autojump_clock: MockClock) -> None:
    await meet(house)
    before = [seat.decisions[0] for seat in house.seats]
    for seat in house.seats:
        seat.decisions.clear()
        seat.member = None
    await meet(house)
    assert [seat.decisions[0] for seat in house.seats] == before
    house.assert_nobody_signed_twice()
    for seat in house.seats:
        assert seat.executed == 1  # the result came from the log
        assert seat.events("resumed")


async def test_a_dead_proposer_costs_a_round_and_no_answer(
    house: Parliament, autojump_clock: MockClock
) -> None:
    dead = proposer(house)

    async def never() -> None:
        await trio.sleep_forever()

    house.seats[dead].live = never  # type: ignore[method-assign]
    rest = [seat.index for seat in house.seats if seat.index != dead]
    await meet(house, *rest)
    house.assert_all_decided(TRUTH, dead)
    assert all(seat.decisions[0].certificate.round > 0 for seat in house.seats if seat.index != dead)


async def test_a_deaf_member_learns_of_the_decision_when_it_hears_again(
    house: Parliament, autojump_clock: MockClock
) -> None:
    deaf = bystander(house)
    house.deaf.add(deaf)
    rest = [seat.index for seat in house.seats if seat.index != deaf]
    async with trio.open_nursery() as nursery:
        for seat in house.seats:
            nursery.start_soon(seat.live)
        await house.until_decided(rest)
        assert not house.seats[deaf].decisions
        house.deaf.clear()
        await house.until_decided([deaf])
        nursery.cancel_scope.cancel()
    house.assert_all_decided(TRUTH)


async def test_a_wrong_result_is_outvoted_and_kept_as_evidence(
    house: Parliament, autojump_clock: MockClock
) -> None:
    liar = bystander(house)

    async def lie() -> Execution:
        return execution(LIE)

    house.seats[liar].execute = lie
    async with trio.open_nursery() as nursery:
        for seat in house.seats:
            nursery.start_soon(seat.live)
        await house.until_decided([seat.index for seat in house.seats])
        await until(lambda: all(s.events("divergence") for s in house.seats if s.index != liar))
        nursery.cancel_scope.cancel()
    house.assert_all_decided(TRUTH)
    for seat in house.seats:
        if seat.index == liar:
            continue
        (found,) = await EvidenceStore(seat.database).all()
        assert (found.offence, found.operator) == (
            "divergence",
            house.setting.committee.member(liar).operator,
        )
        report = decode_message(found.first)
        assert isinstance(report, DivergenceReport)
        assert value_id(report.own) == value_id(execution(LIE).result)


async def test_a_lying_proposer_is_outvoted_and_its_proposal_is_evidence(
    house: Parliament, autojump_clock: MockClock
) -> None:
    liar = proposer(house)

    async def lie() -> Execution:
        return execution(LIE)

    house.seats[liar].execute = lie
    await meet(house)
    house.assert_all_decided(TRUTH)
    of = house.setting
    for seat in house.seats:
        found = {(e.offence, e.operator): e for e in await EvidenceStore(seat.database).all()}
        evidence = found["wrong-output", of.committee.member(liar).operator]
        message, proof = decode_message(evidence.first), decode_message(evidence.second)
        assert isinstance(message, Proposal | Vote) and isinstance(proof, Commit)
        made = wrong_output_evidence(message, proof.certificate, of.scope, of.committee)
        check_evidence(made, of.committee, of.scheme)
        # Nobody else is accused of anything but having computed something else than the liar.
        assert {offence for (offence, who) in found if who != evidence.operator} <= {"divergence"}


async def test_a_lazy_member_is_found_out(house: Parliament, autojump_clock: MockClock) -> None:
    lazy = bystander(house)

    async def copy() -> Execution:
        true = execution(TRUTH)
        return replace(true, trace_secret=b"\x13" * 32)

    house.seats[lazy].execute = copy
    rest = [seat.index for seat in house.seats if seat.index != lazy]
    await meet(house, *rest)
    house.assert_all_decided(TRUTH, lazy)
    operator = house.setting.committee.member(lazy).operator
    for index in rest:
        seat = house.seats[index]
        (found,) = await EvidenceStore(seat.database).all()
        assert (found.offence, found.operator) == ("lazy-vote", operator)
        vote = decode_message(found.first)
        assert isinstance(vote, Vote) and vote.work is not None
        assert vote.work.tag != found.second
        assert [e["offence"] for e in seat.events("evidence")] == ["lazy-vote"]


async def test_an_equivocator_leaves_both_messages(house: Parliament, autojump_clock: MockClock) -> None:
    twin = bystander(house)
    of = house.setting
    await meet_with_twin(house, twin)
    rest = [seat for seat in house.seats if seat.index != twin]
    for seat in rest:
        found = {e.offence: e for e in await EvidenceStore(seat.database).all()}
        one = decode_message(found["equivocation"].first)
        two = decode_message(found["equivocation"].second)
        assert isinstance(one, Vote) and isinstance(two, Vote) and one.sender == twin
        check_evidence(equivocation_evidence(one, two, of.scope, of.committee), of.committee, of.scheme)


async def meet_with_twin(house: Parliament, twin: int) -> None:
    """All members, and a second precommit of one of them, for nothing, in the same slot."""
    of = house.setting
    seat = house.seats[twin]
    signed = of.signer(twin).sign(statement(of.scope, Kind.PRECOMMIT, 0, NIL))
    other = Vote(of.scope.instance, Kind.PRECOMMIT, 0, NIL, twin, signed)
    honest = seat.publish

    async def publish(message: Message) -> None:
        await honest(message)
        if isinstance(message, Vote) and message.kind is Kind.PRECOMMIT:
            house.say(twin, other)

    seat.publish = publish  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        for one in house.seats:
            nursery.start_soon(one.live)
        await house.until_decided([s.index for s in house.seats])
        await until(lambda: all(s.events("evidence") for s in house.seats if s.index != twin))
        nursery.cancel_scope.cancel()


async def test_a_late_result_is_still_voted_on(house: Parliament, autojump_clock: MockClock) -> None:
    """One member is dead and one is late: nothing can be decided before the late result is there."""
    late, dead = bystander(house), proposer(house)
    seat = house.seats[late]
    seat.execution_limit = 5.0

    async def slow() -> Execution:
        await trio.sleep(40)
        return execution(TRUTH)

    async def never() -> None:
        await trio.sleep_forever()

    seat.execute = slow
    house.seats[dead].live = never  # type: ignore[method-assign]
    await meet(house, *(s.index for s in house.seats if s.index != dead))
    house.assert_all_decided(TRUTH, dead)
    house.assert_nobody_signed_twice()
    assert seat.events("inference_late") and seat.events("inference_done")
    log = await InputLog(seat.database, house.setting.scope).replay()
    kinds = [type(one) for one in log]
    assert kinds.index(ExecutionTimeout) < kinds.index(OwnResult)
    assert late in seat.decisions[0].certificate.signers


@pytest.mark.parametrize(("seconds", "told"), [(5, "inference_done"), (60, "inference_stopped")])
async def test_who_is_slower_than_the_decision_stops_computing_after_a_while(
    house: Parliament, autojump_clock: MockClock, seconds: float, told: str
) -> None:
    slow = house.seats[bystander(house)]
    stopped = trio.Event()

    async def compute() -> Execution:
        try:
            await trio.sleep(seconds)
        finally:
            stopped.set()
        return execution(TRUTH)

    slow.execute = compute
    async with trio.open_nursery() as nursery:
        for seat in house.seats:
            nursery.start_soon(seat.live)
        await house.until_decided([seat.index for seat in house.seats])
        assert not stopped.is_set()
        await stopped.wait()
        await until(lambda: bool(slow.events(told)))
        nursery.cancel_scope.cancel()
    house.assert_all_decided(TRUTH)


async def test_who_cannot_compute_still_takes_part_in_the_decision(
    house: Parliament, autojump_clock: MockClock
) -> None:
    blind = bystander(house)

    async def nothing() -> None:
        return None

    house.seats[blind].execute = nothing
    await meet(house)
    house.assert_all_decided(TRUTH)
    assert value_id(execution(TRUTH).result) not in {
        value for (kind, _), v in house.statements(blind).items() if kind is Kind.PREVOTE for value in v
    }


async def test_a_disk_that_fails_for_a_while_stops_signatures_and_nothing_else(
    house: Parliament, autojump_clock: MockClock
) -> None:
    victim = proposer(house)
    seat = house.seats[victim]
    rest = [s.index for s in house.seats if s.index != victim]
    async with trio.open_nursery() as nursery:
        for one in house.seats:
            nursery.start_soon(one.live)
        with trio.fail_after(60):
            while seat.member is None or seat.member.round < 0:
                await trio.lowlevel.checkpoint()
        break_disk(seat.database)
        said = len([who for who, _ in house.said if who == victim])
        await house.until_decided(rest)
        assert not seat.decisions
        assert seat.database.failure is not None
        # At most what was on disk already when the disk broke still left.
        assert len([who for who, _ in house.said if who == victim]) <= said + 1
        mend_disk(seat.database)
        await house.until_decided([victim])
        nursery.cancel_scope.cancel()
    assert seat.lives == 1 and seat.database.failure is None
    house.assert_all_decided(TRUTH)
    house.assert_nobody_signed_twice()


async def test_an_invalid_message_reaches_neither_the_log_nor_the_journal(
    house: Parliament, autojump_clock: MockClock
) -> None:
    seat = house.seats[bystander(house)]
    async with trio.open_nursery() as nursery:
        for one in house.seats:
            nursery.start_soon(one.live)
        await house.until_decided([seat.index])
        nursery.cancel_scope.cancel()
    honest = next(m for who, m in house.said if isinstance(m, Vote) and who != seat.index)
    forged = replace(honest, round=1, signature=b"\x07" * 96)
    seat.decisions.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(seat.live)
        await house.until_decided([seat.index])
        assert seat.member is not None
        seat.member.deliver(forged, "liar")
        seat.member.deliver(replace(forged, sender=200), "liar")
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    log = await InputLog(seat.database, house.setting.scope).replay()
    assert forged not in [one.message.message for one in log if isinstance(one, Received)]
    assert not [e for e in seat.events("prevote") + seat.events("precommit") if e["round"] == 1]
    assert seat.blamed == [("liar", Offence.FORGED)] * 2


async def test_repetitions_do_not_fill_the_log(house: Parliament, autojump_clock: MockClock) -> None:
    """Half of the committee is dead, so the rest repeats itself until the deadline."""
    dead = {proposer(house, 0), next(i for i in range(4) if i != proposer(house, 0))}
    alive = [seat for seat in house.seats if seat.index not in dead]
    async with trio.open_nursery() as nursery:
        for seat in alive:
            nursery.start_soon(seat.live)
        await trio.sleep(600)
        nursery.cancel_scope.cancel()
    for seat in alive:
        log = await InputLog(seat.database, house.setting.scope).replay()
        received = [one.message.message for one in log if isinstance(one, Received)]
        assert received, "the others were heard"
        assert len(received) == len(set(received))
        assert sum(isinstance(one, RebroadcastDue) for one in log) > 200


async def test_a_peer_that_helps_to_catch_up_cannot_fill_the_log(
    house: Parliament, autojump_clock: MockClock
) -> None:
    """What it hands over is signed, and still one member is not believed about rounds far ahead."""
    twin = bystander(house)
    victim = house.seats[proposer(house)]
    of = house.setting
    given: list[Message] = []

    async def endless() -> list[tuple[Message, str]]:
        await trio.lowlevel.checkpoint()
        first = 65 + len(given)
        fresh: list[Message] = []
        for round_ in range(first, first + 50):
            signed = of.signer(twin).sign(statement(of.scope, Kind.PRECOMMIT, round_, NIL))
            fresh.append(Vote(of.scope.instance, Kind.PRECOMMIT, round_, NIL, twin, signed))
        given.extend(fresh)
        return [(message, "twin") for message in fresh]

    victim._catch_up = endless  # type: ignore[method-assign]
    with trio.move_on_after(60):
        await victim.live()  # alone, so that it asks for help again and again
    assert len(given) > 1000
    log = await InputLog(victim.database, of.scope).replay()
    assert not [one for one in log if isinstance(one, Received) and one.message.message in given]


async def test_one_members_reports_are_journalled_once(house: Parliament, autojump_clock: MockClock) -> None:
    """Each of them is validly signed: who may write to the journal without end can push all else out."""
    talker = bystander(house)
    listener = house.seats[proposer(house)]
    of = house.setting
    async with trio.open_nursery() as nursery:
        for seat in house.seats:
            nursery.start_soon(seat.live)
        await house.until_decided([listener.index])
        assert listener.member is not None
        for number in range(50):
            result = replace(execution(LIE).result, output_hash=keccak256(b"%d" % number))
            signed = of.signer(talker).sign(statement(of.scope, Kind.OUTPUT, 0, value_id(result)))
            listener.member.deliver(DivergenceReport(of.scope.instance, result, -1, talker, signed))
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert len(listener.events("divergence")) == 1
    assert len([e for e in listener.events("evidence") if e["offence"] == "divergence"]) == 1


async def test_no_secret_reaches_journal_or_log(house: Parliament, autojump_clock: MockClock) -> None:
    with capture_logs() as logged:
        await meet(house)
    secret = execution(TRUTH).trace_secret
    told = [str(event) for seat in house.seats for event in seat.journal.events(1)]
    assert told and logged
    for text in (*told, *map(str, logged)):
        assert secret.hex() not in text and repr(secret)[2:-1] not in text


async def test_a_member_that_has_ended_takes_messages_without_failing(
    house: Parliament, autojump_clock: MockClock
) -> None:
    await meet(house)
    member = house.seats[0].member
    assert member is not None
    for _, message in house.said:
        member.deliver(message)
