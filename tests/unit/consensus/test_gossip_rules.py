"""What is passed on, what is dropped, and who is blamed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from consensus import wire
from consensus.encoding import encode
from consensus.gossip_rules import (
    Ignore,
    NotYetKnown,
    Reject,
    Running,
    Seen,
    check,
    instance_of,
    read,
)
from consensus.messages import Message, OutputChunk
from consensus.signing import value_id
from consensus.types import NIL, Kind
from consensus.vote_keeper import FUTURE_ROUNDS
from tests.unit.consensus import factory

COMMITTEE = factory.committee((1,) * 7)
RUNNING = Running(COMMITTEE, 0)
VALUE = value_id(factory.result())
OTHER = value_id(factory.result(b"no"))
PREVOTE = factory.vote(COMMITTEE, 0)
PROPOSAL = factory.proposal(COMMITTEE)
POLKA = factory.round_certificate(COMMITTEE, [(VALUE, (0, 1, 2, 3, 4))])
COMMIT = factory.commit(COMMITTEE, (0, 1, 2, 3, 4))
REPORT = factory.divergence(COMMITTEE, 3)
ALL: list[Message] = [PREVOTE, PROPOSAL, POLKA, COMMIT, REPORT]


def passed(seen: Seen, *messages: Message) -> Seen:
    for message in messages:
        check(message, RUNNING, False, seen)
        seen.remember(message, COMMITTEE)
    return seen


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)
def test_news_is_passed_on_once(message: Message) -> None:
    assert read(wire.encode_message(message)) == message
    seen = passed(Seen(), message)
    with pytest.raises(Ignore, match="nothing new"):
        check(message, RUNNING, False, seen)
    check(message, RUNNING, False, Seen())  # a new period: repeated for those whom a link kept it from


@pytest.mark.parametrize("data", [b"", b"\xff", bytes(wire.MAX_MESSAGE_BYTES + 1)])
def test_what_is_no_message_is_rejected(data: bytes) -> None:
    with pytest.raises(Reject):
        read(data)


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)
def test_instances_that_do_not_run_here_are_ignored(message: Message) -> None:
    with pytest.raises(NotYetKnown):
        check(message, None, False, Seen())
    with pytest.raises(Ignore, match="over"):
        check(message, RUNNING, True, Seen())
    assert instance_of(message) == factory.INSTANCE


def bad_senders() -> dict[str, Message]:
    stranger_group = dataclasses.replace(POLKA.groups[0], signers=(0, 1, 2, 9))
    few = dataclasses.replace(POLKA.groups[0], signers=(0, 1))
    certificate = COMMIT.certificate
    return {
        "a stranger's vote": dataclasses.replace(PREVOTE, sender=9),
        "a stranger's report": dataclasses.replace(REPORT, sender=9),
        "a proposal out of turn": dataclasses.replace(PROPOSAL, sender=(PROPOSAL.sender + 1) % 7),
        "a stranger in a certificate": dataclasses.replace(POLKA, groups=(stranger_group,)),
        "a certificate of a few": dataclasses.replace(POLKA, groups=(few,)),
        "a member counted twice": dataclasses.replace(POLKA, groups=(few, few)),
        "a stranger's commit": dataclasses.replace(
            COMMIT, certificate=dataclasses.replace(certificate, signers=(0, 1, 2, 3, 9))
        ),
        "a commit of a few": dataclasses.replace(
            COMMIT, certificate=dataclasses.replace(certificate, signers=(0, 1, 2, 3))
        ),
    }


@pytest.mark.parametrize("name", bad_senders())
def test_who_may_not_say_it_is_rejected(name: str) -> None:
    with pytest.raises(Reject):
        check(bad_senders()[name], RUNNING, False, Seen())


def test_rounds_far_ahead_need_more_than_one_members_word() -> None:
    reach = FUTURE_ROUNDS
    check(dataclasses.replace(PREVOTE, round=reach), RUNNING, False, Seen())
    for round_ in (reach + 1, 2**31 - 1):
        with pytest.raises(Ignore, match="too far ahead"):
            check(dataclasses.replace(PREVOTE, round=round_), RUNNING, False, Seen())
        check(dataclasses.replace(POLKA, round=round_), RUNNING, False, Seen())
    check(dataclasses.replace(PREVOTE, round=reach + 1), Running(COMMITTEE, 1), False, Seen())


def test_an_equivocation_is_passed_on_and_no_more_of_it() -> None:
    votes = [factory.vote(COMMITTEE, 0, value=value) for value in (VALUE, NIL, OTHER)]
    seen = passed(Seen(), *votes[:2])
    with pytest.raises(Ignore):
        check(votes[2], RUNNING, False, seen)
    passed(seen, factory.vote(COMMITTEE, 1, value=OTHER))  # others may still vote for it


def test_two_work_tags_are_an_equivocation_too() -> None:
    passed(Seen(), PREVOTE, factory.vote(COMMITTEE, 0, trace_secret=b"\x66" * 32))


def test_a_forged_message_does_not_silence_its_member() -> None:
    seen = Seen()
    check(dataclasses.replace(PREVOTE, signature=bytes(96)), RUNNING, False, seen)
    # Its signature fails, so the host does not remember it.
    check(PREVOTE, RUNNING, False, seen)


def test_a_certificate_is_news_while_it_adds_voters_or_a_quorum() -> None:
    seen = passed(Seen(), factory.round_certificate(COMMITTEE, [(VALUE, (0, 1, 2))]))
    with pytest.raises(Ignore):
        check(factory.round_certificate(COMMITTEE, [(VALUE, (0, 1, 2))]), RUNNING, False, seen)
    passed(seen, factory.round_certificate(COMMITTEE, [(VALUE, (2, 3, 4))]))
    passed(seen, POLKA)  # no new voter, but now more than two thirds in one
    with pytest.raises(Ignore):
        check(POLKA, RUNNING, False, seen)
    with pytest.raises(Ignore):
        check(factory.round_certificate(COMMITTEE, [(VALUE, (1, 2, 3, 4))]), RUNNING, False, seen)


def test_votes_and_certificates_are_no_copies_of_each_other() -> None:
    votes = [factory.vote(COMMITTEE, i, Kind.PRECOMMIT) for i in range(5)]
    seen = passed(Seen(), *votes)
    passed(seen, factory.round_certificate(COMMITTEE, [(VALUE, (0, 1, 2))], Kind.PRECOMMIT))
    passed(seen, factory.vote(COMMITTEE, 5, Kind.PRECOMMIT))


CHUNK = OutputChunk(factory.INSTANCE, 1, (5, 6, 7), b"\7" * 32, 2)
STREAMING = Running(COMMITTEE, 0, chunks=2)
AUTHOR = COMMITTEE.member(2).operator


def test_a_chunk_is_passed_on_once_for_its_author() -> None:
    assert read(wire.encode_message(CHUNK)) == CHUNK
    assert instance_of(CHUNK) == factory.INSTANCE
    seen = Seen()
    check(CHUNK, STREAMING, False, seen, AUTHOR)
    seen.remember(CHUNK, COMMITTEE)
    with pytest.raises(Ignore, match="nothing new"):
        check(CHUNK, STREAMING, False, seen, AUTHOR)
    check(dataclasses.replace(CHUNK, index=0), STREAMING, False, seen, AUTHOR)
    check(dataclasses.replace(CHUNK, tokens=(5, 6)), STREAMING, False, seen, AUTHOR)
    seen.remember(dataclasses.replace(CHUNK, tokens=(5, 6)), COMMITTEE)
    with pytest.raises(Ignore, match="nothing new"):
        check(dataclasses.replace(CHUNK, tokens=(5,)), STREAMING, False, seen, AUTHOR)


@pytest.mark.parametrize(
    ("chunk", "running", "author", "refusal"),
    [
        (CHUNK, STREAMING, COMMITTEE.member(3).operator, Reject),
        (dataclasses.replace(CHUNK, sender=9), STREAMING, AUTHOR, Reject),
        (dataclasses.replace(CHUNK, index=2), STREAMING, AUTHOR, Reject),
        (CHUNK, RUNNING, AUTHOR, Reject),  # a task whose members do not stream
        (CHUNK, STREAMING, None, Ignore),
        (CHUNK, None, AUTHOR, NotYetKnown),
    ],
    ids=["another's", "a stranger's", "behind the end", "no stream", "author unknown", "task unknown"],
)
def test_other_chunks_are_not(
    chunk: OutputChunk, running: Running | None, author: bytes | None, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        check(chunk, running, False, Seen(), author)


@pytest.mark.parametrize("head", [[2, 1], [1, 7], [1, 99, b"what"], [7, 99]])
def test_a_message_of_a_later_version_is_nobody_s_fault(head: list[Any]) -> None:
    """An operator that has updated its node first must not be banned by the others."""
    with pytest.raises(Ignore):
        read(encode([*head, 7, 0, b"content"]))


@pytest.mark.parametrize("head", [[0, 1], [1, 0], [1, -1], [b"1", 1], [1], [], 7, {1: 7}])
def test_what_no_version_could_say_is_rejected(head: Any) -> None:
    with pytest.raises(Reject):
        read(encode(head))
