"""Offences, their evidence, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_utils.crypto import keccak
from web3.logs import DISCARD

from consensus import bls
from consensus.committee import Committee, Member
from consensus.evidence import Evidence, Offence, Opening, SignedStatement
from consensus.signing import proposal_id, statement, trace_commit, value_id, work_tag
from consensus.types import InstanceId, Kind, Result, Scope
from p2pavs.chain.certificates import ChainCertificate, result_to_abi
from p2pavs.chain.contracts import interface
from p2pavs.chain.evidence import Certified, ChainEvidence, encode_absence, encode_evidence
from p2pavs.chain.records import TaskHeader
from p2pavs.contracts import EVIDENCE_VERIFIERS
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.test_callbacks import ATTACK, encoded, puppet
from tests.integration.contracts.test_supplement import supplement
from tests.integration.contracts.world import (
    ABSENT_TASKS,
    ABSENT_WINDOW,
    BOUNTY_BPS,
    EPOCH_LENGTH,
    ETHER,
    REVEAL_BLOCKS,
    SUPPLEMENT_WINDOW,
    VETO_WINDOW,
    WITHDRAWAL_DELAY,
    Participant,
    Reverted,
    Task,
    World,
    account,
    operator,
)

SECRET = keccak(b"what only running the model gives")
REPORTER = account("reporter")
BURNT = "0x000000000000000000000000000000000000dEaD"


@dataclass(slots=True)
class Scene:
    """A certified task, and who may be accused of something in it."""

    staffed: Staffed
    task: Task
    committee: Committee
    certificate: tuple[Any, ...]
    result: Result
    elsewhere: Callable[[Scope], Scope] = lambda scope: scope
    """Changes what the accused's signatures are bound to."""

    @property
    def world(self) -> World:
        return self.staffed.world

    def sign(self, index: int, kind: Kind, round_: int, value: bytes) -> SignedStatement:
        scope = self.elsewhere(self.world.scope(self.task, self.committee))
        secret = operator(index).secret
        return SignedStatement(kind, round_, value, bls.sign(secret, statement(scope, kind, round_, value)))

    def evidence(self, offence: Offence, index: int, *signed: SignedStatement, **more: Any) -> Evidence:
        scope = self.world.scope(self.task, self.committee)
        return Evidence(offence, scope, self.committee.member(index), signed, **more)

    def encode(self, evidence: Evidence) -> ChainEvidence:
        header = header_of(self.task)
        certificate = ChainCertificate(
            self.certificate[0], self.certificate[1], self.result, *self.certificate[3:]
        )
        return encode_evidence(evidence, Certified(header, certificate))


def header_of(task: Task) -> TaskHeader:
    """A header as the node reads it: with raw addresses."""
    raw = {k: bytes.fromhex(v[2:]) if isinstance(v, str) else v for k, v in task.fields.items()}
    return TaskHeader.from_abi(raw)


@pytest.fixture
def scene(staffed: Staffed) -> Scene:
    world = staffed.world
    task = world.request()
    result = world.result(trace_commit=trace_commit(SECRET))
    certificate = world.certify(task, staffed.operators, result=result)
    world.send(world.submit_call(task, certificate))
    return Scene(staffed, task, world.committee(task, staffed.operators), certificate, result)


def equivocation(scene: Scene, index: int) -> Evidence:
    return scene.evidence(
        Offence.EQUIVOCATION,
        index,
        scene.sign(index, Kind.PRECOMMIT, 3, keccak(b"one")),
        scene.sign(index, Kind.PRECOMMIT, 3, keccak(b"other")),
    )


def wrong_prevote(scene: Scene, index: int) -> Evidence:
    claimed = keccak(b"another value")
    return scene.evidence(Offence.WRONG_OUTPUT, index, scene.sign(index, Kind.PREVOTE, 0, claimed))


def wrong_proposal(scene: Scene, index: int) -> Evidence:
    claimed = keccak(b"another value")
    signed = scene.sign(index, Kind.PROPOSAL, 2, proposal_id(claimed, -1))  # type: ignore[arg-type]
    return scene.evidence(Offence.WRONG_OUTPUT, index, signed, opening=Opening(claimed, -1))  # type: ignore[arg-type]


def wrong_report(scene: Scene, index: int) -> Evidence:
    return scene.evidence(Offence.WRONG_OUTPUT, index, scene.sign(index, Kind.OUTPUT, 0, keccak(b"x")))


def lazy_vote(scene: Scene, index: int) -> Evidence:
    return scene.evidence(
        Offence.FALSE_WORK_TAG,
        index,
        scene.sign(index, Kind.PREVOTE, 0, value_id(scene.result)),
        scene.sign(index, Kind.WORK_TAG, 0, keccak(b"made up")),
        trace_secret=SECRET,
    )


def report(world: World, evidence: ChainEvidence) -> Any:
    verifier = world.contracts[evidence.verifier].address
    return world.send(world.slashing.functions.report(verifier, evidence.data), REPORTER)


def refused(world: World, evidence: ChainEvidence) -> str:
    verifier = world.contracts[evidence.verifier].address
    with pytest.raises(Reverted) as refusal:
        world.simulate(world.slashing.functions.report(verifier, evidence.data), REPORTER)
    return refusal.value.name


def execute(world: World, number: int, evidence: ChainEvidence) -> Any:
    return world.send(world.slashing.functions.execute(number, evidence.data), account("anyone"))


def stake(world: World, index: int) -> int:
    return int(world.stakes.functions.stakeOf(operator(index).account).call())


def test_an_equivocation_costs_everything_at_once(scene: Scene) -> None:
    world, burnt = scene.world, scene.world.wei(BURNT)
    evidence = scene.encode(equivocation(scene, 4))
    receipt = report(world, evidence)
    assert receipt["gasUsed"] <= 600_000
    [log] = world.slashing.events.OperatorSlashed().process_receipt(receipt, errors=DISCARD)
    assert log["args"]["operator"] == operator(4).account
    assert (log["args"]["wad"], log["args"]["taken"]) == (10**18, STAKES[4])
    assert stake(world, 4) == 0
    assert not world.stakes.functions.isMember(operator(4).account).call()
    bounty = STAKES[4] * BOUNTY_BPS // 10_000
    assert world.slashing.functions.balanceOf(REPORTER).call() == bounty
    assert world.wei(BURNT) - burnt == STAKES[4] - bounty
    assert world.wei(world.slashing.address) == bounty
    assert world.wei(world.stakes.address) == sum(STAKES) - STAKES[4]
    before = world.wei(REPORTER)
    world.send(world.slashing.functions.withdraw(), REPORTER)
    assert world.wei(REPORTER) - before == bounty
    assert refused(world, evidence) == "OffenceKnown"


@pytest.mark.parametrize(
    ("make", "share"),
    [(wrong_prevote, 100), (wrong_proposal, 100), (wrong_report, 100), (lazy_vote, 10)],
)
def test_other_offences_wait_out_the_veto_window(
    scene: Scene, make: Callable[[Scene, int], Evidence], share: int
) -> None:
    world = scene.world
    evidence = scene.encode(make(scene, 2))
    receipt = report(world, evidence)
    [log] = world.slashing.events.CaseOpened().process_receipt(receipt)
    assert (log["args"]["id"], log["args"]["evidence"]) == (1, evidence.data)
    assert stake(world, 2) == STAKES[2]
    assert refused(world, evidence) == "OffenceKnown"
    with pytest.raises(Reverted) as refusal:
        execute(world, 1, evidence)
    assert refusal.value.name == "StillContestable"
    world.pass_time(VETO_WINDOW)
    with pytest.raises(Reverted) as refusal:
        world.send(world.slashing.functions.execute(1, evidence.data + bytes(32)), REPORTER)
    assert refusal.value.name == "OtherEvidence"
    execute(world, 1, evidence)
    assert stake(world, 2) == STAKES[2] - STAKES[2] // share
    with pytest.raises(Reverted) as refusal:
        execute(world, 1, evidence)
    assert refusal.value.name == "CaseClosed"
    with pytest.raises(Reverted) as refusal:
        execute(world, 2, evidence)
    assert refusal.value.name == "UnknownCase"


def test_a_veto_ends_a_case_for_good(scene: Scene) -> None:
    world, guardian = scene.world, account("guardian")
    evidence = scene.encode(lazy_vote(scene, 1))
    report(world, evidence)
    with pytest.raises(Reverted) as refusal:
        world.send(world.slashing.functions.veto(1), operator(1).account)
    assert refusal.value.name == "NotTheGuardian"
    world.send(world.slashing.functions.veto(1), guardian)
    world.pass_time(VETO_WINDOW)
    with pytest.raises(Reverted) as refusal:
        execute(world, 1, evidence)
    assert refusal.value.name == "CaseClosed"
    assert refused(world, evidence) == "OffenceKnown"
    assert stake(world, 1) == STAKES[1]


def test_after_the_window_no_veto_helps(scene: Scene) -> None:
    world = scene.world
    report(world, scene.encode(lazy_vote(scene, 1)))
    world.pass_time(VETO_WINDOW)
    with pytest.raises(Reverted) as refusal:
        world.send(world.slashing.functions.veto(1), account("guardian"))
    assert refusal.value.name == "WindowOver"


def test_leaving_is_no_escape(scene: Scene) -> None:
    world, who = scene.world, operator(4).account
    world.send(world.stakes.functions.requestWithdrawal(STAKES[4] - ETHER), who)
    world.send(world.registry.functions.exit(), who)
    report(world, scene.encode(equivocation(scene, 4)))
    assert stake(world, 4) == 0
    assert world.stakes.functions.withdrawalOf(who).call()[0] == 0
    world.pass_time(WITHDRAWAL_DELAY)
    with pytest.raises(Reverted) as refusal:
        world.send(world.stakes.functions.withdraw(), who)
    assert refusal.value.name == "NothingToWithdraw"


def test_a_rotated_key_still_accuses_its_operator(scene: Scene) -> None:
    world, who = scene.world, operator(3)
    renewed = type(who)(who.account, operator(33).secret)
    world.send(world.rotation(renewed), who.account)
    world.pass_time(4000)
    report(world, scene.encode(equivocation(scene, 3)))
    assert stake(world, 3) == 0


def test_what_is_no_equivocation(scene: Scene) -> None:
    world, sign, value = scene.world, scene.sign, keccak(b"one")
    good = equivocation(scene, 0)
    same = scene.evidence(Offence.EQUIVOCATION, 0, good.statements[0], good.statements[0])
    assert refused(world, scene.encode(same)) == "NoConflict"
    # The second one belongs to another round, to another kind, or is somebody else's.
    for other in (
        sign(0, Kind.PRECOMMIT, 4, keccak(b"other")),
        sign(0, Kind.PREVOTE, 3, keccak(b"other")),
        sign(1, Kind.PRECOMMIT, 3, keccak(b"other")),
    ):
        pair = scene.evidence(Offence.EQUIVOCATION, 0, sign(0, Kind.PRECOMMIT, 3, value), other)
        assert refused(world, scene.encode(pair)) == "SignatureMismatch"
    blank = SignedStatement(Kind.PRECOMMIT, 3, keccak(b"other"), good.statements[0].signature)
    forged = scene.evidence(Offence.EQUIVOCATION, 0, good.statements[0], blank)
    assert refused(world, scene.encode(forged)) == "SignatureMismatch"
    for kind in (0, 6):
        struct = ((scene.task.id, 0, scene.committee.root), kind, 3, value, keccak(b"other"))
        key, signature = bls.public_key_to_evm(operator(0).key), bytes(256)
        verifier = EVIDENCE_VERIFIERS["equivocation"]
        data = interface(verifier).encode("checkDecoded", (*struct, key, signature))[4:]
        assert refused(world, ChainEvidence(verifier, b"", 0, data)) == "UnknownKind"


ELSEWHERE: dict[str, Callable[[Scope], Scope]] = {
    "chain": lambda scope: replace(scope, domain=replace(scope.domain, chain_id=scope.domain.chain_id + 1)),
    "gateway": lambda scope: replace(scope, domain=replace(scope.domain, gateway=b"\1" * 20)),
    "task": lambda scope: replace(scope, instance=InstanceId(scope.instance.task_id + 1, 0)),
    "attempt": lambda scope: replace(scope, instance=InstanceId(scope.instance.task_id, 1)),
    "committee": lambda scope: replace(scope, committee_root=b"\1" * 32),
}


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("make", [equivocation, wrong_prevote, wrong_proposal, wrong_report, lazy_vote])
def test_what_was_signed_elsewhere_is_no_evidence_here(
    scene: Scene, make: Callable[[Scene, int], Evidence], where: str
) -> None:
    """The same statements, signed for another chain, gateway, task, attempt or committee."""
    scene.elsewhere = ELSEWHERE[where]
    assert refused(scene.world, scene.encode(make(scene, 2))) == "SignatureMismatch"


def test_who_is_paid_a_bounty_cannot_take_it_twice_at_once(scene: Scene) -> None:
    world, slashing = scene.world, scene.world.slashing
    reporter = puppet(world, ATTACK)
    report(world, scene.encode(equivocation(scene, 3)))  # somebody else's bounty lies there
    evidence = scene.encode(equivocation(scene, 4))
    verifier = world.contracts[evidence.verifier].address
    world.send(
        reporter.functions.poke(slashing.address, encoded(slashing.functions.report(verifier, evidence.data)))
    )
    bounty = STAKES[4] * BOUNTY_BPS // 10_000
    withdraw = encoded(slashing.functions.withdraw())
    world.send(reporter.functions.plan(slashing.address, [withdraw]))
    world.send(reporter.functions.poke(slashing.address, withdraw))
    assert world.wei(reporter.address) == bounty
    assert not reporter.functions.outcomes(0).call()
    assert world.wei(slashing.address) == slashing.functions.balanceOf(REPORTER).call() > 0


def test_a_key_that_nobody_registered_accuses_nobody(scene: Scene) -> None:
    stranger = operator(99)
    message = statement(scene.world.scope(scene.task, scene.committee), Kind.PRECOMMIT, 3, keccak(b"one"))
    signed = SignedStatement(Kind.PRECOMMIT, 3, keccak(b"one"), bls.sign(stranger.secret, message))
    other = SignedStatement(Kind.PRECOMMIT, 3, keccak(b"two"), bls.sign(stranger.secret, message))
    good = scene.encode(scene.evidence(Offence.EQUIVOCATION, 0, signed, other))
    data = good.data.replace(bls.public_key_to_evm(operator(0).key), bls.public_key_to_evm(stranger.key))
    assert refused(scene.world, ChainEvidence(good.verifier, b"", 0, data)) == "UnknownKey"


def test_what_is_no_wrong_output(scene: Scene) -> None:
    world, certified = scene.world, value_id(scene.result)
    right = scene.evidence(Offence.WRONG_OUTPUT, 0, scene.sign(0, Kind.PREVOTE, 0, certified))
    assert refused(world, scene.encode(right)) == "ClaimsTheCertified"
    nil = scene.evidence(Offence.WRONG_OUTPUT, 0, scene.sign(0, Kind.PREVOTE, 0, bytes(32)))
    assert refused(world, scene.encode(nil)) == "ClaimsTheCertified"
    precommit = scene.evidence(Offence.WRONG_OUTPUT, 0, scene.sign(0, Kind.PRECOMMIT, 0, keccak(b"x")))
    assert refused(world, scene.encode(precommit)) == "ClaimsNoResult"
    # A proposer with a proof of lock repeats the value as it must.
    claimed = keccak(b"another value")
    locked = scene.sign(0, Kind.PROPOSAL, 2, proposal_id(claimed, 0))  # type: ignore[arg-type]
    evidence = scene.evidence(Offence.WRONG_OUTPUT, 0, locked, opening=Opening(claimed, -1))  # type: ignore[arg-type]
    assert refused(world, scene.encode(evidence)) == "SignatureMismatch"


def test_a_made_up_certificate_holds_nothing_against_anyone(scene: Scene) -> None:
    """Neither too few signers, nor another result under the same signature, nor another task's header."""
    world, operators = scene.world, scene.staffed.operators
    few = world.certify(scene.task, operators, [0, 1], scene.result)
    scene.certificate = few
    assert refused(world, scene.encode(wrong_prevote(scene, 2))) == "QuorumNotReached"
    whole = list(world.certify(scene.task, operators, result=scene.result))
    lie = world.result(b"no", trace_commit=trace_commit(SECRET))
    whole[2] = result_to_abi(lie)
    scene.certificate, scene.result = tuple(whole), lie
    assert refused(world, scene.encode(wrong_prevote(scene, 2))) == "SignatureMismatch"


def test_a_header_that_was_made_up_gives_another_root(scene: Scene) -> None:
    world, operators = scene.world, scene.staffed.operators
    scene.certificate = world.certify(scene.task, operators, result=scene.result)
    accused = wrong_prevote(scene, 2)
    made_up = scene.task.altered(fee=1)
    other = Scene(
        scene.staffed,
        made_up,
        world.committee(made_up, operators),
        world.certify(made_up, operators, result=scene.result),
        scene.result,
    )
    # Its certificate is good (all colluded), but the accused signed nothing for that header.
    evidence = other.evidence(Offence.WRONG_OUTPUT, 2, *accused.statements)
    assert refused(world, other.encode(evidence)) == "SignatureMismatch"


def test_what_is_no_lazy_vote(scene: Scene) -> None:
    world, value = scene.world, value_id(scene.result)
    scope = world.scope(scene.task, scene.committee)
    due = work_tag(scope.domain, scope.instance, operator(0).address, SECRET)
    vote = scene.sign(0, Kind.PREVOTE, 0, value)

    def lazy(tag: SignedStatement, prevote: SignedStatement = vote, secret: bytes = SECRET) -> str:
        made = scene.evidence(Offence.FALSE_WORK_TAG, 0, prevote, tag, trace_secret=secret)
        return refused(world, scene.encode(made))

    assert lazy(scene.sign(0, Kind.WORK_TAG, 0, due)) == "TagIsRight"
    false = scene.sign(0, Kind.WORK_TAG, 0, keccak(b"made up"))
    assert lazy(false, secret=keccak(b"guess")) == "WrongSecret"
    assert lazy(scene.sign(1, Kind.WORK_TAG, 0, keccak(b"made up"))) == "SignatureMismatch"
    # A tag for a result of its own is none for the certified one.
    assert lazy(false, scene.sign(0, Kind.PREVOTE, 0, keccak(b"own"))) == "SignatureMismatch"


def missed(
    staffed: Staffed, absent: int, count: int, there: frozenset[int] = frozenset(), seats: int = 0
) -> list[Task]:
    """Certified tasks from which one operator is missing, but for those numbers in ``there``."""
    world, tasks = staffed.world, []
    for number in range(count):
        task = world.request(committeeSize=seats)
        members = [member.index for member in world.committee(task, staffed.operators).members]
        signers = [i for i in members if i != absent or number in there]
        world.send(world.submit_call(task, world.certify(task, staffed.operators, signers)))
        tasks.append(task)
    return tasks


def absence(tasks: list[Task], index: int, at: int | None = None) -> ChainEvidence:
    place = index if at is None else at
    return encode_absence(operator(index).address, [(header_of(task), place) for task in tasks])


def test_who_is_hardly_ever_there_loses_a_tenth_and_its_place(staffed: Staffed) -> None:
    world, tasks = staffed.world, missed(staffed, 5, ABSENT_TASKS + 1, frozenset({1}))
    gone = [task for number, task in enumerate(tasks) if number != 1]
    evidence = absence(gone, 5)
    assert refused(world, evidence) == "SupplementOpen"
    world.pass_time(SUPPLEMENT_WINDOW)
    report(world, evidence)
    # The same tasks, or some of them, are no second offence.
    assert refused(world, evidence) == "OffenceKnown"
    world.pass_time(VETO_WINDOW)
    execute(world, 1, evidence)
    assert stake(world, 5) == STAKES[5] - STAKES[5] // 10
    assert not world.stakes.functions.isMember(operator(5).account).call()


def test_who_was_left_out_clears_itself(staffed: Staffed) -> None:
    """A poster may leave somebody out: who adds itself to a certificate cannot be reported for it."""
    world, tasks = staffed.world, missed(staffed, 5, ABSENT_TASKS)
    world.send(supplement(staffed, tasks[1], [5]))
    world.pass_time(SUPPLEMENT_WINDOW)
    assert refused(world, absence(tasks, 5)) == "WasThere"


def test_seats_that_were_drawn_count_as_well(staffed: Staffed) -> None:
    """The least operator has a seat in two of three committees of 32, and never a third of them."""
    world, tasks = staffed.world, list[Task]()

    def drawn() -> list[Task]:
        late = [task for task in tasks if task.id > tasks[-1].id - ABSENT_WINDOW]
        return [task for task in late if seated(task)]

    def seated(task: Task) -> bool:
        return 5 in [member.index for member in world.committee(task, staffed.operators).members]

    while not tasks or len(drawn()) < ABSENT_TASKS or all(map(seated, tasks[-ABSENT_WINDOW:])):
        tasks += missed(staffed, 5, 1, seats=32)
    evidence = absence(drawn()[:ABSENT_TASKS], 5)
    assert refused(world, evidence) == "SupplementOpen"
    world.pass_time(SUPPLEMENT_WINDOW)
    strange = next(task for task in tasks[-ABSENT_WINDOW:] if not seated(task))
    mixed = sorted([*drawn()[: ABSENT_TASKS - 1], strange], key=lambda task: task.id)
    assert refused(world, absence(mixed, 5)) == "NotDrawn"
    there = next(m.index for m in world.committee(drawn()[0], staffed.operators).members if m.index != 5)
    assert refused(world, absence(drawn()[:ABSENT_TASKS], there)) == "WasThere"
    report(world, evidence)
    world.pass_time(VETO_WINDOW)
    execute(world, 1, evidence)
    assert stake(world, 5) == STAKES[5] - STAKES[5] // 10


def test_a_task_that_met_a_pause_counts_for_nobody(staffed: Staffed) -> None:
    world, tasks = staffed.world, missed(staffed, 5, ABSENT_TASKS - 1)
    met = world.request()
    world.send(world.gateway.functions.setPaused(True))
    signers = [i for i in range(len(STAKES)) if i != 5]
    world.send(world.submit_call(met, world.certify(met, staffed.operators, signers)))
    world.send(world.gateway.functions.setPaused(False))
    world.pass_time(SUPPLEMENT_WINDOW)
    assert refused(world, absence([*tasks, met], 5)) == "PausedMeanwhile"


def test_what_is_no_absence(staffed: Staffed) -> None:
    world = staffed.world
    tasks = missed(staffed, 5, ABSENT_WINDOW + 1)
    world.pass_time(SUPPLEMENT_WINDOW)
    assert refused(world, absence(tasks[: ABSENT_TASKS - 1], 5)) == "TooFewTasks"
    wide = [tasks[0], tasks[1], tasks[ABSENT_WINDOW]]
    assert refused(world, absence(wide, 5)) == "WindowTooWide"
    assert refused(world, absence([tasks[0]] * ABSENT_TASKS, 5)) == "NotAscending"
    assert refused(world, absence(tasks[:ABSENT_TASKS], 4)) == "WasThere"
    assert refused(world, absence(tasks[:ABSENT_TASKS], 4, at=5)) == "AnotherOperator"
    assert refused(world, absence(tasks[:ABSENT_TASKS], 5, at=99)) == "NotInTheSet"
    assert refused(world, absence([*tasks[-2:], world.request()], 5)) == "NotCertified"
    forged = [tasks[0], tasks[1], tasks[2].altered(fee=1)]
    assert refused(world, absence(forged, 5)) == "HeaderMismatch"


def test_a_slash_makes_the_next_epoch_due(scene: Scene) -> None:
    world = scene.world
    with pytest.raises(Reverted) as refusal:
        world.send(world.freeze_call(64))
    assert refusal.value.name == "EpochNotDue"
    assert world.stakes.functions.lastSlashAt().call() == 0
    report(world, scene.encode(equivocation(scene, 4)))
    slashed_at = world.w3.eth.block_number
    assert world.stakes.functions.lastSlashAt().call() == slashed_at
    assert world.epochs.functions.dueBlock().call() == slashed_at
    world.send(world.freeze_call(64))
    world.mine(REVEAL_BLOCKS * world.epochs.functions.RANKS().call())
    world.send(world.epochs.functions.open())
    accounts = [one.operator for one in world.operator_set().operators]
    assert operator(4).address not in accounts
    assert len(accounts) == len(STAKES) - 1
    # The new set is right: the next one is due when the epoch is over.
    opened = world.epochs.functions.epochInfo(2).call()[4]
    assert world.epochs.functions.dueBlock().call() == opened + EPOCH_LENGTH


def self_accusation(world: World, who: Participant, task: int) -> ChainEvidence:
    """Evidence that somebody made against itself: two votes for a committee that never was."""
    scope = Scope(world.domain, InstanceId(task, 0), keccak(b"a committee"))
    values = keccak(b"one"), keccak(b"other")
    signed = [
        SignedStatement(
            Kind.PREVOTE, 0, value, bls.sign(who.secret, statement(scope, Kind.PREVOTE, 0, value))
        )
        for value in values
    ]
    accused = Member(0, who.address, who.key, 1)
    return encode_evidence(Evidence(Offence.EQUIVOCATION, scope, accused, tuple(signed)))


def test_nobody_makes_an_epoch_due_with_offences_that_cost_nothing(scene: Scene) -> None:
    """A key without stake, or with a little, can equivocate as often as it likes."""
    world, who = scene.world, operator(9)
    due = world.epochs.functions.dueBlock().call()
    world.send(world.registration(who), who.account)
    report(world, self_accusation(world, who, 1))
    world.send(world.stakes.functions.deposit(), who.account, value=ETHER - 1)
    report(world, self_accusation(world, who, 2))
    assert world.stakes.functions.stakeOf(who.account).call() == 0
    assert world.epochs.functions.dueBlock().call() == due
    # Who is in the set loses all of it at once, on its way out or not.
    world.send(world.stakes.functions.requestWithdrawal(STAKES[4]), operator(4).account)
    report(world, self_accusation(world, operator(4), 3))
    assert world.epochs.functions.dueBlock().call() == world.w3.eth.block_number


def test_a_set_that_is_half_written_when_someone_is_slashed_is_begun_anew(world: World) -> None:
    crew = world.enlist([ETHER + i for i in range(65)])
    world.send(world.freeze_call(64))
    report(world, self_accusation(world, crew[0], 1))
    world.send(world.freeze_call(128))
    world.send(world.epochs.functions.open())
    accounts = [one.operator for one in world.operator_set().operators]
    assert crew[0].address not in accounts
    assert len(accounts) == len(crew) - 1


def test_only_the_manager_takes_stake_and_only_the_owner_sets_penalties(scene: Scene) -> None:
    world, thief = scene.world, account("thief")
    for call, error in (
        (world.stakes.functions.slash(operator(0).account, 10**18, ""), "NotTheSlasher"),
        (world.stakes.functions.eject(operator(0).account), "NotTheSlasher"),
        (world.slashing.functions.setClass(thief, (1, False, False, False)), "NotTheOwner"),
        (world.slashing.functions.setGuardian(thief), "NotTheOwner"),
        (world.slashing.functions.report(thief, b""), "UnknownVerifier"),
        (world.slashing.functions.withdraw(), "NothingToWithdraw"),
    ):
        with pytest.raises(Reverted) as refusal:
            world.send(call, thief)
        assert refusal.value.name == error
    with pytest.raises(Reverted) as refusal:
        world.send(world.slashing.functions.setClass(thief, (10**18 + 1, False, False, False)))
    assert refusal.value.name == "WrongClass"


def test_the_timing_must_fit_the_unbonding_delay(scene: Scene) -> None:
    from p2pavs.contracts import artifact

    world, compiled = scene.world, artifact("SlashingManager")
    factory = world.w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
    arguments = (world.stakes.address, (world.owner, world.owner), 1000)
    half = WITHDRAWAL_DELAY // 2
    for timing, fits in (((half - 3, 1, 0, 1), True), ((half - 3, 1, 1, 1), False)):
        code = factory.constructor(*arguments, timing, []).data_in_transaction
        answer = world.w3.provider.make_request(
            "eth_call",  # type: ignore[arg-type]
            [{"from": world.owner, "data": code, "gas": hex(10**7)}, "latest"],
        )
        assert ("error" not in answer) is fits
