"""Who generates when in verify mode, and whose chunks are read: without a model, a network or a clock."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from consensus.messages import OutputChunk
from consensus.types import CHUNK_TOKENS, InstanceId
from p2pavs.relay import DRAWS, Action, Extend, Lead, Patience, Refused, Relay, Say, stream_order
from tests.unit.consensus import factory

HERE = InstanceId(7, 0)
ORDER = (3, 1, 0, 2)
PATIENCE = Patience(first=20, following=10)
ANSWER = tuple(range(100, 180))  # two full chunks and a short one
DIGESTS = (b"\0" * 32, b"\1" * 32, b"\2" * 32)


def tokens(index: int) -> tuple[int, ...]:
    return ANSWER[index * CHUNK_TOKENS : (index + 1) * CHUNK_TOKENS]


def chunk(index: int, sender: int = 3) -> OutputChunk:
    return OutputChunk(HERE, index, tokens(index), DIGESTS[index], sender)


def relay(own: int, patience: Patience = PATIENCE) -> Relay:
    made = Relay(HERE, ORDER, own, patience, 0.0)
    made.start()
    return made


def follower(own: int = 1) -> Relay:
    made = relay(own)
    made.ready(1.0)
    return made


def extend(index: int) -> Extend:
    return Extend(index * CHUNK_TOKENS, tokens(index))


def test_the_order_is_that_of_the_proposers_and_names_everybody_once() -> None:
    of = factory.committee((1, 1000, 50, 1))
    order = stream_order(of)
    assert sorted(order) == [0, 1, 2, 3]
    assert order[0] == of.proposer(0)
    firsts = [next((r for r in range(DRAWS * 4) if of.proposer(r) == who), 99) for who in order]
    assert all(a <= b for a, b in pairwise(firsts))


def test_rank_0_generates_and_says_each_chunk() -> None:
    made = Relay(HERE, ORDER, 3, PATIENCE, 0.0)
    assert made.start() == [Lead(0)]
    assert made.deadline is None
    assert made.computed(0, tokens(0), DIGESTS[0], 5.0) == [Say(chunk(0))]
    assert made.computed(1, tokens(1), DIGESTS[1], 6.0) == [Say(chunk(1))]
    assert made.finished(ANSWER, DIGESTS, 7.0) == [Say(chunk(2))]
    assert made.chunks() == [chunk(0), chunk(1), chunk(2)]


def test_the_others_read_and_say_nothing() -> None:
    made = follower()
    assert made.start() == []
    assert made.hear(chunk(0), 2.0) == [extend(0)]
    assert made.hear(chunk(0), 2.0) == []
    assert made.hear(chunk(1), 2.5) == [extend(1)]
    assert made.computed(0, tokens(0), DIGESTS[0], 3.0) == []
    assert made.hear(chunk(2), 3.0) == [extend(2)]
    assert made.computed(1, tokens(1), DIGESTS[1], 3.5) == []
    assert made.finished(ANSWER, DIGESTS, 4.0) == []
    assert made.deadline is None and made.refused == {}
    assert made.chunks() == [replace(chunk(i), sender=1) for i in range(3)]


def test_chunks_are_read_in_order_however_they_come() -> None:
    made = follower()
    assert made.hear(chunk(2), 2.0) == []
    assert made.hear(chunk(1), 2.0) == []
    assert made.hear(chunk(0), 2.0) == [extend(0), extend(1), extend(2)]


def test_the_next_rank_takes_over_from_the_checked_prefix() -> None:
    made = follower()
    made.hear(chunk(0), 2.0)
    made.computed(0, tokens(0), DIGESTS[0], 3.0)
    assert made.deadline == 13.0
    assert made.tick(12.9) == []
    assert made.tick(13.0) == [Lead(1)]
    assert made.deadline is None
    assert made.computed(1, tokens(1), DIGESTS[1], 15.0) == [Say(replace(chunk(1), sender=1))]
    assert made.finished(ANSWER, DIGESTS, 16.0) == [Say(replace(chunk(2), sender=1))]


def test_a_later_rank_waits_a_turn_for_each_before_it() -> None:
    made = follower(own=2)
    assert made.tick(21.0) == [] and made.rank == 1
    assert made.deadline == 31.0
    assert made.tick(31.0) == [] and made.rank == 2
    assert made.hear(replace(chunk(0), sender=0), 32.0) == [extend(0)]
    made.computed(0, tokens(0), DIGESTS[0], 33.0)
    assert made.tick(43.0) == [Lead(3)]


def test_the_clock_of_the_first_chunk_starts_when_the_own_prompt_is_read() -> None:
    made = relay(own=1)
    assert made.deadline == float("inf")
    assert made.tick(10_000.0) == []
    made.ready(10_000.0)
    assert made.deadline == 10_020.0


def test_nobody_is_waited_for_for_ever_however_slowly_chunks_come() -> None:
    made = relay(own=2, patience=replace(PATIENCE, total=50))
    assert made.deadline == 50.0
    made.ready(1.0)
    for second in range(5, 50, 9):
        made.hear(replace(chunk(0), sender=3), float(second))
        assert made.tick(float(second)) == []
    made.computed(0, tokens(0), DIGESTS[0], 45.0)
    assert made.deadline == 50.0
    assert made.tick(50.0) == [Lead(3)]


def test_a_wrong_token_ends_the_senders_turn() -> None:
    made = follower()
    bad = replace(chunk(1), tokens=(*tokens(1)[:8], 9, *tokens(1)[9:]))
    made.hear(chunk(0), 2.0)
    made.hear(bad, 2.0)
    made.hear(chunk(2), 2.0)
    made.computed(0, tokens(0), DIGESTS[0], 3.0)
    assert made.differs(40, ANSWER[40], 3.0) == [Refused(3, 40, True), Lead(1)]
    assert str(made.refused[3]) == "the answer differs from token 40 on (chunk 1)"
    assert made.hear(chunk(1), 4.0) == []
    # It generates from the checked prefix; a chunk of another member still saves time.
    assert made.hear(replace(chunk(1), sender=0), 4.0) == [extend(1)]


def test_a_wrong_token_makes_a_later_rank_wait_for_the_next() -> None:
    made = follower(own=0)
    made.hear(replace(chunk(0), tokens=(1,) * 32), 2.0)
    assert made.differs(0, ANSWER[0], 2.0) == [Refused(3, 0, True)]
    assert (made.rank, made.leading) == (1, False)
    assert made.hear(replace(chunk(0), sender=1), 3.0) == [extend(0)]


def test_a_draft_that_was_replaced_is_nobodys_fault() -> None:
    made = follower(own=0)
    made.hear(replace(chunk(0), tokens=tokens(0)[:5]), 2.0)  # rank 0 says that the answer ends there
    made.hear(replace(chunk(0), sender=1), 2.0)
    assert made.differs(3, ANSWER[3], 3.0) == []
    assert made.refused == {}


def test_equal_tokens_from_other_logits_are_told_apart() -> None:
    made = follower()
    made.hear(replace(chunk(0), digest=rb"\9" * 32), 2.0)
    assert made.computed(0, tokens(0), DIGESTS[0], 3.0) == [Refused(3, 0, False), Lead(1)]
    assert str(made.refused[3]) == "the tokens of chunk 0, from token 0 on, come from other logits"


def test_an_answer_cut_short_is_refused_where_it_ends() -> None:
    made = follower()
    cut = replace(chunk(1), tokens=tokens(1)[:20])
    made.hear(chunk(0), 2.0)
    made.computed(0, tokens(0), DIGESTS[0], 2.0)
    assert made.hear(cut, 3.0) == [Extend(32, tokens(1)[:20])]
    assert made.deadline == 13.0  # the engine wants more, and its sender has no more
    assert made.tick(13.0) == [Lead(1)]
    found = made.computed(1, tokens(1), DIGESTS[1], 14.0)
    assert Refused(3, 52, True) in found


def test_an_answer_that_goes_on_too_long_is_refused_where_it_should_have_ended() -> None:
    made = follower()
    for index in range(2):
        made.hear(chunk(index), 2.0)
        made.computed(index, tokens(index), DIGESTS[index], 2.0)
    longer = replace(chunk(2), tokens=(*tokens(2), 1, 2))
    made.hear(longer, 3.0)
    assert made.finished(ANSWER, DIGESTS, 4.0) == [Refused(3, 80, True)]
    beyond = OutputChunk(HERE, 3, (1,), bytes(32), 0)
    assert made.hear(beyond, 5.0, asked=True) == [Refused(0, 80, True)]


def test_the_chunk_of_the_lowest_rank_is_read() -> None:
    made = follower(own=2)
    made.hear(replace(chunk(1), sender=1), 2.0)
    made.hear(chunk(1), 2.0)
    made.hear(replace(chunk(0), sender=1, tokens=(5,) * 32), 2.0)
    assert made.differs(0, ANSWER[0], 2.0)[0] == Refused(1, 0, True)
    assert made.hear(chunk(0), 3.0) == [extend(0), extend(1)]


def test_ranks_whose_turn_is_far_are_not_heard_unless_asked() -> None:
    made = follower(own=1)
    far = replace(chunk(0), sender=2)
    assert made.hear(far, 2.0) == []
    assert made.hear(far, 2.0, asked=True) == [extend(0)]
    assert made.hear(replace(chunk(1), sender=9), 2.0, asked=True) == []
    assert made.hear(replace(chunk(1), sender=1), 2.0) == []  # nobody speaks for this member


def test_a_member_that_was_refused_gets_no_turn() -> None:
    made = follower(own=2)
    made.hear(replace(chunk(0), sender=1, tokens=(5,) * 32), 2.0)
    made.differs(0, ANSWER[0], 2.0)
    assert made.tick(22.0) == []
    assert made.rank == 2  # not 1


def test_late_chunks_are_judged_and_not_read() -> None:
    made = follower()
    made.hear(chunk(0), 2.0)
    made.computed(0, tokens(0), DIGESTS[0], 3.0)
    late = replace(chunk(0), sender=0, tokens=(*tokens(0)[:31], 1))
    assert made.hear(late, 4.0, asked=True) == [Refused(0, 31, True)]
    assert made.hear(replace(chunk(0), sender=2), 4.0, asked=True) == []


def test_everybody_refused_leaves_oneself() -> None:
    made = follower(own=2)
    acted: list[Action] = []
    for sender in (3, 1, 0):
        made.hear(replace(chunk(0), sender=sender, tokens=(7,) * 32), 2.0)
        acted = made.differs(0, ANSWER[0], 2.0)
    assert acted[-1] == Lead(3)


@pytest.mark.parametrize("index", [1, 5])
def test_reports_out_of_order_are_ignored(index: int) -> None:
    made = follower()
    assert made.computed(index, tokens(1), DIGESTS[1], 2.0) == []
    assert made.differs(32 * index, 5, 2.0) == []
