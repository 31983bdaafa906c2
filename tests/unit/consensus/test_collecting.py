"""Who is told of a vote first."""

from __future__ import annotations

from consensus.collecting import COLLECTORS, MANY, MOST_PATIENCE_MS, Collectors
from consensus.types import NIL, Kind, ValueId
from tests.unit.consensus import factory

VALUE = ValueId(b"\x07" * 32)


def test_small_committees_have_none() -> None:
    of = factory.committee([1] * MANY)
    collectors = Collectors(of)
    assert collectors.members == ()
    assert collectors.first_to_hear(factory.vote(of, 0, Kind.PRECOMMIT, 0, VALUE)) == ()
    assert collectors.rank(0) is None


def test_they_are_the_first_posters() -> None:
    of = factory.committee([1] * (MANY + 1))
    collectors = Collectors(of)
    assert collectors.members == of.poster_order()[:COLLECTORS]
    assert [collectors.rank(member) for member in of.poster_order()] == [0, 1, 2] + [None] * (MANY - 2)


def test_only_votes_of_round_0_for_a_value_are_for_them() -> None:
    of = factory.committee([1] * (MANY + 1))
    collectors = Collectors(of)
    for kind in (Kind.PREVOTE, Kind.PRECOMMIT):
        assert collectors.first_to_hear(factory.vote(of, 0, kind, 0, VALUE)) == collectors.members
        assert collectors.first_to_hear(factory.vote(of, 0, kind, 1, VALUE)) == ()
        assert collectors.first_to_hear(factory.vote(of, 0, kind, 0, ValueId(NIL))) == ()
    assert collectors.first_to_hear(factory.proposal(of)) == ()


def test_patience_grows_with_the_committee_and_ends() -> None:
    waits = [Collectors(factory.committee([1] * size)).patience_ms for size in (4, 20, 60)]
    assert waits == [1000, 2000, MOST_PATIENCE_MS]
