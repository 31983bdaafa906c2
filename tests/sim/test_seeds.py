"""A thousand random worlds per adversary; ``python -m tests.sim.seeds --seeds 10000`` runs more."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from p2pavs.sim.adversaries import KINDS
from tests.sim.seeds import Outcome, replay_command, run

SEEDS = 1000
CHUNK = 250


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, list[Future[Outcome]]]]:
    """All chunks, begun at once on all cores."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield {
            kind: [pool.submit(run, kind, range(at, at + CHUNK)) for at in range(0, SEEDS, CHUNK)]
            for kind in KINDS
        }


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_worlds(kind: str, running: dict[str, list[Future[Outcome]]]) -> None:
    outcome = Outcome()
    for chunk in running[kind]:
        outcome.add(chunk.result())
    failures = [
        f"seed {seed}: {what[:500]}\n  {replay_command(kind, seed)}" for _, seed, what in outcome.failures
    ]
    assert not failures, "\n".join(failures)
    assert outcome.runs == SEEDS
    assert outcome.decided > SEEDS * 0.8  # most worlds are within the bound
    assert outcome.crashes > SEEDS / 2
