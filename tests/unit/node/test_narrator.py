"""The story of a task: each thing once, and whatever a node says is shown and never trusted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pavs.cli.narrator import LONGEST_LINE, Narrator

A, B, C = ("0x" + letter * 40 for letter in "abc")
COMMITTEE = {
    "event": "committee",
    "epoch": 1,
    "total": "4000000000000000000",
    "members": [{"operator": A, "weight": "3000000000000000000"}, {"operator": B, "weight": 10**18}],
}


def story(*events: dict[str, Any]) -> list[str]:
    told: list[str] = []
    narrator = Narrator(told.append)
    for event in events:
        narrator.tell({"node": "http://a"} | event)
    return told


def test_a_whole_story() -> None:
    value = "ff" * 32
    told = story(
        {"event": "queued", "before": 12},
        {"event": "queued", "before": 11},
        COMMITTEE,
        {"event": "inference_done", "tokens": 3, "value": value},
        {"event": "proposal", "round": 0, "operator": A, "value": value},
        {"event": "prevote", "round": 0, "operator": A, "value": value, "weight": "3000000000000000000"},
        {"event": "precommit", "round": 0, "operator": A, "value": None, "weight": 10**18},
        {"event": "round", "round": 0, "proposer": A},
        {"event": "round", "round": 1, "proposer": B},
        {"event": "divergence", "operator": B},
        {"event": "evidence", "operator": B, "offence": "lazy-vote"},
        {
            "event": "certificate",
            "round": 1,
            "signers": [A],
            "weight": "3000000000000000000",
            "total": "4000000000000000000",
        },
        {"event": "posting", "rank": 0},
        {"event": "certified"},
        {"event": "of the future"},
    )
    assert told == [
        "queued       12 other tasks come first",
        "committee    2 members of epoch 1: 0xaaaaaaaa 75%, 0xbbbbbbbb 25%",
        "inference    1 of 2 done, 3 tokens, result ffffffff",
        "proposal     round 0 by 0xaaaaaaaa: ffffffff",
        "prevote      round 0 by 0xaaaaaaaa: ffffffff, now 75%",
        "precommit    round 0 by 0xaaaaaaaa: nil, now 25%",
        "round 1      proposer 0xbbbbbbbb",
        "divergence   0xbbbbbbbb computed something else",
        "evidence     lazy-vote by 0xbbbbbbbb",
        "certificate  round 1, 1 of 2 signed (75%)",
        "posting      by the poster of rank 0",
    ]


def test_each_thing_is_told_once_however_many_nodes_tell_it() -> None:
    told: list[str] = []
    narrator = Narrator(told.append)
    vote = {"event": "prevote", "round": 0, "operator": A, "value": "ff", "weight": 1}
    for node in ("http://a", "http://b"):
        narrator.tell(COMMITTEE | {"node": node})
        narrator.tell(vote | {"node": node})
        narrator.tell({"event": "inference_done", "tokens": 3, "value": "ff", "node": node})
    assert [line.split()[0] for line in told] == ["committee", "prevote", "inference", "inference"]


def test_the_end_is_noticed() -> None:
    narrator = Narrator(lambda _: None)
    assert not narrator.certified.is_set()
    narrator.tell({"event": "certified", "node": "a"})
    assert narrator.certified.is_set()


def test_verify_mode_and_divergence_are_told() -> None:
    told = story(
        {"event": "inference", "chunk": 0, "tokens": 32},  # replicate mode: everybody generates
        {"event": "inference", "chunk": 0, "tokens": 32, "generated": False},
        {"event": "inference", "chunk": 0, "tokens": 32, "generated": True},
        {"event": "inference", "chunk": 0, "tokens": 32, "generated": True},
        {"event": "chunk_refused", "operator": A, "reason": "the answer differs from token 40 on (chunk 1)"},
        {"event": "proposal_refused", "round": 0, "operator": A, "reason": "30 tokens, not 40"},
        {
            "event": "diverged",
            "operator": B,
            "detail": "the logits differ at token 71",
            "profilesDiffer": True,
        },
        {"event": "diverged", "operator": A, "detail": "the traces are equal", "profilesDiffer": False},
        {"event": "diverged", "operator": C},
    )
    assert told == [
        "chunk        0 generated, 32 tokens",
        "refused      chunks of 0xaaaaaaaa: the answer differs from token 40 on (chunk 1)",
        "refused      proposal of 0xaaaaaaaa: 30 tokens, not 40",
        "diverged     0xbbbbbbbb: the logits differ at token 71, another runtime profile",
        "diverged     0xaaaaaaaa: the traces are equal, the same runtime profile",
    ]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event": None},
        {"event": []},
        {"event": "committee"},
        {"event": "committee", "epoch": 1, "total": "many", "members": []},
        {"event": "committee", "epoch": 1, "total": 1, "members": 7},
        {"event": "committee", "epoch": 1, "total": 1, "members": [7]},
        {"event": "committee", "epoch": 1, "total": "9" * 5000, "members": []},
        {"event": "committee", "epoch": 1, "total": 1, "members": [{"operator": A, "weight": 10**400}]},
        {"event": "certificate", "round": 0, "signers": 7, "weight": 1, "total": 1},
        {"event": "certificate", "round": 0, "signers": [], "weight": 1, "total": "0"},
        {"event": "certificate", "round": 0, "signers": [], "weight": float("inf"), "total": 1},
        {"event": "certificate", "round": 0, "signers": [], "weight": float("nan"), "total": 1},
        {"event": "round", "round": "1", "proposer": A},
        {"event": "round", "round": 1, "proposer": 7},
        {"event": "posting", "rank": {}},
        {"event": "posting", "rank": [1]},
        {"event": "evidence", "offence": [], "operator": {}},
        {"event": "prevote", "round": 0, "operator": A, "value": 7, "weight": 1},
        {"event": "prevote", "round": 0, "operator": A, "value": "ff", "weight": {}},
        {"event": "inference_done"},
    ],
)
def test_malformed_events_are_passed_over(event: dict[str, Any]) -> None:
    assert story(event, {"event": "posting", "rank": 3}) == ["posting      by the poster of rank 3"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("committee", "inference_done", "round", "proposal", "prevote", "precommit", "divergence", "evidence",
         "certificate", "posting", "certified")  # fmt: skip
FIELDS = ("epoch", "total", "members", "tokens", "value", "round", "proposer", "operator", "weight",
          "offence", "signers", "rank")  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(FIELDS), json_values | st.integers(0, 5), max_size=len(FIELDS)),
)
def test_no_event_can_end_the_story(name: str, fields: dict[str, Any]) -> None:
    told = story(COMMITTEE, fields | {"event": name})
    assert all(line.isprintable() and len(line) <= LONGEST_LINE for line in told)


def test_a_node_cannot_play_with_the_terminal() -> None:
    told = story(
        {"event": "evidence", "offence": "\x1b[2J\nfree\tmoney" + "x" * 10_000, "operator": "\x07" * 9}
    )
    assert told[0].startswith("evidence     ?[2J?free?money")
    assert len(told[0]) <= LONGEST_LINE


def test_a_node_cannot_tell_for_ever() -> None:
    told = story(*({"event": "posting", "rank": number} for number in range(20_000)))
    assert len(told) <= 10_001
