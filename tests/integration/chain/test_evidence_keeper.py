"""Operators report each other's offences on a real chain, and have them punished."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from consensus import bls
from consensus.committee import Committee
from consensus.effects import Equivocation, FalseWorkTag, WrongOutput
from consensus.hashing import keccak256
from consensus.messages import Certificate, Commit, Proposal, Vote, WorkTag
from consensus.signing import proposal_id, statement, value_id
from consensus.types import NO_ROUND, FinishReason, InstanceId, Kind, Result, ResultStatus, Scope, ValueId
from p2pavs.chain import slashing
from p2pavs.chain.reader import read_operator_set, stake_of
from p2pavs.chain.records import TaskHeader
from p2pavs.evidence_book import EvidenceBook
from p2pavs.evidence_keeper import ABSENCE_EVERY, TURN, EvidenceKeeper
from p2pavs.journal import Journal
from p2pavs.storage import CertificateStore, Database
from p2pavs.storage.evidence import EvidenceState, EvidenceStore
from tests.integration.anvil import Anvil
from tests.integration.chain.network import (
    ETH,
    OUTPUT,
    PROFILE,
    Network,
    address_of,
    running_network,
    running_sender,
)

SECRET = keccak256(b"only who ran the model knows")
VALUE = ValueId(keccak256(b"another value"))


@dataclass
class Scene:
    """A task that was certified, one operator's node as far as evidence goes, and the accused: operator 3."""

    anvil: Anvil
    network: Network
    header: TaskHeader
    committee: Committee
    scope: Scope
    result: Result
    certificate: Certificate
    store: EvidenceStore
    book: EvidenceBook
    keeper: EvidenceKeeper
    accused: int
    waited: list[float]

    @property
    def account(self) -> bytes:
        return self.committee.member(self.accused).operator

    def sign(self, kind: Kind, round_: int, value: bytes) -> bytes:
        secret = next(m.secret for m in self.network.operators if address_of(m.account) == self.account)
        return bls.sign(secret, statement(self.scope, kind, round_, value))

    def vote(self, kind: Kind, value: ValueId, tag: bytes | None = None) -> Vote:
        work = None if tag is None else WorkTag(tag, self.sign(Kind.WORK_TAG, 0, tag))
        signature = self.sign(kind, 0, value)
        return Vote(self.scope.instance, kind, 0, value, self.accused, signature, work)

    async def stake(self) -> int:
        return await stake_of(self.network.chain, self.account)

    async def step(self) -> None:
        """Let everybody else's turn pass, and act."""
        self.waited[0] += 10 * TURN
        await self.keeper.step()

    async def pass_veto_window(self) -> None:
        window = int(await self.network.chain.read_one("SlashingManager", "vetoWindow"))
        await trio.to_thread.run_sync(self.anvil.rpc, "evm_increaseTime", window + 1)
        await trio.to_thread.run_sync(self.anvil.rpc, "evm_mine")
        self.waited[0] += window + 1


@asynccontextmanager
async def scene(anvil: Anvil, directory: Path) -> AsyncIterator[Scene]:
    async with running_network(anvil, directory) as network:
        header = await network.request()
        operators = await read_operator_set(network.chain, header.epoch)
        committee = Committee.select(operators, header.hash, header.task_seed, 0, header.committee_size)
        scope = Scope(network.chain.deployment.domain, InstanceId(header.id, 0), committee.root)
        result = Result(
            ResultStatus.COMPLETED,
            keccak256(OUTPUT),
            len(OUTPUT),
            1,
            FinishReason.CHOICE,
            b"\x41" * 32,
            hashlib.sha256(b"p2pavs/trace-commit/1" + SECRET).digest(),
            PROFILE,
        )
        message = statement(scope, Kind.PRECOMMIT, 1, value_id(result))
        secrets = {address_of(m.account): m.secret for m in network.operators}
        signatures = [bls.sign(secrets[m.operator], message) for m in committee.members]
        signers = tuple(m.index for m in committee.members)
        certificate = Certificate(scope.instance, 1, result, signers, bls.aggregate(signatures))
        reporter = network.operators[0]
        database = Database(directory / "node.sqlite")
        store, certificates = EvidenceStore(database), CertificateStore(database)
        await certificates.put(scope, Commit(certificate, OUTPUT))
        block = await network.chain.rpc.block("latest")
        assert block is not None
        waited = [float(block.timestamp)]
        async with running_sender(network.chain.rpc, directory, reporter.account) as sender:
            keeper = EvidenceKeeper(
                network.chain, sender, address_of(reporter.account), store, certificates, lambda: waited[0]
            )
            accused = next(
                m.index for m in committee.members if m.operator == address_of(network.operators[3].account)
            )
            yield Scene(
                anvil,
                network,
                header,
                committee,
                scope,
                result,
                certificate,
                store,
                EvidenceBook(store, Journal()),
                keeper,
                accused,
                waited,
            )
        database.close()


async def test_an_equivocation_is_reported_and_costs_everything(anvil: Anvil, tmp_path: Path) -> None:
    async with scene(anvil, tmp_path) as s:
        first, second = s.vote(Kind.PRECOMMIT, VALUE), s.vote(Kind.PRECOMMIT, value_id(s.result))
        await s.book.offence(s.scope, s.committee, Equivocation(first, second))
        assert await s.stake() == 4 * ETH
        # Found now, by this node's clock, which the test holds: others may come first.
        s.waited[0] = (await s.store.all())[0].found_at
        await s.step()
        assert await s.stake() == 0
        assert s.keeper.reported == 1
        await s.step()
        assert [one.state for one in await s.store.all()] == [EvidenceState.BOOKED]
        assert s.keeper.reported == 1


async def test_a_lazy_vote_costs_a_tenth_after_the_veto_window(anvil: Anvil, tmp_path: Path) -> None:
    async with scene(anvil, tmp_path) as s:
        false = s.vote(Kind.PREVOTE, value_id(s.result), keccak256(b"made up"))
        await s.book.offence(s.scope, s.committee, FalseWorkTag(false, bytes(32)), SECRET)
        s.waited[0] = (await s.store.all())[0].found_at
        await s.step()
        case = await slashing.read_case(s.network.chain, 1)
        assert (case.offence, case.operator, case.closed) == ("lazy-vote", s.account, False)
        assert await s.stake() == 4 * ETH
        await s.step()
        assert await s.stake() == 4 * ETH, "the window is open"
        s.waited[0] = case.executable_from
        await s.pass_veto_window()
        await s.step()
        assert await s.stake() == 4 * ETH * 9 // 10
        assert s.keeper.executed == 1
        await s.step()
        assert s.keeper.executed == 1


async def test_wrong_outputs_cost_a_hundredth(anvil: Anvil, tmp_path: Path) -> None:
    async with scene(anvil, tmp_path) as s:
        lie = replace(s.result, trace_root=bytes(32))
        value = proposal_id(value_id(lie), NO_ROUND)
        signature = s.sign(Kind.PROPOSAL, 0, value)
        proposal = Proposal(s.scope.instance, 0, NO_ROUND, lie, OUTPUT, s.accused, signature)
        await s.book.offence(s.scope, s.committee, WrongOutput(proposal, s.certificate))
        s.waited[0] = (await s.store.all())[0].found_at
        await s.step()
        s.waited[0] = (await slashing.read_case(s.network.chain, 1)).executable_from
        await s.pass_veto_window()
        await s.step()
        assert await s.stake() == 4 * ETH * 99 // 100


async def test_what_proves_nothing_is_put_aside(anvil: Anvil, tmp_path: Path) -> None:
    async with scene(anvil, tmp_path) as s:
        right = s.vote(Kind.PREVOTE, value_id(s.result), keccak256(b"made up"))
        await s.book.offence(s.scope, s.committee, FalseWorkTag(right, bytes(32)), None)  # no secret
        forged = replace(s.vote(Kind.PRECOMMIT, VALUE), signature=right.signature)
        other = s.vote(Kind.PRECOMMIT, value_id(s.result))
        await s.book.offence(s.scope, s.committee, Equivocation(forged, other))
        s.waited[0] = (await s.store.all())[0].found_at
        await s.step()
        assert [one.state for one in await s.store.all()] == [EvidenceState.REFUSED] * 2
        assert (await s.stake(), s.keeper.reported) == (4 * ETH, 0)


async def test_a_missing_operator_is_found_from_the_chain_alone(anvil: Anvil, tmp_path: Path) -> None:
    async with scene(anvil, tmp_path) as s:
        # One without whom there is a quorum.
        second = address_of(s.network.operators[1].account)
        s.accused = next(m.index for m in s.committee.members if m.operator == second)
        least = int(await s.network.chain.read_one("AbsenceVerifier", "least"))
        for _ in range(least):
            header = await s.network.request()
            _, call = await s.network.certify(header, absent={s.accused})
            await s.network.sender.send(call)
        await s.step()
        assert s.keeper.reported == 0, "others come first"
        s.waited[0] += ABSENCE_EVERY
        await s.step()
        case = await slashing.read_case(s.network.chain, 1)
        assert (case.offence, case.operator) == ("absence", s.account)
