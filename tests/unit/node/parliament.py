"""A committee of real members, each with its own database and sign guard, on a bus in memory."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import trio

from consensus import bls
from consensus.collecting import MANY, Collectors
from consensus.committee import Committee
from consensus.instance import Instance
from consensus.messages import (
    Commit,
    DivergenceReport,
    Message,
    OutputChunk,
    Proposal,
    RoundCertificate,
    Vote,
)
from consensus.signing import SignatureScheme, Signer, proposal_id, value_id
from consensus.timeouts import TimeoutConfig
from consensus.types import Kind, Scope
from consensus.verification import MessageVerifier
from consensus.wire import decode_message, encode_message
from p2pavs.divergence import DivergenceBook
from p2pavs.evidence_book import EvidenceBook
from p2pavs.execution import Execution
from p2pavs.journal import Journal
from p2pavs.member import Member
from p2pavs.member_ports import MemberPorts
from p2pavs.network import Offence
from p2pavs.scrutiny import Compare, nobody
from p2pavs.settings import NodeSettings
from p2pavs.storage import CertificateStore, Database, EvidenceStore, InputLog, SignGuard
from p2pavs.streaming import Stream
from tests.sim.world import SCHEME as FAKE
from tests.sim.world import World, own_result
from tests.unit.consensus import factory

TRUTH, LIE = b"treasury", b"moonboy"
SETTINGS = NodeSettings(TimeoutConfig())


@dataclass(frozen=True)
class RealSigner:
    index: int

    def sign(self, statement: bytes) -> bytes:
        return bls.sign(factory.secret(self.index), statement)


@dataclass(frozen=True)
class FakeSigner:
    key: bytes

    def sign(self, statement: bytes) -> bytes:
        return FAKE.sign(self.key, statement)


@dataclass(frozen=True)
class Setting:
    """Who decides, and with which signatures."""

    committee: Committee
    scope: Scope
    scheme: SignatureScheme
    real: bool
    many: int = MANY
    """Up to so many members there are no collectors."""

    @classmethod
    def with_real_signatures(cls) -> Setting:
        of = factory.committee()
        return cls(of, factory.scope(of), bls.SCHEME, True)

    @classmethod
    def with_fake_signatures(cls, size: int = 4, many: int = MANY) -> Setting:
        world = World((1,) * size)
        return cls(world.committee, world.scope, FAKE, False, many)

    @property
    def collectors(self) -> Collectors:
        return Collectors(self.committee, self.many)

    def signer(self, index: int) -> Signer:
        return RealSigner(index) if self.real else FakeSigner(self.committee.member(index).key)


class Killed(Exception):
    """The process ends here."""


async def until(condition: Callable[[], object], seconds: float = 600, every: float = 0.05) -> None:
    """Wait, in virtual time, until something holds."""
    with trio.fail_after(seconds):
        while True:
            if condition():
                return
            await trio.sleep(every)


@dataclass
class Fate:
    """Ends a member at the ``at``-th await that can be the last: by an exception, or by cancelling it."""

    at: float = math.inf
    cancels: bool = False
    scope: trio.CancelScope | None = None
    steps: int = 0

    async def step(self) -> None:
        self.steps += 1
        if self.steps < self.at:
            return
        if self.scope is None:
            raise Killed
        self.scope.cancel()
        await trio.lowlevel.checkpoint()


@cache
def _empty_database() -> bytes:
    """Making one takes several syncs of the disk."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "node.sqlite"
        Database(path).close()
        return path.read_bytes()


class MortalDatabase(Database):
    """Dies before or after a transaction, as its fate says."""

    levels = ("OFF", "OFF")  # these tests kill no machines

    def __init__(self, path: Path) -> None:
        path.write_bytes(_empty_database())
        super().__init__(path)
        self.fate = Fate()

    async def run(self, work: Any, *, synced: bool = True) -> Any:
        await self.fate.step()
        value = await super().run(work, synced=synced)
        await self.fate.step()
        return value


def execution(output: bytes) -> Execution:
    own = own_result(output)
    return Execution(own.result, output, own.trace_secret)


@dataclass
class Seat:
    """One member's node: what stays over a restart, and what it does."""

    index: int
    database: MortalDatabase
    parliament: Parliament
    fate: Fate = field(default_factory=Fate)
    journal: Journal = field(default_factory=Journal)
    execute: Callable[[], Awaitable[Execution | None]] | None = None
    stream: Callable[[], Stream] | None = None
    compare: Compare = nobody
    divergences: DivergenceBook = field(default_factory=DivergenceBook)
    execution_limit: float = 60.0
    member: Member | None = None
    guard: SignGuard | None = None
    decisions: list[Commit] = field(default_factory=list)
    blamed: list[tuple[str, Offence]] = field(default_factory=list)
    executed: int = 0
    lives: int = 0

    def new_member(self) -> Member:
        setting = self.parliament.setting
        self.database.fate = self.fate
        self.lives += 1
        self.guard = SignGuard(self.database, setting.signer(self.index))
        ports = MemberPorts(
            guard=self.guard,
            inputs=InputLog(self.database, setting.scope),
            certificates=CertificateStore(self.database),
            evidence=EvidenceBook(EvidenceStore(self.database), self.journal),
            journal=self.journal,
            settings=self.parliament.settings,
            publish=self.publish,
            tell=self.tell,
            has_room=lambda: True,
            catch_up=self._catch_up,
            execute=self._execute,
            execution_limit=self.execution_limit,
            decided=self._decided,
            author_of=self.parliament.author_of,
            stream=None if self.stream is None else self.stream(),
            compare=self.compare,
            divergences=self.divergences,
            blame=lambda peer, offence: self.blamed.append((peer, offence)),
        )
        policy = setting.collectors.policy(self.index)
        self.member = Member(
            instance=Instance(setting.committee, setting.scope, self.index, policy, setting.scheme),
            committee=setting.committee,
            scope=setting.scope,
            own=self.index,
            verifier=MessageVerifier(
                setting.scope, setting.committee, factory.Coefficients(), setting.scheme
            ),
            ports=ports,
            collectors=setting.collectors,
        )
        return self.member

    async def live(self) -> None:
        """One life: until killed or cancelled."""
        await self.new_member().run()

    async def live_twice(self, fate: Fate) -> None:
        """A life that ends as the fate says, and one on the same database that does not."""
        self.fate = fate
        try:
            with trio.CancelScope() as scope:
                if fate.cancels:
                    fate.scope = scope
                await self.live()
        except* Killed:
            pass
        self.fate = Fate()
        await self.live()

    def events(self, kind: str) -> list[dict[str, Any]]:
        task = self.parliament.setting.scope.instance.task_id
        return [event.fields for event in self.journal.events(task) if event.kind == kind]

    async def publish(self, message: Message) -> None:
        """Say something to the others."""
        await self.fate.step()
        self.parliament.say(self.index, message)
        await self.fate.step()

    async def tell(self, message: Message, operators: Collection[bytes]) -> bool:
        """Say something to some of the others."""
        await self.fate.step()
        self.parliament.say(self.index, message, operators)
        await self.fate.step()
        return True

    async def _catch_up(self) -> Sequence[tuple[Message, str]]:
        await trio.lowlevel.checkpoint()
        return self.parliament.answer(self.index)

    async def _execute(self) -> Execution | None:
        self.executed += 1
        await self.fate.step()
        found = execution(TRUTH) if self.execute is None else await self.execute()
        await self.fate.step()
        return found

    async def _decided(self, commit: Commit) -> None:
        await self.fate.step()
        self.decisions.append(commit)
        await self.fate.step()


class Parliament:
    """The seats and the bus between them."""

    def __init__(self, setting: Setting, directory: Path) -> None:
        self.setting = setting
        self.settings = SETTINGS
        self.said: list[tuple[int, Message]] = []
        self.told: list[tuple[int, Message]] = []  # of it what was for some only
        self.deaf: set[int] = set()  # who is given nothing that is said
        self.seats = [
            Seat(member.index, MortalDatabase(directory / f"{member.index}.sqlite"), self)
            for member in setting.committee.members
        ]

    def close(self) -> None:
        for seat in self.seats:
            seat.database.close()

    def say(self, sender: int, message: Message, operators: Collection[bytes] | None = None) -> None:
        """Give a message to all others, or some, as bytes."""
        self.said.append((sender, message))
        if operators is not None:
            self.told.append((sender, message))
        data = encode_message(message)
        if isinstance(message, OutputChunk) and message.sender != sender:
            return  # as by the gossip rules
        for seat in self.seats:
            if seat.index in {sender, *self.deaf} or seat.member is None:
                continue
            if operators is None or self.setting.committee.member(seat.index).operator in operators:
                seat.member.deliver(decode_message(data))

    def author_of(self, peer: str) -> bytes | None:
        """A peer's name here is its index."""
        return self.setting.committee.member(int(peer)).operator if peer.isdigit() else None

    def answer(self, asker: int) -> list[tuple[Message, str]]:
        """What another member hands to who asks, as bytes; with its name."""
        others = [s for s in self.seats if s.index != asker and s.member is not None]
        if asker in self.deaf or not others:
            return []
        return [
            (decode_message(encode_message(m)), str(s.index))
            for s in others[:1]
            if s.member
            for m in s.member.messages()
        ]

    async def until_decided(self, indexes: Sequence[int], seconds: float = 600) -> None:
        """Wait in virtual time."""
        await until(lambda: all(self.seats[index].decisions for index in indexes), seconds)

    def statements(self, sender: int) -> dict[tuple[Kind, int], set[bytes]]:
        """Every statement that left a node, by its slot."""
        found: dict[tuple[Kind, int], set[bytes]] = {}

        def note(kind: Kind, round_: int, value: bytes) -> None:
            found.setdefault((kind, round_), set()).add(value)

        for who, message in self.said:
            match message:
                case Proposal() if message.sender == who == sender:
                    note(
                        Kind.PROPOSAL,
                        message.round,
                        proposal_id(value_id(message.result), message.pol_round),
                    )
                case Vote() if message.sender == who == sender:
                    note(message.kind, message.round, message.value_id)
                    if message.work is not None:
                        note(Kind.WORK_TAG, 0, message.work.tag)
                case DivergenceReport() if message.sender == who == sender:
                    note(Kind.OUTPUT, 0, value_id(message.own))
                case Proposal() | Vote() | RoundCertificate() | Commit() | DivergenceReport() | OutputChunk():
                    pass
        return found

    def assert_nobody_signed_twice(self, *but: int) -> None:
        for seat in self.seats:
            if seat.index not in but:
                twice = {slot: v for slot, v in self.statements(seat.index).items() if len(v) > 1}
                assert not twice, f"member {seat.index} signed twice: {twice}"

    def assert_all_decided(self, output: bytes, *but: int) -> None:
        for seat in self.seats:
            if seat.index in but:
                continue
            assert seat.decisions, f"member {seat.index} has not decided"
            for commit in seat.decisions:
                assert commit.output == output
                of = self.setting.committee
                assert of.quorum(sum(map(of.weight_of, commit.certificate.signers)))
