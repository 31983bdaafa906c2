"""What committees do in the simulator, case by case. ``Simulation(Setting(...)).run()`` replays a failure."""

from __future__ import annotations

import io

import pytest

from consensus.effects import Decided, FalseWorkTag, Input, Received
from consensus.evidence import Offence
from consensus.messages import Commit, Vote
from consensus.signing import value_id
from p2pavs.sim.adversaries import KINDS
from p2pavs.sim.answers import RIGHT, WRONG
from p2pavs.sim.engine import Simulation
from p2pavs.sim.host import Host
from p2pavs.sim.invariants import Violation
from p2pavs.sim.network import NetworkModel, Partition
from p2pavs.sim.setting import Outage, Setting
from p2pavs.sim.signatures import BlsKeyring
from p2pavs.sim.trace import Trace
from tests.sim.chaos import chaos

FOUR, SEVEN, MANY_MEMBERS = (1,) * 4, (1,) * 7, (1,) * 16


def outputs(simulation: Simulation) -> set[bytes | None]:
    return {decided.output for decided in simulation.invariants.decisions.values()}


@pytest.mark.parametrize("weights", [FOUR, SEVEN, (5, 1, 2, 2, 3)])
def test_everyone_decides_the_right_value_in_the_first_round(weights: tuple[int, ...]) -> None:
    for seed in range(30):
        simulation = Simulation(Setting(weights, seed)).run()
        assert outputs(simulation) == {RIGHT}
        assert simulation.rounds == 1
        assert not simulation.invariants.evidence


def test_real_signatures_decide_the_same() -> None:
    real = Simulation(Setting(FOUR, seed=3), BlsKeyring()).run()
    fake = Simulation(Setting(FOUR, seed=3)).run()
    assert outputs(real) == outputs(fake) == {RIGHT}
    assert real.now == fake.now
    traffic = [[host.traffic for host in simulation.hosts] for simulation in (real, fake)]
    assert traffic[0] == traffic[1]  # fake signatures are as long as real ones


def test_two_dead_of_seven_cost_rounds_and_nothing_else() -> None:
    seen = set()
    for seed in range(40):
        simulation = Simulation(Setting(SEVEN, seed, dead=frozenset({1, 4}))).run()
        assert len(simulation.invariants.decisions) == 5
        seen.add(simulation.rounds)
    assert {1, 2} <= seen  # dead proposers were among the draws


def test_three_dead_of_seven_decide_nothing() -> None:
    simulation = Simulation(Setting(SEVEN, dead=frozenset({1, 2, 4}), limit_ms=20_000)).run()
    assert not simulation.decided


def test_who_should_decide_and_does_not_is_a_violation() -> None:
    cut = NetworkModel(partitions=(Partition(0, 1_000_000, frozenset({0, 1})),))
    with pytest.raises(Violation, match="termination"):
        Simulation(Setting(FOUR, network=cut, limit_ms=5000)).run()


def test_a_wrong_output_is_outvoted_reported_and_diverges() -> None:
    reported = 0
    for seed in range(40):
        simulation = Simulation(Setting(FOUR, seed, outputs={2: WRONG})).run()
        assert outputs(simulation) == {RIGHT}
        assert set(simulation.reports) == ({2} if simulation.committee.proposer(0) != 2 else {0, 1, 2, 3})
        guilty = {accused for offence, accused in simulation.invariants.evidence}
        assert guilty <= {2}
        reported += bool(guilty)
    assert reported > 0


def test_a_split_of_honest_results_decides_nothing_wrong() -> None:
    """Two and two: neither value has a quorum, so nothing may be decided."""
    assert not Simulation(Setting(FOUR, outputs={0: WRONG, 1: WRONG}, limit_ms=20_000)).run().decided


def test_a_lazy_member_is_found_out_by_everyone() -> None:
    knew = 0
    for seed in range(30):
        simulation = Simulation(Setting(SEVEN, seed, adversaries={3: "lazy"})).run()
        assert (Offence.FALSE_WORK_TAG, 3) in simulation.invariants.evidence
        for host in simulation.honest_hosts():
            steps = list(zip(host.disk.log, host.trail, strict=True))
            found = [
                i for i, (_, effects) in enumerate(steps) if any(isinstance(e, FalseWorkTag) for e in effects)
            ]
            assert found
            for i, (event, effects) in enumerate(steps):
                if isinstance(event, Received) and isinstance(event.message.message, Commit):
                    continue  # somebody else made this certificate
                for effect in effects:
                    if isinstance(effect, Decided) and found[0] < i:  # it knew when it made its certificate
                        assert 3 not in effect.certificate.signers
                        knew += 1
    assert knew > 0


@pytest.mark.parametrize("kind", ["equivocate", "split_proposal"])
@pytest.mark.parametrize("weights", [FOUR, SEVEN])
def test_who_says_two_things_divides_nobody_and_is_caught(weights: tuple[int, ...], kind: str) -> None:
    caught = 0
    for seed in range(40):
        simulation = Simulation(Setting(weights, seed, adversaries={2: kind})).run()
        caught += (Offence.EQUIVOCATION, 2) in simulation.invariants.evidence
        assert len(outputs(simulation)) == 1
    assert caught > 10  # alone with a half of the committee a liar can stay unnoticed


@pytest.mark.parametrize("kind", KINDS)
def test_no_adversary_below_a_third_stops_a_committee(kind: str) -> None:
    for seed in range(10):
        simulation = Simulation(Setting(SEVEN, seed, adversaries={1: kind, 5: kind})).run()
        assert simulation.decided
        assert outputs(simulation) == {RIGHT}


@pytest.mark.parametrize("kind", KINDS)
def test_no_adversary_below_two_thirds_has_a_wrong_result_certified(kind: str) -> None:
    """Honest members vote for what they computed, so a wrong result needs a quorum of liars."""
    for seed in range(10):
        setting = Setting(SEVEN, seed, adversaries=dict.fromkeys((0, 2, 3, 5), kind), limit_ms=3000)
        assert outputs(Simulation(setting).run()) <= {RIGHT}


def test_beyond_two_thirds_the_wrong_result_wins_and_is_noticed() -> None:
    with pytest.raises(Violation, match="no honest member's own"):
        for seed in range(10):
            liars = dict.fromkeys(range(5), "wrong_output")
            Simulation(Setting(SEVEN, seed, adversaries=liars, limit_ms=5000)).run()


def test_a_fork_is_accounted_for() -> None:
    """Honest results differ, and more than a third tell each half what it wants to hear."""
    forks = 0
    for seed in range(60):
        guilty = dict.fromkeys((4, 5, 6), "split_proposal")
        setting = Setting(
            SEVEN,
            seed,
            adversaries=guilty,
            outputs={1: WRONG, 3: WRONG},
            network=NetworkModel(hush=True),
            limit_ms=5000,
        )
        simulation = Simulation(setting)
        try:
            simulation.run()
        except Violation as violation:
            assert violation.kind == "agreement", (
                violation
            )  # evidence against more than a third, or "accountability"
            assert set(simulation.invariants.decisions) <= {0, 1, 2, 3}
            forks += 1
    assert forks > 0


@pytest.mark.parametrize("size", [4, 7, 10])
@pytest.mark.parametrize("stable_ms", [0, 4000, None])
def test_with_loss_and_f_crashed_members_everyone_decides(size: int, stable_ms: int | None) -> None:
    """Thirty percent are lost; ``None``: for ever."""
    f = (size - 1) // 3
    for seed in range(15):
        dead = frozenset((seed + i) % size for i in range(f))
        network = NetworkModel(loss=0.3, stable_ms=stable_ms)
        simulation = Simulation(Setting((1,) * size, seed, dead=dead, network=network)).run()
        assert len(simulation.invariants.decisions) == size - f


@pytest.mark.parametrize("loss", [0.1, 0.6])
def test_lost_messages_are_said_again(loss: float) -> None:
    for seed in range(20):
        model = NetworkModel(loss=loss)
        Simulation(Setting(SEVEN, seed, network=model, catch_up=False)).run()


@pytest.mark.parametrize("catch_up", [True, False])
def test_a_member_that_was_away_catches_up_by_certificate(catch_up: bool) -> None:
    """It missed every round and decides by the commit, asked for or repeated."""
    for seed in range(20):
        setting = Setting(SEVEN, seed, outages=(Outage(3, 0, 10_000),), catch_up=catch_up)
        simulation = Simulation(setting).run()
        away = next(host for host in simulation.hosts if host.member == 3)
        heard = [event.message.message for event in away.disk.log if isinstance(event, Received)]
        assert any(isinstance(message, Commit) for message in heard)
        assert simulation.invariants.decided_ms[3] <= 10_000 + 2500
        assert max(at for member, at in simulation.invariants.decided_ms.items() if member != 3) < 5000


def test_a_partition_delays_and_divides_nobody() -> None:
    for seed in range(20):
        model = NetworkModel(partitions=(Partition(0, 3000, frozenset({0, 1, 2})),))
        simulation = Simulation(Setting(SEVEN, seed, network=model)).run()
        assert min(simulation.invariants.decided_ms.values()) >= 3000
        assert len(outputs(simulation)) == 1


def test_slow_members_decide_with_the_others_before_their_own_result() -> None:
    before = 0
    for seed in range(20):
        simulation = Simulation(Setting(SEVEN, seed, slow={0: 5000, 6: 5000})).run()
        before += sum(host.instance.round == -1 for host in simulation.hosts if host.member in (0, 6))
    assert before > 30


def test_a_member_without_a_result_decides_with_the_others() -> None:
    for seed in range(20):
        simulation = Simulation(Setting(FOUR, seed, outputs={1: None}, execution_ms=1000)).run()
        assert 1 in simulation.invariants.decisions


def test_one_late_result_saves_a_committee_that_has_a_dead_member() -> None:
    """Three of four are needed; the third has no result when the execution deadline passes."""
    for seed in range(20):
        setting = Setting(FOUR, seed, dead=frozenset({3}), slow={0: 4000}, execution_ms=500)
        assert len(Simulation(setting).run().invariants.decisions) == 3


def test_asking_an_instance_for_its_messages_leaves_no_trace() -> None:
    """Answering a peer is no input: a replay, in which nobody asks, must give the same effects."""

    def trails(seed: int, curious: bool) -> list[object]:
        case = chaos(seed, "equivocate")
        simulation = Simulation(case.setting)
        if curious:
            for host in simulation.hosts:
                _ask_at_every_step(host)
        simulation.run()
        return [host.trail for host in simulation.hosts]

    for seed in (*range(20), 235, 251, 369, 394):  # the last ones show it where asking leaves one
        if not chaos(seed, "equivocate").may_fork:
            assert trails(seed, curious=True) == trails(seed, curious=False)


def _ask_at_every_step(host: Host) -> None:
    feed = host.feed

    def curious(event: Input) -> None:
        feed(event)
        host.instance.messages()

    host.feed = curious  # type: ignore[method-assign]


def test_a_run_is_its_setting() -> None:
    """The same setting gives the same effects at every member, so that a failure can be replayed."""

    def trace(seed: int) -> str:
        case = chaos(seed, "equivocate")
        text = io.StringIO()
        Simulation(case.setting, faults=case.faults, trace=Trace(text)).run()
        return text.getvalue()

    for seed in range(5):
        assert trace(seed) == trace(seed) != trace(seed + 100)


def test_certificates_name_the_decided_value() -> None:
    simulation = Simulation(Setting(SEVEN, seed=1)).run()
    values = {value_id(d.certificate.result) for d in simulation.invariants.decisions.values()}
    assert values == {simulation.learn(RIGHT)}


def test_many_members_decide_by_what_few_collect() -> None:
    for seed in range(10):
        made = Simulation(Setting(MANY_MEMBERS, seed, patience_ms=5000, rebroadcast_ms=10**7)).run()
        assert outputs(made) == {RIGHT}
        assert made.rounds == 1
        collectors = made.collectors.members
        assert len(collectors) == 3
        for host in made.hosts:
            voters = {
                event.message.message.sender
                for event in host.disk.log
                if isinstance(event, Received) and isinstance(event.message.message, Vote)
            }
            everybody = set(made.members)
            assert voters == (everybody if host.member in collectors else {host.member})


@pytest.mark.parametrize("left", [0, 1, 2])
def test_dead_collectors_cost_time_and_no_round(left: int) -> None:
    for seed in range(10):
        plan = Simulation(Setting(MANY_MEMBERS, seed))
        dead = frozenset(plan.collectors.members[left:]) - {plan.committee.proposer(0)}
        made = Simulation(Setting(MANY_MEMBERS, seed, dead=dead, rebroadcast_ms=100_000)).run()
        assert outputs(made) == {RIGHT}
        assert made.rounds == 1


def test_where_many_vote_nil_nobody_waits_for_the_collectors() -> None:
    for seed in range(10):
        plan = Simulation(Setting(MANY_MEMBERS, seed))
        odd = [member for member in range(16) if member != plan.committee.proposer(0)][:6]
        made = Simulation(
            Setting(
                MANY_MEMBERS,
                seed,
                outputs=dict.fromkeys(odd, WRONG),
                patience_ms=60_000,
                rebroadcast_ms=100_000,
                catch_up=False,
                limit_ms=30_000,
            )
        ).run()
        assert not made.decided  # six of sixteen are too many, but all go on to later rounds
        assert all(host.instance.round > 0 for host in made.hosts)


def test_a_collector_that_lies_convinces_nobody() -> None:
    for seed in range(20):
        plan = Simulation(Setting(MANY_MEMBERS, seed))
        liars = dict.fromkeys(plan.collectors.members, "hoard")
        made = Simulation(Setting(MANY_MEMBERS, seed, adversaries=liars)).run()
        assert outputs(made) == {RIGHT}
