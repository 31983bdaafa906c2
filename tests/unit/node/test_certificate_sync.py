"""Fetching missed certificates: what is fetched holds, and a liar gains nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from consensus import bls
from consensus.committee import Committee, OperatorSet
from consensus.encoding import EncodingError, encode
from consensus.messages import Certificate, Commit
from consensus.signing import statement, value_id
from consensus.types import InstanceId, Kind, Scope
from consensus.wire import encode_message
from p2pavs import certificate_sync
from p2pavs.certificate_sync import PROTOCOL, CertificateSync
from p2pavs.chain.records import TaskHeader
from p2pavs.network import Offence, RequestFailed
from p2pavs.storage import CertificateStore, Database
from p2pavs.storage.tasks import StoredTask, TaskState, TaskStore
from tests.unit.consensus import factory
from tests.unit.node.chain_double import requested

OPERATORS = factory.operator_set((1, 1, 1, 1))


def header_of(task_id: int) -> TaskHeader:
    return requested(task_id).header


def commit_of(task_id: int) -> tuple[Scope, Commit]:
    """A real certificate of three of four operators."""
    header = header_of(task_id)
    of = Committee.select(OPERATORS, header.hash, header.task_seed, 0, header.committee_size)
    scope = Scope(factory.DOMAIN, InstanceId(task_id, 0), of.root)
    result = factory.result()
    message = statement(scope, Kind.PRECOMMIT, 0, value_id(result))
    signature = bls.aggregate([bls.sign(factory.secret(index), message) for index in (0, 1, 2)])
    return scope, Commit(Certificate(scope.instance, 0, result, (0, 1, 2), signature), factory.OUTPUT)


class NetworkDouble:
    """Peers that answer by a function of the request."""

    def __init__(self, peers: dict[str, Callable[[bytes], Any]]) -> None:
        self.peers = peers
        self.blamed: list[tuple[str, Offence]] = []
        self.handlers: dict[str, Any] = {}
        self.asked: list[str] = []

    def handle(self, protocol: str, handler: Any, limits: Any) -> None:
        self.handlers[protocol] = handler

    def operators_first(self) -> list[str]:
        return sorted(self.peers)

    def blame(self, peer: str, offence: Offence) -> None:
        self.blamed.append((peer, offence))

    async def request(
        self, peer: str, protocol: str, data: bytes, *, timeout: float, max_response: int
    ) -> bytes:
        self.asked.append(peer)
        await trio.lowlevel.checkpoint()
        answer = self.peers[peer](data)
        found: bytes = await answer if hasattr(answer, "__await__") else answer
        return found


def sync(database: Database, network: NetworkDouble) -> CertificateSync:
    async def read_header(task_id: int) -> TaskHeader:
        await trio.lowlevel.checkpoint()
        return header_of(task_id)

    async def read_set(epoch: int) -> OperatorSet:
        await trio.lowlevel.checkpoint()
        return OPERATORS

    return CertificateSync(
        cast(Any, network),
        CertificateStore(database),
        factory.DOMAIN,
        read_header,
        read_set,
        factory.Coefficients(),
    )


@asynccontextmanager
async def running(one: CertificateSync) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        yield
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - a counter, without an event
            await trio.sleep(0.01)


@pytest.fixture
def other(tmp_path: Path) -> Any:
    opened = Database(tmp_path / "other.sqlite")
    yield opened
    opened.close()


async def test_missed_certificates_come_from_a_peer(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several requests, when one answer does not hold them all."""
    monkeypatch.setattr(certificate_sync, "MAX_IDS", 7)
    monkeypatch.setattr(certificate_sync, "AT_ONCE", 3)
    await CertificateStore(other).put_many([commit_of(task_id) for task_id in range(1, 21)])
    server = NetworkDouble({})
    sync(other, server)
    network = NetworkDouble({"a": lambda data: server.handlers[PROTOCOL]("me", data)})
    one = sync(database, network)
    for task_id in range(1, 21):
        one.want(task_id, header_of(task_id))
    async with running(one):
        await until(lambda: one.missing == 0)
    assert await CertificateStore(database).having(range(1, 30)) == list(range(1, 21))
    assert one.fetched == 20
    assert network.blamed == []


async def test_what_the_chain_said_before_a_restart_is_still_wanted(database: Database) -> None:
    _, commit = commit_of(3)
    for task_id, state in ((3, TaskState.CERTIFIED), (4, TaskState.EXPIRED)):
        await TaskStore(database).put(StoredTask(task_id, 1, bytes(32), state))
    network = NetworkDouble({"a": lambda data: encode([encode_message(commit)])})
    one = sync(database, network)
    async with running(one):
        await until(lambda: one.fetched)
    assert await CertificateStore(database).get(3) == commit


async def test_what_is_here_is_not_asked_for(database: Database) -> None:
    await CertificateStore(database).put(*commit_of(1))
    network = NetworkDouble({"a": lambda data: encode([])})
    one = sync(database, network)
    one.want(1, header_of(1))
    async with running(one):
        await until(lambda: one.missing == 0)
    assert network.asked == []


def forged(what: str) -> bytes:
    _, commit = commit_of(1)
    certificate = commit.certificate
    match what:
        case "signature":
            _, another = commit_of(2)
            changed = replace(certificate, signature=another.certificate.signature)
        case "signers":
            changed = replace(certificate, signers=(0, 1, 3))
        case "too few":
            changed = replace(certificate, signers=(0, 1))
        case _:
            return encode([encode_message(replace(commit, output=b"no!"))])
    return encode([encode_message(replace(commit, certificate=changed))])


@pytest.mark.parametrize("what", ["signature", "signers", "too few", "output"])
async def test_a_forged_certificate_is_not_kept_and_its_peer_is_blamed(database: Database, what: str) -> None:
    _, commit = commit_of(1)
    network = NetworkDouble({"liar": lambda data: forged(what)})
    one = sync(database, network)
    one.want(1, header_of(1))
    async with running(one):
        await until(lambda: network.blamed)
        assert network.blamed[0] == ("liar", Offence.FORGED)
        assert await CertificateStore(database).get(1) is None
        network.peers = {"honest": lambda data: encode([encode_message(commit)])}
        await until(lambda: one.missing == 0)
    assert await CertificateStore(database).get(1) == commit


HOSTILE = {
    "noise": b"\xff\x00",
    "no list": encode(7),
    "numbers": encode([1, 2]),
    "a vote": encode([encode_message(factory.vote(factory.committee(), 0))]),
    "too many": encode([encode_message(commit_of(1)[1])] * 1025),
    "deep": b"\x81" * 10_000,
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_answer_is_held_against_its_peer(database: Database, what: str) -> None:
    network = NetworkDouble({"liar": lambda data: HOSTILE[what]})
    one = sync(database, network)
    one.want(1, header_of(1))
    async with running(one):
        await until(lambda: network.blamed)
    assert network.blamed[0] == ("liar", Offence.BREAKS_RULES)
    assert one.fetched == 0


async def test_an_answer_that_never_ends_is_not_believed(database: Database) -> None:
    """A peer that sends something else each time is asked for each certificate once."""
    _, unwanted = commit_of(99)
    network = NetworkDouble({"liar": lambda data: encode([encode_message(unwanted)])})
    one = sync(database, network)
    for task_id in range(1, 4):
        one.want(task_id, header_of(task_id))
    await one._fetch_from("liar")
    assert network.asked == ["liar"]
    assert one.missing == 3
    for _ in range(certificate_sync.TRIES):
        await one._fetch_from("liar")
    assert one.missing == 0


async def test_a_peer_that_does_not_answer_is_passed_over(database: Database) -> None:
    _, commit = commit_of(1)

    def fail(data: bytes) -> bytes:
        raise RequestFailed("reset")

    network = NetworkDouble({"dead": fail, "live": lambda data: encode([encode_message(commit)])})
    one = sync(database, network)
    one.want(1, header_of(1))
    async with running(one):
        await until(lambda: one.missing == 0)
    assert network.blamed == []


@pytest.mark.parametrize("request_", [b"", encode(1), encode([b"1"]), encode([-1]), encode(list(range(257)))])
async def test_a_bad_request_is_refused_by_name(database: Database, request_: bytes) -> None:
    network = NetworkDouble({})
    sync(database, network)
    with pytest.raises(EncodingError):
        await network.handlers[PROTOCOL]("peer", request_)
