"""Constrained output: always one of the choices, whatever the model prefers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.choices import Choices, Spelling
from inference.errors import RequestError

PIECES = [bytes([b]) for b in range(256)] + [b"sw", b"swap", b"trans", b"fer", b"sand", b"", b""]
END = 261
SPELLING = Spelling(PIECES)


def allowed_pieces(choices, output):
    return {PIECES[t] if t != END else "end" for t in choices.allowed(output)}


def test_only_beginnings_of_choices_may_follow():
    choices = Choices(("swap", "transfer"), SPELLING, [END])
    assert allowed_pieces(choices, b"") == {b"s", b"sw", b"swap", b"t", b"trans"}
    assert allowed_pieces(choices, b"sw") == {b"a"}
    assert allowed_pieces(choices, b"trans") == {b"f", b"fer"}


def test_a_choice_ends_when_it_is_whole():
    choices = Choices(("swap", "transfer"), SPELLING, [END])
    assert choices.finished(b"swap")
    assert not choices.finished(b"swa")
    assert not choices.finished(b"")


def test_a_choice_that_begins_another_waits_for_the_end_token():
    choices = Choices(("trans", "transfer"), SPELLING, [END])
    assert not choices.finished(b"trans")
    assert allowed_pieces(choices, b"trans") == {"end", b"f", b"fer"}
    assert choices.finished(b"transfer")


def test_the_same_choice_twice_is_one_choice():
    assert Choices(("swap", "swap"), SPELLING, [END]).finished(b"swap")


def test_dead_ends_are_never_entered():
    spelling = Spelling(
        [b"a", b"ab", b"c", b"bd"]
    )  # "abd" is a+bd; ab would leave a "d" that no token writes
    choices = Choices(("abd", "cc"), spelling, [])
    assert choices.allowed(b"").tolist() == [0, 2]
    assert choices.allowed(b"a").tolist() == [3]


def test_a_choice_without_tokens_is_refused():
    with pytest.raises(RequestError, match="no tokens to write"):
        Choices(("x",), Spelling([b"a"]), [])


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6), st.randoms())
def test_every_walk_ends_in_a_choice(texts, rng):
    choices = Choices(texts, SPELLING, [END])
    output = b""
    for _ in range(200):
        if choices.finished(output):
            break
        token = rng.choice(choices.allowed(output).tolist())
        if token == END:
            break
        output += PIECES[token]
    assert output.decode() in texts
