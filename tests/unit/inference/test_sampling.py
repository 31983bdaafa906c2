"""Sampling: the softmax's distribution, from integers that are the same everywhere."""

from hashlib import sha256
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import sampling
from inference.sampling import Sampler, exact_gumbel, gumbel_table, random_words, sampling_key

KNOWN_DRAWS = [23, 25, 35, 39, 33, 37, 26, 36, 21, 35, 22, 4]
SEED = sha256(b"task").digest()


def logits(*values):
    return np.array(values, np.float32)


def test_the_table_is_what_exact_arithmetic_gives():
    table = gumbel_table()
    assert len(table) == 65_536
    assert (np.diff(table) >= 0).all()
    picked = [0, 1, 65_535, *range(5, 65_536, 331)]
    assert table[picked].tolist() == [exact_gumbel(k) for k in picked]


def test_another_platform_gets_the_same_table(monkeypatch):
    table = gumbel_table()
    monkeypatch.setattr(sampling, "UNIT", 64)
    monkeypatch.setattr(sampling.math, "log", lambda x: 0.999 * log(x))  # a logarithm that rounds otherwise
    assert gumbel_table.__wrapped__().tolist() == [exact_gumbel(k) for k in range(64)]
    assert len(table) == 65_536


def test_random_words_depend_on_all_of_the_key():
    key = sampling_key(SEED, 1)
    words = random_words(key, 0, 50)
    assert (random_words(key, 0, 20) == words[:20]).all()
    assert (random_words(key, 1, 50) != words).any()
    assert (random_words(sampling_key(SEED, 2), 0, 50) != words).any()
    assert (random_words(sampling_key(bytes(32), 1), 0, 50) != words).any()


def test_known_draws():
    # Fixed once: a change here would split the network.
    sampler = Sampler(1000, 0, 0, 7, SEED)
    values = np.linspace(-2, 2, 40, dtype=np.float32)
    drawn = [sampler.pick(values, position) for position in range(12)]
    assert drawn == KNOWN_DRAWS


@pytest.mark.parametrize("temperature_milli", [300, 1000, 1700])
def test_the_distribution_is_the_softmax(temperature_milli):
    values = logits(1.0, 0.0, -1.0, 2.0, 0.5, 2.0)
    sampler = Sampler(temperature_milli, 0, 0, 3, SEED)
    draws = 20_000
    counts = np.bincount([sampler.pick(values, i) for i in range(draws)], minlength=len(values))
    weights = np.exp(values.astype(float) * 1000 / temperature_milli)
    expected = draws * weights / weights.sum()
    usable = expected > 5
    chi_squared = (((counts - expected) ** 2 / expected)[usable]).sum()
    assert chi_squared < 20.5  # 99.9 % of chi-squared with 5 degrees of freedom
    assert counts[~usable].sum() < 20


def test_greedy_takes_the_lowest_id_among_the_best():
    sampler = Sampler(0, 5, 1000, 0, SEED)
    assert sampler.pick(logits(0.0, 3.0, 3.0, -1.0), 0) == 1
    assert sampler.pick(logits(0.0, 3.0, 3.0, -1.0), 0, np.array([0, 2, 3])) == 2


@pytest.mark.parametrize("temperature_milli", [0, 1, 1000, 2**32 - 1])
def test_values_that_are_no_numbers_are_survived(temperature_milli):
    sampler = Sampler(temperature_milli, 0, 0, 0, SEED)
    nan, inf = float("nan"), float("inf")
    assert sampler.pick(logits(nan, -inf, 5.0, nan), 0) == 2
    assert sampler.pick(logits(nan, nan), 0) in (0, 1)
    assert sampler.pick(logits(0.0, 3e38, -3e38), 0) == 1


def test_top_k_keeps_the_best_and_the_lower_ids_among_equals():
    sampler = Sampler(100_000, 2, 0, 0, SEED)
    values = logits(1.0, 5.0, 1.0, 1.0)
    assert {sampler.pick(values, i) for i in range(200)} == {0, 1}
    assert {Sampler(100_000, 1, 0, 0, SEED).pick(values, i) for i in range(50)} == {1}


def test_min_p_is_a_share_of_the_best_probability():
    values = logits(0.0, np.log(0.5) + 0.001, np.log(0.5) - 0.001, -20.0)
    sampler = Sampler(100_000, 0, 500_000, 0, SEED)
    assert {sampler.pick(values, i) for i in range(200)} == {0, 1}
    assert {Sampler(100_000, 0, 1_000_000, 0, SEED).pick(values, i) for i in range(50)} == {0}


def test_only_allowed_tokens_are_drawn():
    sampler = Sampler(5000, 0, 0, 0, SEED)
    allowed = np.array([1, 4])
    assert {sampler.pick(logits(9, 0, 9, 9, 0, 9), i, allowed) for i in range(100)} == {1, 4}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=40),
    st.integers(0, 3000),
    st.integers(0, 50),
    st.integers(0, 1_000_000),
)
def test_a_token_is_always_found_and_always_the_same(values, temperature, top_k, min_p):
    one = Sampler(temperature, top_k, min_p, 5, SEED).pick(logits(*values), 9)
    two = Sampler(temperature, top_k, min_p, 5, SEED).pick(logits(*values), 9)
    assert one == two
    assert 0 <= one < len(values)
