"""Sampling: the softmax's distribution, from integers that are the same everywhere."""

from hashlib import sha256
from math import log, log1p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import gumbel, sampling
from inference.fixed_point import UNIT, best_shares, fixed, log_margin, penalised, share_table
from inference.gumbel import TAIL, Noise, exact_gumbel, gumbel_table, random_words, sampling_key
from inference.request import Request
from inference.sampling import PENALTY_WINDOW, Sampler

KNOWN_DRAWS = [23, 25, 35, 39, 33, 37, 26, 36, 21, 35, 22, 4]
SEED = sha256(b"task").digest()


def logits(*values):
    return np.array(values, np.float32)


def sampler(temperature_milli=0, **fields):
    return Sampler(Request(b"", 1, temperature_milli, task_seed=SEED, **fields))


def pick(draws, values, position=0, allowed=None):
    """The token at a position; what came before it does not matter here."""
    return draws.pick(values, [0] * position, allowed)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_tables_are_what_exact_arithmetic_gives(level):
    table = gumbel_table(level)
    assert len(table) == 65_536
    assert (np.diff(table) >= 0).all()
    picked = [0, 1, 65_535, *range(5, 65_536, 331)]
    assert table[picked].tolist() == [exact_gumbel(level, k) for k in picked]


def test_the_tables_go_on_where_the_one_before_ends():
    assert gumbel_table(0)[TAIL - 1] < gumbel_table(1)[0]
    assert gumbel_table(1)[(TAIL << 8 & 0xFFFF) - 1 + 0xFF00] < gumbel_table(2)[0]


def test_another_platform_gets_the_same_table(monkeypatch):
    monkeypatch.setattr(gumbel, "WORDS", 64)
    monkeypatch.setattr(gumbel.math, "log1p", lambda x: 0.999 * log1p(x))  # a logarithm that rounds otherwise
    assert gumbel_table.__wrapped__(1).tolist() == [exact_gumbel(1, k) for k in range(64)]


def test_random_words_depend_on_all_of_the_key():
    key = sampling_key(SEED, 1)
    words = random_words(key, 0, 50)
    assert (random_words(key, 0, 20) == words[:20]).all()
    assert (random_words(key, 1, 50) != words).any()
    assert (random_words(sampling_key(SEED, 2), 0, 50) != words).any()
    assert (random_words(sampling_key(bytes(32), 1), 0, 50) != words).any()


def test_the_noise_is_gumbel_distributed_far_into_its_tail():
    ids = np.arange(1 << 18)
    noise = np.sort(np.concatenate([Noise(sampling_key(SEED, s), 0, len(ids)).of(ids) for s in range(4)]))
    for tail in (0.5, 0.1, 0.01, 1e-3, 1e-4, 2e-5):
        bound = -log(-log1p(-tail)) * UNIT
        above = len(noise) - np.searchsorted(noise, bound)
        expected = len(noise) * tail
        assert abs(above - expected) < 4.5 * expected**0.5


def test_noise_of_some_tokens_is_that_of_all():
    noise = Noise(sampling_key(SEED, 3), 7, 5000)
    everything = noise.of(np.arange(5000))
    some = np.array([0, 3, *noise.tail[:3].tolist(), 4999])
    assert noise.of(np.sort(some)).tolist() == everything[np.sort(some)].tolist()
    assert (everything[noise.tail] > gumbel.most_outside_tail()).all()
    rest = np.setdiff1d(np.arange(5000), noise.tail)
    assert (everything[rest] <= gumbel.most_outside_tail()).all()


def test_known_draws():
    # Fixed once: a change here would split the network.
    draws = sampler(1000, seed=7)
    values = np.linspace(-2, 2, 40, dtype=np.float32)
    drawn = [pick(draws, values, position) for position in range(12)]
    assert drawn == KNOWN_DRAWS


# --- the definition, and what is worked out instead of it ---------------------------------------------------


def plain(request, values, answer, allowed=None):
    """Sampling as docs/protocol.md defines it, for every token and in whole numbers of any size."""
    ids = range(len(values)) if allowed is None else sorted(allowed)
    exact = {i: int(fixed(values[i : i + 1])[0]) for i in ids}
    if penalty := request.repetition_penalty_milli:
        for i in exact.keys() & set(answer[-PENALTY_WINDOW:]):
            exact[i] = exact[i] * 1000 // penalty if exact[i] > 0 else exact[i] * penalty // 1000
    order = sorted(exact, key=lambda i: (-exact[i], i))
    if not request.temperature_milli:
        return order[0]
    best = exact[order[0]]
    if request.top_k:
        order = order[: request.top_k]
    if request.top_p_micro:
        shares = [share(best - exact[i]) for i in order]
        count = next(
            n
            for n in range(1, len(order) + 1)
            if sum(shares[:n]) * 10**6 >= sum(shares) * request.top_p_micro
        )
        order = order[:count]
    if request.min_p_micro:
        order = [i for i in order if exact[i] >= best - log_margin(request.min_p_micro)]
    noise = Noise(sampling_key(request.task_seed, request.seed), len(answer), len(values)).of(
        np.arange(len(values))
    )
    return max(order, key=lambda i: (exact[i] * 1000 // request.temperature_milli + int(noise[i]), -i))


def share(below):
    step = below >> 4
    return int(share_table()[step]) if step < len(share_table()) else 0


@pytest.mark.parametrize("temperature", [0, 1, 700, 1000, 2**32 - 1])
@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"top_k": 1},
        {"top_k": 40},
        {"top_k": 2**32 - 1},
        {"top_p_micro": 1},
        {"top_p_micro": 900_000},
        {"top_p_micro": 1_000_000},
        {"min_p_micro": 50_000},
        {"repetition_penalty_milli": 1300},
        {"top_k": 200, "top_p_micro": 950_000, "min_p_micro": 1000, "repetition_penalty_milli": 10_000},
    ],
)
@pytest.mark.parametrize("few", [0, 4096])  # below this size all tokens are worked out
def test_the_bounds_never_change_the_token(temperature, limits, few, monkeypatch):
    monkeypatch.setattr(sampling, "_FEW", few)
    source = np.random.default_rng(temperature + len(limits))
    for size, spread in ((2000, 0.0), (2000, 1.0), (2000, 6.0), (300, 40.0)):
        values = (source.normal(size=size) * spread).astype(np.float32)
        values[source.integers(size, size=20)] = values.max()  # equals
        answer = source.integers(size, size=100).tolist()
        answer[-1] = int(values.argmax())
        some = np.sort(source.choice(size, size=size // 3, replace=False))
        for allowed in (None, some):
            request = Request(b"", 1, temperature, seed=size, task_seed=SEED, **limits)
            assert Sampler(request).pick(values, answer, allowed) == plain(request, values, answer, allowed)


@pytest.mark.parametrize("size", [1, 7, 1024])
def test_many_positions_are_drawn_like_one_at_a_time(size):
    table = np.random.default_rng(size).normal(size=(40, size)).astype(np.float32) * 3
    table[3, 0], table[4] = np.nan, np.inf
    one = Sampler(Request(b"", 1, 900, seed=size, task_seed=SEED))
    assert one.draws_apart
    singly = [plain(one._request, values, [0] * at) for at, values in enumerate(table, 5)]
    assert sampling.draw([(one, at + 5, at) for at in range(40)], table) == singly
    assert [pick(one, values, at) for at, values in enumerate(table, 5)] == singly


@pytest.mark.parametrize("few", [0, 4096, 1 << 20])  # below this size all tokens are worked out
@pytest.mark.parametrize("together", [1, 1 << 12, 1 << 16])
def test_several_requests_are_drawn_like_one_at_a_time(few, together, monkeypatch):
    source = np.random.default_rng(few + together)
    table = (source.normal(size=(60, 1000)) * source.choice([0, 0.01, 1, 20], size=(60, 1))).astype(
        np.float32
    )
    table[source.integers(60, size=200), source.integers(1000, size=200)] = table.max()  # equals
    table[3, :9], table[4], table[5, 5] = np.nan, np.inf, -np.inf
    heats = [0, 1, 700, 1000, 40_000, 2**32 - 1]
    samplers = [Sampler(Request(b"", 1, heat, seed=heat, task_seed=SEED)) for heat in heats]
    rows = np.sort(source.choice(60, size=50, replace=False)).tolist()
    rows = [*range(30), *(row for row in rows if row >= 30)]
    draws = [(samplers[source.integers(6)], int(source.integers(9000)), row) for row in rows]
    singly = [plain(s._request, table[row], [0] * at) for s, at, row in draws]
    monkeypatch.setattr(sampling, "_FEW", few)
    monkeypatch.setattr(sampling, "_TOGETHER", together)
    assert sampling.draw(draws, table) == singly
    assert sampling.draw([], table[:0]) == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=40),
    st.integers(0, 3000),
    st.integers(0, 50),
    st.integers(0, 1_000_000),
    st.integers(0, 1_000_000),
    st.sampled_from([0, 1000, 1001, 10_000]),
)
def test_any_numbers_give_the_token_of_the_definition(values, temperature, top_k, top_p, min_p, penalty):
    request = Request(b"", 1, temperature, top_k, top_p, min_p, penalty, 5, task_seed=SEED)
    answer = [0, len(values) - 1] * 3
    assert Sampler(request).pick(logits(*values), answer) == plain(request, logits(*values), answer)


# --- the distribution ---------------------------------------------------------------------------------------


def chi_squared(counts, weights):
    """The statistic less its expectation, in standard deviations; impossible tokens must not come."""
    assert counts[weights == 0].sum() == 0
    expected = counts.sum() * weights / weights.sum()
    usable = expected > 5
    assert counts[~usable].sum() <= expected[~usable].sum() + 4.5 * expected[~usable].sum() ** 0.5 + 1
    freedom = int(usable.sum()) - 1
    statistic = ((counts - expected)[usable] ** 2 / expected[usable]).sum()
    return (statistic - freedom) / (2 * freedom) ** 0.5


def draw(request, values, draws):
    one = Sampler(request)
    return np.bincount([pick(one, values, i) for i in range(draws)], minlength=len(values))


VALUES = logits(1.0, 0.0, -1.0, 2.0, 0.5, 2.0, -3.0, 1.25, 0.0)


@pytest.mark.parametrize("temperature_milli", [100, 300, 700, 1000, 1700, 5000, 100_000])
def test_the_distribution_is_the_softmax(temperature_milli):
    counts = draw(Request(b"", 1, temperature_milli, seed=3, task_seed=SEED), VALUES, 10_000)
    weights = np.exp(VALUES.astype(float) * 1000 / temperature_milli)
    assert abs(chi_squared(counts, weights)) < 4.5


@pytest.mark.parametrize("temperature_milli", [500, 1000, 2000])
@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"top_k": 4}, [0, 3, 5, 7]),
        # The shares are .295 .295 .139 .109 .066 ...: four of them hold 0.838.
        ({"top_p_micro": 830_000}, [0, 3, 5, 7]),
        ({"top_p_micro": 850_000}, [0, 3, 4, 5, 7]),
        ({"min_p_micro": 200_000}, [0, 3, 4, 5, 7]),
        ({"top_k": 5, "top_p_micro": 700_000, "min_p_micro": 400_000}, [3, 5, 7]),
    ],
)
def test_what_is_kept_keeps_its_proportions(temperature_milli, limits, kept):
    counts = draw(Request(b"", 1, temperature_milli, seed=9, task_seed=SEED, **limits), VALUES, 3000)
    weights = np.exp(VALUES.astype(float) * 1000 / temperature_milli)
    weights[np.setdiff1d(np.arange(len(VALUES)), kept)] = 0
    assert abs(chi_squared(counts, weights)) < 4.5


def test_a_large_flat_vocabulary_is_drawn_evenly():
    """With 16 bits of noise alone ties would favour the lower ids."""
    values = np.zeros(60_000, np.float32)
    one = Sampler(Request(b"", 1, 1000, seed=1, task_seed=SEED))
    drawn = [pick(one, values, i) for i in range(2000)]
    assert abs(chi_squared(np.bincount(np.array(drawn) // 3000, minlength=20), np.ones(20))) < 4.5


@pytest.mark.parametrize("temperature_milli", [700, 1500])
def test_penalised_tokens_are_drawn_less(temperature_milli):
    answer = [3, 6]  # one with a positive logit, one with a negative
    counts = np.zeros(len(VALUES))
    for seed in range(3000):
        request = Request(b"", 1, temperature_milli, repetition_penalty_milli=1500, seed=seed, task_seed=SEED)
        counts[Sampler(request).pick(VALUES, answer)] += 1
    changed = VALUES.astype(float)
    changed[3] /= 1.5
    changed[6] *= 1.5
    assert abs(chi_squared(counts, np.exp(changed * 1000 / temperature_milli))) < 4.5


# --- single rules -------------------------------------------------------------------------------------------


def test_greedy_takes_the_lowest_id_among_the_best():
    one = sampler(0, top_k=5, min_p_micro=1000)
    assert pick(one, logits(0.0, 3.0, 3.0, -1.0)) == 1
    assert pick(one, logits(0.0, 3.0, 3.0, -1.0), 0, np.array([0, 2, 3])) == 2


@pytest.mark.parametrize("temperature_milli", [0, 1, 1000, 2**32 - 1])
def test_values_that_are_no_numbers_are_survived(temperature_milli):
    one = sampler(temperature_milli)
    nan, inf = float("nan"), float("inf")
    assert pick(one, logits(nan, -inf, 5.0, nan)) == 2
    assert pick(one, logits(nan, nan)) in (0, 1)
    assert pick(one, logits(0.0, 3e38, -3e38)) == 1


def test_top_k_keeps_the_best_and_the_lower_ids_among_equals():
    values = logits(1.0, 5.0, 1.0, 1.0)
    one = sampler(100_000, top_k=2)
    assert {pick(one, values, i) for i in range(200)} == {0, 1}
    one = sampler(100_000, top_k=1)
    assert {pick(one, values, i) for i in range(50)} == {1}


def test_min_p_is_a_share_of_the_best_probability():
    values = logits(0.0, np.log(0.5) + 0.001, np.log(0.5) - 0.001, -20.0)
    one = sampler(100_000, min_p_micro=500_000)
    assert {pick(one, values, i) for i in range(200)} == {0, 1}
    one = sampler(100_000, min_p_micro=1_000_000)
    assert {pick(one, values, i) for i in range(50)} == {0}


def test_top_p_looks_at_the_model_and_not_at_the_temperature():
    values = logits(np.log(6), np.log(3), np.log(1))  # 60%, 30%, 10%
    for temperature in (200, 1000, 100_000):
        one = sampler(temperature, top_p_micro=890_000)
        assert {pick(one, values, i) for i in range(300)} <= {0, 1}
    one = sampler(100_000, top_p_micro=910_000)
    assert {pick(one, values, i) for i in range(300)} == {0, 1, 2}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=60), st.integers(1, 1_000_000))
def test_the_best_shares_are_the_fewest_that_suffice(values, micro):
    values = np.array(values, np.int64)
    kept = best_shares(values, micro)
    shares = np.array([share(int(values.max() - v)) for v in values])
    assert sum(shares[kept].tolist()) * 10**6 >= micro * sum(shares.tolist())
    least = kept[np.lexsort((kept, -values[kept]))][-1]
    assert (sum(shares[kept].tolist()) - int(shares[least])) * 10**6 < micro * sum(shares.tolist())
    order = np.lexsort((np.arange(len(values)), -values))
    assert sorted(order[: len(kept)].tolist()) == kept.tolist()


def test_shares_are_exponentials():
    table = share_table()
    steps = np.arange(0, len(table), 997)
    assert np.allclose(table[steps] / 2**40, np.exp(-steps / 4096), rtol=1e-12, atol=2**-40)
    assert table[0] == 2**40
    assert table[-1] == 0


def test_the_penalty_looks_at_the_last_tokens_of_the_answer():
    values = logits(4.0, 3.0, -1.0, -1.0)
    one = sampler(0, repetition_penalty_milli=2000)
    assert one.pick(values, []) == 0
    assert one.pick(values, [0]) == 1
    assert one.pick(values, [0] + [3] * (PENALTY_WINDOW - 1)) == 1
    assert one.pick(values, [0] + [3] * PENALTY_WINDOW) == 0
    assert one.pick(logits(-1.0, -1.5), [0]) == 1
    assert penalised(np.array([10, -10, 0]), 3000).tolist() == [3, -30, 0]


def test_only_allowed_tokens_are_drawn():
    one = sampler(5000)
    allowed = np.array([1, 4])
    assert {pick(one, logits(9, 0, 9, 9, 0, 9), i, allowed) for i in range(100)} == {1, 4}


def test_another_seed_draws_other_tokens():
    values = np.zeros(50, np.float32)
    base = Request(b"", 1, 1000, seed=1, task_seed=SEED)
    one = [pick(Sampler(base), values, i) for i in range(8)]
    assert one == [pick(Sampler(base), values, i) for i in range(8)]
    for other in (Request(b"", 1, 1000, seed=2, task_seed=SEED), Request(b"", 1, 1000, seed=1)):
        assert one != [pick(Sampler(other), values, i) for i in range(8)]
