"""The suite finds planted bugs: otherwise a thousand green seeds would say nothing."""

from __future__ import annotations

import pytest

from tests.sim.mutations import MUTATIONS, Mutation, hunt


def test_there_are_enough() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 10


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_a_planted_bug_is_found(mutation: Mutation) -> None:
    caught, said = hunt(mutation)
    assert caught, said
