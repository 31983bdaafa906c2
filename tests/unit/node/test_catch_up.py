"""Catching up: what is served is bounded and what is asked for is not trusted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest
import trio
import trio.testing

from consensus.encoding import EncodingError, decode, encode
from consensus.messages import Message
from consensus.types import InstanceId, Kind, Scope
from consensus.wire import decode_message, encode_message
from p2pavs import catch_up
from p2pavs.catch_up import PROTOCOL, CatchUp
from p2pavs.network import Offence
from p2pavs.network.errors import PeerUnknown, RequestFailed, RequestTimeout
from p2pavs.storage import CertificateStore, Database
from tests.unit.consensus import factory

OF = factory.committee()
HERE = factory.INSTANCE
VOTES: list[Message] = [factory.vote(OF, index) for index in range(4)]

Handler = Callable[[str, bytes], Awaitable[bytes]]


class NetworkDouble:
    """Peers that answer what a test says."""

    def __init__(self, answers: dict[str, bytes | Exception]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, bytes, int]] = []
        self.handlers: dict[str, tuple[Handler, Any]] = {}
        self.blamed: list[tuple[str, Offence]] = []

    def handle(self, protocol: str, handler: Handler, limits: Any) -> None:
        self.handlers[protocol] = (handler, limits)

    def blame(self, peer: str, offence: Offence) -> None:
        self.blamed.append((peer, offence))

    def connected(self) -> set[str]:
        return set(self.answers)

    async def request(
        self, peer: str, protocol: str, data: bytes, *, timeout: float, max_response: int
    ) -> bytes:
        self.asked.append((peer, protocol, data, max_response))
        answer = self.answers[peer]
        if isinstance(answer, Exception):
            raise answer
        return answer


def office(
    database: Database, answers: dict[str, bytes | Exception], running: list[Message] | None = None
) -> tuple[CatchUp, NetworkDouble]:
    network = NetworkDouble(answers)
    made = CatchUp(
        cast(Any, network),
        CertificateStore(database),
        lambda instance: (running or []) if instance == HERE else [],
    )
    return made, network


async def messages(asking: CatchUp) -> list[Message]:
    return [message for message, _ in await asking.ask(HERE)]


def packed(*messages: Message) -> bytes:
    return encode([encode_message(message) for message in messages])


async def test_two_peers_are_asked_and_what_they_say_is_joined(database: Database) -> None:
    asking, network = office(database, {"a": packed(*VOTES[:1]), "b": packed(*VOTES[1:])})
    assert sorted(await messages(asking), key=VOTES.index) == VOTES
    assert {(protocol, data) for _, protocol, data, _ in network.asked} == {(PROTOCOL, encode([[7, 0]]))}


async def test_more_peers_than_two_are_not_bothered(database: Database) -> None:
    asking, network = office(database, {name: packed() for name in "abcdef"})
    assert await messages(asking) == []
    assert len({peer for peer, *_ in network.asked}) == 2


async def test_nobody_to_ask_is_no_error(database: Database) -> None:
    asking, _ = office(database, {})
    assert await messages(asking) == []


@pytest.mark.parametrize("failure", [RequestFailed("reset"), RequestTimeout("slow"), PeerUnknown("gone")])
async def test_a_peer_that_fails_does_not_spoil_the_other(database: Database, failure: Exception) -> None:
    asking, _ = office(database, {"a": failure, "b": packed(*VOTES)})
    assert await messages(asking) == VOTES


HOSTILE = {
    "nothing": b"",
    "noise": b"\xff\x00\xff",
    "no list": encode(7),
    "a map": encode({1: b""}),
    "numbers": encode([1, 2, 3]),
    "text": encode(["hello"]),
    "no messages": encode([b"", b"\x00"]),
    "one bad among good": encode([encode_message(VOTES[0]), b"\x00"]),
    "too many": encode([encode_message(VOTES[0])] * (catch_up.MAX_MESSAGES + 1)),
    "a very long list": encode([0] * 700_000),
    "too large": encode([b"\x00" * catch_up.MAX_RESPONSE]),
    "trailing bytes": packed(*VOTES) + b"\x00",
    "deep": b"\x81" * 10_000,
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_answer_yields_nothing_and_raises_nothing(database: Database, what: str) -> None:
    asking, network = office(database, {"a": HOSTILE[what], "b": packed(*VOTES)})
    assert await messages(asking) == VOTES
    assert network.blamed == [("a", Offence.BREAKS_RULES)]


async def test_who_said_what_is_told(database: Database) -> None:
    asking, _ = office(database, {"a": packed(VOTES[0]), "b": packed(VOTES[1])})
    assert set(await asking.ask(HERE)) == {(VOTES[0], "a"), (VOTES[1], "b")}


async def test_messages_of_another_instance_are_dropped(database: Database) -> None:
    other = replace(VOTES[0], instance=InstanceId(7, 1))  # type: ignore[arg-type]
    asking, _ = office(database, {"a": packed(other, VOTES[1])})
    assert await messages(asking) == [VOTES[1]]


async def serve(network: NetworkDouble, request: bytes) -> list[Message]:
    handler, limits = network.handlers[PROTOCOL]
    answer = await handler("peer", request)
    assert len(answer) <= limits.max_response
    found = decode(answer, catch_up.MAX_RESPONSE)
    assert isinstance(found, tuple)
    return [decode_message(cast(bytes, one)) for one in found]


async def test_a_running_instance_is_served(database: Database) -> None:
    _, network = office(database, {}, VOTES)
    assert await serve(network, encode([[7, 0]])) == VOTES
    assert await serve(network, encode([[7, 1]])) == []
    assert await serve(network, encode([[8, 0]])) == []


async def test_the_certificate_of_one_that_is_over_is_served(database: Database) -> None:
    _, network = office(database, {})
    commit = factory.commit(OF, (0, 1, 2))
    await CertificateStore(database).put(Scope(factory.DOMAIN, HERE, OF.root), commit)
    assert await serve(network, encode([[7, 0]])) == [commit]
    assert await serve(network, encode([[7, 1]])) == []


@pytest.mark.parametrize("number", [0, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**64)])
async def test_any_number_has_an_answer(database: Database, number: int) -> None:
    _, network = office(database, {})
    assert await serve(network, encode([[number, number]])) == []


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\xff",
        encode(7),
        encode([7]),
        encode([[7, 0, 0]]),
        encode([[b"7", 0]]),
        encode([[7, None]]),
        encode([[7, 0]] * 65),
    ],
)
async def test_a_bad_request_is_refused_by_name(database: Database, request_: bytes) -> None:
    _, network = office(database, {}, VOTES)
    handler, _ = network.handlers[PROTOCOL]
    with pytest.raises(EncodingError):
        await handler("peer", request_)


async def test_an_answer_is_bounded_and_the_first_messages_come_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    many: list[Message] = [factory.vote(OF, 0, Kind.PRECOMMIT, round_) for round_ in range(20)]
    _, network = office(database, {}, many)
    monkeypatch.setattr(catch_up, "MAX_MESSAGES", 15)
    assert await serve(network, encode([[7, 0]])) == many[:15]
    size = len(encode_message(many[0]))
    monkeypatch.setattr(catch_up, "MAX_RESPONSE", 10 * (size + 5) + 20)
    assert await serve(network, encode([[7, 0]])) == many[:10]


async def test_questions_at_the_same_time_go_together(database: Database) -> None:
    asking, network = office(database, {"a": packed(*VOTES)})
    found: dict[int, list[Message]] = {}

    async def ask(task_id: int) -> None:
        found[task_id] = [message for message, _ in await asking.ask(InstanceId(task_id, 0))]

    async with trio.open_nursery() as nursery:
        for task_id in range(5, 10):
            nursery.start_soon(ask, task_id)
    assert found == {5: [], 6: [], 7: VOTES, 8: [], 9: []}
    (asked,) = network.asked
    pairs = decode(asked[2], catch_up.MAX_REQUEST)
    assert isinstance(pairs, tuple)
    assert sorted(cast(Any, pairs)) == [(task_id, 0) for task_id in range(5, 10)]


async def test_who_asks_first_may_give_up(database: Database) -> None:
    """The others get no answer, and can ask again."""
    asking, _ = office(database, {"a": packed(*VOTES)})
    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def give_up() -> None:
            with first:
                await asking.ask(InstanceId(8, 0))

        nursery.start_soon(give_up)
        await trio.testing.wait_all_tasks_blocked(0.01)
        first.cancel()
        with trio.fail_after(60):
            assert [m for m, _ in await asking.ask(HERE)] in ([], VOTES)
    assert await messages(asking) == VOTES


async def test_only_members_are_asked_where_they_are_known(database: Database) -> None:
    asking, network = office(database, {name: packed() for name in "abc"})
    assert await asking.ask(HERE, {"b", "nobody"}) == []
    assert [peer for peer, *_ in network.asked] == ["b"]


async def test_several_instances_are_served_at_once(database: Database) -> None:
    _, network = office(database, {}, VOTES)
    commit = factory.commit(OF, (0, 1, 2))
    other = replace(commit, certificate=replace(commit.certificate, instance=InstanceId(9, 0)))
    await CertificateStore(database).put(Scope(factory.DOMAIN, InstanceId(9, 0), OF.root), other)
    assert await serve(network, encode([[7, 0], [8, 0], [9, 0], [9, 1]])) == [*VOTES, other]
