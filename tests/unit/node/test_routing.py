"""Where a gossiped message goes: to its member, aside, or nowhere. Bounded, whoever sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from consensus.committee import Committee
from consensus.gossip_rules import Reason, Seen
from consensus.messages import Message, OutputChunk
from consensus.types import InstanceId, Kind
from consensus.vote_keeper import FUTURE_ROUNDS
from consensus.wire import MAX_MESSAGE_BYTES, encode_message
from p2pavs import routing
from p2pavs.network import Offence
from p2pavs.routing import Router
from tests.unit.consensus import factory

OF = factory.committee()
VOTE = factory.vote(OF, 0)
HERE = factory.INSTANCE


@dataclass
class Listener:
    committee: Committee = OF
    round: int = 0
    chunks: int = 0
    seen: Seen = field(default_factory=Seen)
    heard: list[Message] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)

    def deliver(self, message: Message, peer: str) -> None:
        self.heard.append(message)
        self.peers.append(peer)


def elsewhere(number: int) -> bytes:
    return encode_message(replace(VOTE, instance=InstanceId(number, 0)))


@pytest.fixture
def router() -> Router:
    return Router()


def take(router: Router, data: bytes, peer: str = "peer") -> bool:
    accepted = router.accept(peer, data)
    if accepted:
        router.route(data, peer)
    return accepted


def test_a_message_reaches_its_member(router: Router) -> None:
    listener = Listener()
    router.add(HERE, listener)
    assert take(router, encode_message(VOTE))
    assert listener.heard == [VOTE]


def test_early_messages_wait_for_their_member(router: Router) -> None:
    votes = [factory.vote(OF, index) for index in range(3)]
    for vote in votes:
        assert take(router, encode_message(vote))
    listener = Listener()
    router.add(HERE, listener)
    assert listener.heard == votes
    again = Listener()
    router.add(HERE, again)
    assert again.heard == []


def test_early_messages_are_bounded_per_instance(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "EARLY_MESSAGES", 3)
    for round_ in range(5):
        assert take(router, encode_message(factory.vote(OF, 0, Kind.PRECOMMIT, round_)))
    listener = Listener()
    router.add(HERE, listener)
    assert [message.round for message in listener.heard] == [0, 1, 2]  # type: ignore[union-attr]
    assert router.early_dropped == 2


def test_early_instances_are_bounded_and_the_oldest_goes_first(router: Router) -> None:
    for number in range(1, routing.EARLY_INSTANCES + 3):
        assert take(router, elsewhere(number), f"peer {number}")
    assert router.early_dropped == 2
    for number in range(1, routing.EARLY_INSTANCES + 3):
        listener = Listener()
        router.add(InstanceId(number, 0), listener)
        assert len(listener.heard) == (0 if number <= 2 else 1)


def test_one_author_cannot_push_out_what_others_said_early(router: Router) -> None:
    assert take(router, elsewhere(1), "honest")
    for number in range(2, 100):
        assert take(router, elsewhere(number), "spammer")
    listener = Listener()
    router.add(InstanceId(1, 0), listener)
    assert len(listener.heard) == 1
    assert router.early_dropped == 98 - routing.EARLY_OF_AUTHOR


def test_one_author_says_little_before_others_have_its_task(router: Router) -> None:
    limit = routing.EARLY_MESSAGES_OF_AUTHOR
    said = [encode_message(factory.vote(OF, 0, round_=number)) for number in range(limit + 5)]
    assert [take(router, data, "spammer") for data in said] == [True] * limit + [False] * 5
    assert take(router, said[0], "spammer"), "who repeats itself, as gossip must, says nothing more"
    assert take(router, said[0], "another")
    for data in said:
        router.route(data, "spammer")  # accepted while there was room
    listener = Listener(round=limit)
    router.add(HERE, listener)
    assert listener.peers == ["spammer"] * limit + ["another"]


def test_what_came_early_is_judged_when_its_task_is_known() -> None:
    blamed: list[tuple[str, Offence]] = []
    router = Router(lambda peer, offence: blamed.append((peer, offence)))
    early = [replace(VOTE, round=FUTURE_ROUNDS + 1), replace(VOTE, sender=200), VOTE]
    for number, message in enumerate(early):
        assert take(router, encode_message(message), f"peer {number}")
    listener = Listener()
    router.add(HERE, listener)
    assert (listener.heard, blamed) == ([VOTE], [("peer 1", Offence.BREAKS_RULES)])
    # Accepted as early, and the task became known before it was handed over.
    router.route(encode_message(replace(VOTE, round=FUTURE_ROUNDS + 1)), "peer")
    assert listener.heard == [VOTE]


def test_an_instance_that_is_over_is_ignored_and_nothing_is_kept_for_it(router: Router) -> None:
    assert take(router, encode_message(VOTE))
    listener = Listener()
    router.add(HERE, listener)
    router.close(HERE)
    assert not take(router, encode_message(factory.vote(OF, 1)))
    assert (router.count("ignore"), router.count("reject"), len(listener.heard)) == (1, 0, 1)
    router.route(encode_message(factory.vote(OF, 2)), "peer")  # accepted just before it was over
    again = Listener()
    router.add(HERE, again)
    assert again.heard == []


def test_closing_drops_what_was_early(router: Router) -> None:
    assert take(router, encode_message(VOTE))
    router.close(HERE)
    listener = Listener()
    router.add(HERE, listener)
    assert listener.heard == []


def test_a_task_that_was_undone_may_come_back(router: Router) -> None:
    first, second = Listener(), Listener()
    router.add(HERE, first)
    router.remove(HERE)
    assert take(router, encode_message(VOTE))
    router.add(HERE, second)
    assert (first.heard, second.heard) == ([], [VOTE])


def test_what_is_remembered_of_the_past_is_bounded(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "OVER_KEPT", 2)
    for number in (1, 2, 3):
        router.close(InstanceId(number, 0))
    assert [take(router, elsewhere(number)) for number in (1, 2, 3)] == [True, False, False]


def unwanted() -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "noise", b"\xff" * 40
    yield "too large", b"\x00" * (MAX_MESSAGE_BYTES + 1)
    yield "trailing byte", encode_message(VOTE) + b"\x00"
    yield "cut short", encode_message(VOTE)[:-1]
    yield "a stranger's vote", encode_message(replace(VOTE, sender=200))
    other = next(index for index in range(4) if index != OF.proposer(0))
    yield "another's proposal", encode_message(replace(factory.proposal(OF), sender=other))
    lone = factory.round_certificate(OF, [(VOTE.value_id, (0,))])
    yield "a certificate of one", encode_message(lone)
    commit = factory.commit(OF, (0, 1, 2))
    few = replace(commit, certificate=replace(commit.certificate, signers=(0, 1)))
    yield "a commit of half", encode_message(few)


@pytest.mark.parametrize("data", [d for _, d in unwanted()], ids=[n for n, _ in unwanted()])
def test_what_no_honest_peer_sends_is_refused(router: Router, data: bytes) -> None:
    listener = Listener()
    router.add(HERE, listener)
    assert not router.accept("peer", data)
    assert (router.count("reject"), listener.heard) == (1, [])


def test_what_is_far_ahead_or_known_is_ignored(router: Router) -> None:
    listener = Listener()
    router.add(HERE, listener)
    assert not router.accept("peer", encode_message(replace(VOTE, round=FUTURE_ROUNDS + 1)))
    assert router.accept("peer", encode_message(replace(VOTE, round=FUTURE_ROUNDS)))
    listener.seen.remember(VOTE, OF)
    assert not router.accept("peer", encode_message(VOTE))
    assert (router.count("ignore"), router.count("reject")) == (2, 0)
    assert set(router.verdicts) <= {("accept", ""), *(("ignore", reason.value) for reason in Reason)}


def test_who_breaks_a_rule_is_blamed_and_who_is_early_is_not() -> None:
    blamed: list[tuple[str, Offence]] = []
    router = Router(lambda peer, offence: blamed.append((peer, offence)))
    assert not router.accept("liar", b"noise")
    assert router.accept("early bird", encode_message(VOTE))
    assert blamed == [("liar", Offence.BREAKS_RULES)]


def test_one_author_cannot_fill_everybody_s_memory_with_tasks_to_come(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "EARLY_RATE", 0.001)
    router = Router()
    accepted = [router.accept("spammer", elsewhere(number)) for number in range(routing.EARLY_BURST + 5)]
    assert accepted == [True] * routing.EARLY_BURST + [False] * 5
    assert router.accept("another", elsewhere(1))


def test_the_author_of_an_early_message_is_remembered(router: Router) -> None:
    assert take(router, encode_message(VOTE))
    listener = Listener()
    router.add(HERE, listener)
    assert listener.peers == ["peer"]


CHUNK = OutputChunk(HERE, 0, (1, 2), bytes(32), 2)
AUTHORS = {f"peer {member.index}": member.operator for member in OF.members}


def test_a_chunk_goes_to_its_member_only_from_its_author_also_if_it_came_early() -> None:
    router = Router(author_of=AUTHORS.get)
    for peer in ("peer 1", "peer 2", "a stranger"):
        assert router.accept(peer, encode_message(CHUNK))  # the task is not known here yet
        router.route(encode_message(CHUNK), peer)
    listener = Listener(chunks=1)
    router.add(HERE, listener)
    assert (listener.heard, listener.peers) == ([CHUNK], ["peer 2"])
    assert not router.accept("peer 2", encode_message(CHUNK))  # nothing new
    other = encode_message(replace(CHUNK, sender=1))
    assert not router.accept("peer 2", other)
    assert router.accept("peer 1", other)


def test_a_task_without_a_stream_takes_no_chunks() -> None:
    router = Router(author_of=AUTHORS.get)
    router.route(encode_message(CHUNK), "peer 2")
    listener = Listener()
    router.add(HERE, listener)
    assert listener.heard == []
    assert not router.accept("peer 2", encode_message(CHUNK))
