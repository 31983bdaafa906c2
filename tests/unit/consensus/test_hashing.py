"""Words and draws against the ABI's own encoder and against arithmetic."""

from __future__ import annotations

import dataclasses

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given
from hypothesis import strategies as st

from consensus import hashing, signing
from consensus.hashing import draw, keccak256, words
from consensus.types import Kind
from tests.unit.consensus import factory

UINT256 = st.integers(0, 2**256 - 1)


def test_keccak_is_the_ethereum_one() -> None:
    # The digest of nothing, as in every Ethereum account without code.
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(UINT256, st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32))
def test_words_is_abi_encoding(number: int, address: bytes, word: bytes) -> None:
    encoded = abi_encode(
        ["bytes32", "uint256", "address", "bytes32"], [b"p2pavs/v1".ljust(32, b"\0"), number, address, word]
    )
    assert words("p2pavs/v1", number, address, word) == keccak256(encoded)


@pytest.mark.parametrize("bad", [-1, 2**256, b"", b"\0" * 31, b"\0" * 33])
def test_words_refuses_what_is_no_word(bad: int | bytes) -> None:
    with pytest.raises(ValueError, match="word"):
        words("tag", bad)


@pytest.mark.parametrize("tag", ["", "x" * 32])
def test_words_refuses_tags_that_do_not_fit(tag: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        words(tag)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**130))
def test_draws_are_below_their_bound(seed: bytes, bound: int) -> None:
    assert 0 <= draw("tag", seed, 1, 2, bound) < bound


def test_a_draw_above_the_last_multiple_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = iter([(2**256 - 1).to_bytes(32, "big"), (12).to_bytes(32, "big")])
    asked: list[int | bytes] = []

    def fake(tag: str, *args: int | bytes) -> bytes:
        asked.append(args[-1])
        return next(hashes)

    monkeypatch.setattr(hashing, "words", fake)
    # 2^256 = 6 (mod 10): the six highest hashes would favour 0 to 5.
    assert draw("tag", bytes(32), 0, 0, 10) == 2
    assert asked == [0, 1]


def test_a_draw_needs_something_to_draw_from() -> None:
    with pytest.raises(ValueError, match="below 0"):
        draw("tag", bytes(32), 0, 0, 0)


def test_every_part_of_a_statement_changes_it() -> None:
    scope = factory.scope(factory.committee())
    base = (scope, Kind.PREVOTE, 3, b"\x01" * 32)
    others = [
        (dataclasses.replace(scope, committee_root=bytes(32)), *base[1:]),
        (dataclasses.replace(scope, domain=dataclasses.replace(scope.domain, chain_id=1)), *base[1:]),
        (dataclasses.replace(scope, domain=dataclasses.replace(scope.domain, gateway=bytes(20))), *base[1:]),
        (dataclasses.replace(scope, instance=dataclasses.replace(scope.instance, task_id=8)), *base[1:]),
        (dataclasses.replace(scope, instance=dataclasses.replace(scope.instance, attempt=1)), *base[1:]),
        (scope, Kind.PRECOMMIT, 3, b"\x01" * 32),
        (scope, Kind.PREVOTE, 4, b"\x01" * 32),
        (scope, Kind.PREVOTE, 3, b"\x02" * 32),
    ]
    assert len({signing.statement(*parts) for parts in [base, *others]}) == len(others) + 1


def test_every_field_of_a_result_changes_its_name() -> None:
    result = factory.result()
    changed = [
        dataclasses.replace(result, status=2),
        dataclasses.replace(result, output_hash=bytes(32)),
        dataclasses.replace(result, output_length=4),
        dataclasses.replace(result, token_count=4),
        dataclasses.replace(result, finish_reason=2),
        dataclasses.replace(result, trace_root=bytes(32)),
        dataclasses.replace(result, trace_commit=bytes(32)),
        dataclasses.replace(result, runtime_profile=bytes(32)),
    ]
    assert len(changed) == len(dataclasses.fields(result))
    assert len({signing.value_id(each) for each in [result, *changed]}) == len(changed) + 1


def test_a_proposal_names_its_proof_of_lock() -> None:
    value = signing.value_id(factory.result())
    assert len({signing.proposal_id(value, pol_round) for pol_round in (-1, 0, 1)} | {value}) == 4


def test_a_work_tag_is_salted_by_its_operator() -> None:
    tags = {
        signing.work_tag(factory.DOMAIN, factory.INSTANCE, factory.address(i), factory.SECRET) for i in (0, 1)
    }
    assert len(tags) == 2
