"""Committees of real instances against loss, crashes and adversaries, over many seeds in virtual time.

A failing test names its ``Setting``: ``Cluster(Setting(...)).run()`` replays it exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from consensus.effects import Decided, Equivocation, FalseWorkTag, WrongOutput
from consensus.signing import value_id
from tests.sim.adversary import Lazy, NilVoter, SplitProposer
from tests.sim.cluster import RIGHT, WRONG, Cluster, Make, Setting, Violation

FOUR, SEVEN = (1,) * 4, (1,) * 7


def rounds(cluster: Cluster) -> int:
    return max(decided.certificate.round for decided in cluster.commits.values())


@pytest.mark.parametrize("weights", [FOUR, SEVEN, (5, 1, 2, 2, 3)])
def test_everyone_decides_the_right_value_in_the_first_round(weights: tuple[int, ...]) -> None:
    for seed in range(30):
        cluster = Cluster(Setting(weights, seed)).run()
        assert {decided.output for decided in cluster.commits.values()} == {RIGHT}
        assert rounds(cluster) == 0
        assert not cluster.evidence


def test_two_dead_of_seven_cost_rounds_and_nothing_else() -> None:
    seen = set()
    for seed in range(40):
        cluster = Cluster(Setting(SEVEN, seed, dead=frozenset({1, 4}))).run()
        assert len(cluster.commits) == 5
        seen.add(rounds(cluster))
    assert {0, 1} <= seen  # dead proposers were among the draws


def test_three_dead_of_seven_decide_nothing() -> None:
    with pytest.raises(Violation, match="did not decide"):
        Cluster(Setting(SEVEN, dead=frozenset({1, 2, 4}), limit_ms=20_000)).run()


def test_a_wrong_output_is_outvoted_reported_and_diverges() -> None:
    proposed = 0
    for seed in range(40):
        cluster = Cluster(Setting(FOUR, seed, outputs={2: WRONG})).run().settle(1000)
        assert {decided.output for decided in cluster.commits.values()} == {RIGHT}
        if cluster.world.committee.proposer(0) == 2:
            proposed += 1
            assert any(isinstance(effect, WrongOutput) for _, effect in cluster.evidence)
        assert {report.sender for report in cluster.reports} >= {2}
        assert all(
            effect.message.sender == 2 for _, effect in cluster.evidence if isinstance(effect, WrongOutput)
        )
    assert proposed > 0


def test_a_split_of_honest_results_decides_nothing_wrong() -> None:
    """Two and two: neither value has a quorum, so nothing may be decided."""
    with pytest.raises(Violation, match="did not decide"):
        Cluster(Setting(FOUR, outputs={0: WRONG, 1: WRONG}, limit_ms=20_000)).run()


def test_a_lazy_member_is_found_out_by_everyone() -> None:
    knew = 0
    for seed in range(30):
        cluster = Cluster(Setting(SEVEN, seed), {3: Lazy}).run().settle(1000)
        finders = {finder for finder, effect in cluster.evidence if isinstance(effect, FalseWorkTag)}
        assert finders == set(range(7)) - {3}
        for node in cluster.nodes.values():
            effects = [effect for effects in node.trail for effect in effects]
            found = [i for i, effect in enumerate(effects) if isinstance(effect, FalseWorkTag)]
            for i, effect in enumerate(effects):
                if isinstance(effect, Decided) and found[0] < i:  # it knew when it made its certificate
                    assert 3 not in effect.certificate.signers
                    knew += 1
    assert knew > 0


def test_a_split_proposer_divides_nobody() -> None:
    caught = 0
    for seed in range(40):
        for weights in (FOUR, SEVEN):
            cluster = Cluster(Setting(weights, seed), {2: SplitProposer}).run().settle(1000)
            caught += any(isinstance(effect, Equivocation) for _, effect in cluster.evidence)
            values = {value_id(decided.certificate.result) for decided in cluster.commits.values()}
            assert len(values) == 1
    assert caught > 60


@pytest.mark.parametrize("loss", [0.1, 0.3, 0.6])
def test_lost_messages_are_said_again(loss: float) -> None:
    for seed in range(30):
        Cluster(Setting(SEVEN, seed, loss=loss)).run()


def test_everybody_crashes_after_prevoting_and_nobody_votes_twice() -> None:
    for seed in range(40):
        cluster = Cluster(Setting(SEVEN, seed, crash_after_prevotes=True)).run()
        assert cluster.crashed == set(range(7))
        assert not cluster.evidence


def test_a_log_that_lost_its_end_cannot_make_a_member_equivocate() -> None:
    refused = 0
    for seed in range(60):
        setting = Setting(SEVEN, seed, crash_after_prevotes=True, loss=0.2, forget=1 + seed % 4, ready_ms=600)
        cluster = Cluster(setting).run()
        refused += sum(node.refused for node in cluster.nodes.values())
        assert not cluster.evidence
    assert refused > 0  # the guard was needed


def test_slow_members_decide_with_the_others_before_their_own_result() -> None:
    before = 0
    for seed in range(20):
        cluster = Cluster(Setting(SEVEN, seed, slow={0: 5000, 6: 5000})).run()
        before += sum(cluster.nodes[slow].instance.round == -1 for slow in (0, 6))
    assert before > 30


def test_a_member_without_a_result_decides_with_the_others() -> None:
    for seed in range(20):
        cluster = Cluster(Setting(FOUR, seed, outputs={1: None}, execution_ms=1000)).run()
        assert 1 in cluster.commits


def test_one_late_result_saves_a_committee_that_has_a_dead_member() -> None:
    """Three of four are needed; the third has no result when the execution deadline passes."""
    for seed in range(20):
        setting = Setting(FOUR, seed, dead=frozenset({3}), slow={0: 4000}, execution_ms=500)
        assert len(Cluster(setting).run().commits) == 3


def chaos(seed: int) -> tuple[Setting, dict[int, Make]]:
    """A committee with less than a third of misbehaviour of every kind, on a network that heals."""
    draw = random.Random(seed)
    size = draw.choice([4, 5, 7, 10])
    weights = tuple(draw.choice([1, 1, 2, 5]) for _ in range(size)) if draw.random() < 0.4 else (1,) * size
    makers: dict[int, Make] = {}
    outputs: dict[int, bytes | None] = {}
    dead: set[int] = set()
    faulty = 0
    kinds: list[Callable[[int], object]] = [
        dead.add,
        lambda index: outputs.__setitem__(index, WRONG),
        lambda index: outputs.__setitem__(index, None),
        lambda index: makers.__setitem__(index, Lazy),
        lambda index: makers.__setitem__(index, SplitProposer),
        lambda index: makers.__setitem__(index, NilVoter),
    ]
    for index in draw.sample(range(size), size):
        if 3 * (faulty + weights[index]) < sum(weights):
            faulty += weights[index]
            draw.choice(kinds)(index)
    honest = [index for index in range(size) if index not in dead and index not in makers]
    setting = Setting(
        weights=weights,
        seed=seed,
        dead=frozenset(dead),
        outputs=outputs,
        slow={index: draw.randint(200, 4000) for index in honest if draw.random() < 0.2},
        execution_ms=draw.choice([500, 1500, 5000]),
        latency_ms=draw.choice([(5, 60), (5, 400), (1, 5)]),
        loss=draw.choice([0, 0.05, 0.2, 0.5, 0.9]),
        stable_ms=draw.choice([1000, 4000, 8000]),
        crashes={
            index: tuple(draw.randint(0, 3000) for _ in range(draw.randint(1, 3)))
            for index in honest
            if draw.random() < 0.4
        },
        crash_after_prevotes=draw.random() < 0.2,
        forget=draw.choice([0, 0, 0, 2]),
        limit_ms=200_000,
    )
    return setting, makers


@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in range(0, 200, 50)], ids=str)
def test_chaos(seeds: range) -> None:
    for seed in seeds:
        setting, makers = chaos(seed)
        Cluster(setting, makers).run().settle(500)


def test_a_run_is_its_setting() -> None:
    """The same setting gives the same effects at every member, so that a failure can be replayed."""

    def trails() -> Iterator[object]:
        setting, makers = chaos(7)
        for node in Cluster(setting, makers).run().nodes.values():
            yield node.trail

    assert list(trails()) == list(trails())
