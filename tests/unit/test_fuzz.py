"""A few hundred damaged inputs for every decoder; `python -m tests.fuzz` goes on for as long as one likes."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.target import Broken, Target, check
from tests.fuzz.targets import targets

INPUTS = 300


@pytest.mark.parametrize("target", targets(), ids=lambda one: one.name)
def test_damaged_inputs(target: Target) -> None:
    rng = random.Random(target.name)
    for _ in range(INPUTS):
        check(target, mutated(target.samples, rng))


@pytest.mark.parametrize("target", targets(), ids=lambda one: one.name)
def test_the_samples_are_valid(target: Target) -> None:
    assert all(check(target, sample) for sample in target.samples)


def test_a_decoder_that_breaks_its_promise_is_noticed() -> None:
    def careless(data: bytes) -> object:
        return data[10]

    with pytest.raises(Broken):
        check(Target("careless", careless, (), ()), b"short")
    with pytest.raises(Broken):
        check(Target("ambiguous", bytes.strip, (), (), lambda value: b"x"), b" x")
