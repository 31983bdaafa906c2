"""Exactly-once posting under faults: ``python -m tests.faults.posting [--runs 100]``.

Four operators post to a real development chain: real desks, members, ladders, senders, signatures and
databases. Two things are left out, because posting does not depend on them: the model (every operator has the
same answer ready) and libp2p (messages go from desk to desk). Each fault is put on ten tasks, between
their certificate and its settlement. At the end the chain says how many transactions carried a certificate,
whether the gateway took it or not, and how many certificates it holds.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import structlog
import trio

from consensus import bls
from consensus.hashing import keccak256
from consensus.messages import Message
from consensus.signing import trace_commit
from consensus.timeouts import TimeoutConfig
from consensus.types import FinishReason, InstanceId, Result, ResultStatus
from consensus.wire import encode_message
from p2pavs.chain.contracts import Chain, interface
from p2pavs.chain.follower import Follower
from p2pavs.divergence import DivergenceBook
from p2pavs.evidence_book import EvidenceBook
from p2pavs.execution import Execution
from p2pavs.journal import Journal
from p2pavs.open_task import DeskParts
from p2pavs.routing import Router
from p2pavs.settings import NodeSettings
from p2pavs.storage import Database, EvidenceStore, SignGuard
from p2pavs.task_desk import TaskDesk
from p2pavs.vetting import check_alone
from tests.integration.anvil import Anvil
from tests.integration.chain.network import (
    CHAIN_ID,
    OUTPUT,
    PROFILE,
    Member,
    Network,
    address_of,
    running_network,
    running_sender,
)
from tests.reorganise import reorganise
from tests.unit.consensus import factory

AT_ONCE = 10
SECRET = b"\x5e" * 32
SETTINGS = NodeSettings(TimeoutConfig(), poll_every=0.1)


@dataclass(frozen=True)
class Signer:
    """An operator's consensus key."""

    secret: bls.SecretKey

    def sign(self, statement: bytes) -> bytes:
        """Sign a statement."""
        return bls.SCHEME.sign(self.secret, statement)


class Model:
    """The same answer for everybody, at once."""

    async def execute(self, task: Any, progress: Any, guide: Any = None) -> Execution:
        """Answer."""
        await trio.lowlevel.checkpoint()
        result = Result(
            status=ResultStatus.COMPLETED,
            output_hash=keccak256(OUTPUT),
            output_length=len(OUTPUT),
            token_count=1,
            finish_reason=FinishReason.CHOICE,
            trace_root=b"\x41" * 32,
            trace_commit=trace_commit(SECRET),
            runtime_profile=PROFILE,
        )
        return Execution(result, OUTPUT, SECRET)


@dataclass
class Operator:
    """A node's posting half: its desk and its account."""

    number: int
    member: Member
    network: Network
    directory: Path
    bus: list[Operator]
    journal: Journal = field(default_factory=Journal)
    router: Router = field(default_factory=Router)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    settings: NodeSettings = SETTINGS

    async def live(self) -> None:
        """One life, until its scope is cancelled; what lies on disk stays."""
        self.journal, self.router, self.scope = Journal(), Router(), trio.CancelScope()
        chain = self.network.chain
        database = Database(self.directory / f"{self.number}.sqlite")
        try:
            with self.scope:
                async with (
                    running_sender(chain.rpc, self.directory, self.member.account, bump_after=3.0) as sender,
                    trio.open_nursery() as nursery,
                ):
                    desk = TaskDesk(self._parts(database, sender), nursery)
                    first = await desk.start_block(chain.deployment.deployed_at_block)
                    await desk.run(Follower(chain, first, poll_interval=self.settings.poll_every))
        finally:
            database.close()

    def said(self, task_id: int, kind: str) -> bool:
        """Whether this operator's journal has such an event."""
        return any(event.kind == kind for event in self.journal.events(task_id))

    def _parts(self, database: Database, sender: Any) -> DeskParts:
        async def publish(message: Message) -> None:
            await trio.lowlevel.checkpoint()
            for other in self.bus:
                if other is not self:
                    data = encode_message(message)
                    if other.router.accept(str(self.number), data):
                        other.router.route(data, str(self.number))

        return DeskParts(
            chain=self.network.chain,
            sender=sender,
            operator=address_of(self.member.account),
            database=database,
            guard=SignGuard(database, Signer(self.member.secret)),
            evidence=EvidenceBook(EvidenceStore(database), self.journal),
            journal=self.journal,
            router=self.router,
            catch_up=cast(Any, self),
            topics=cast(Any, self),
            publish=publish,
            author_of=lambda peer: address_of(self.bus[int(peer)].member.account),
            peer_of=lambda operator: None,
            traces=cast(Any, None),
            divergences=DivergenceBook(),
            check=check_alone,
            blame=lambda peer, offence: None,
            certified=lambda header: None,
            reorganised=lambda: None,
            executors={self.network.model_id: Model()},
            settings=self.settings,
            randomness=factory.Coefficients(),
            peers_of=lambda committee: (),
        )

    async def ask(self, instance: InstanceId, peers: object = None) -> list[tuple[Message, str]]:
        """There is nothing to catch up with: no message is lost on this bus."""
        await trio.lowlevel.checkpoint()
        return []

    def has_room(self, task_id: int) -> bool:
        return True

    @asynccontextmanager
    async def joined(self, task_id: int, *, drawn: bool) -> AsyncIterator[None]:
        """Stand for the topics."""
        yield


@dataclass
class Scene:
    """Everything a fault may lay hands on."""

    anvil: Anvil
    network: Network
    operators: list[Operator]
    nursery: trio.Nursery

    async def rpc(self, method: str, *parameters: Any) -> Any:
        """Call the chain."""
        return await trio.to_thread.run_sync(lambda: self.anvil.rpc(method, *parameters))

    async def first_posting(self, tasks: Sequence[int]) -> Operator:
        """Wait until somebody posts one of these tasks."""
        while True:
            for one in self.operators:
                if any(one.said(task, "posting") for task in tasks):
                    return one
            await trio.sleep(0.05)

    async def certified(self, tasks: Sequence[int]) -> None:
        """Wait until the chain holds a certificate of each of them."""
        while True:
            found = await certificates(self.network.chain)
            if all(found[task] for task in tasks):
                return
            await trio.sleep(0.2)

    async def blocks(self, count: int) -> None:
        """Wait for so many more blocks."""
        last = int(await self.rpc("eth_blockNumber"), 16) + count
        while True:
            if int(await self.rpc("eth_blockNumber"), 16) >= last:
                return
            await trio.sleep(0.3)


async def certificates(chain: Chain) -> Counter[int]:
    """How many certificates the chain holds of each task."""
    found: Counter[int] = Counter()
    async for logged in chain.every_event("TaskGateway", "TaskCertified"):
        found[cast(Any, logged.event).id] += 1
    return found


async def transactions(scene: Scene) -> int:
    """How many mined transactions carried a certificate, whether the gateway took it or not."""
    head = int(await scene.rpc("eth_blockNumber"), 16)
    count = 0
    for number in range(head + 1):
        block = await scene.rpc("eth_getBlockByNumber", hex(number), True)
        count += sum(_is_posting(bytes.fromhex(one["input"][2:])) for one in block["transactions"])
    return count


def _is_posting(data: bytes) -> bool:
    try:
        return interface("TaskGateway").decode_input(data)[0] == "submitCertificate"
    except ValueError:  # another contract's
        return False


# --- the faults ---------------------------------------------------------------------------------------------


async def nothing(scene: Scene, tasks: Sequence[int]) -> None:
    """Nothing happens."""


async def silence(scene: Scene, tasks: Sequence[int]) -> None:
    """The endpoint is silent for four seconds while certificates are posted."""
    await scene.first_posting(tasks)
    process = scene.anvil.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    await trio.sleep(4)
    process.send_signal(signal.SIGCONT)


async def reorganisation(scene: Scene, tasks: Sequence[int]) -> None:
    """The chain drops the blocks with the certificates, and the transactions in them."""
    await scene.certified(tasks)
    await trio.to_thread.run_sync(reorganise, scene.anvil.rpc, 2)


async def lost(scene: Scene, tasks: Sequence[int]) -> None:
    """The chain forgets the transactions that wait."""
    await scene.first_posting(tasks)
    await scene.rpc("anvil_dropAllTransactions")


async def dear(scene: Scene, tasks: Sequence[int]) -> None:
    """Gas becomes fifty times as dear just when certificates are posted: they are stuck."""
    await scene.first_posting(tasks)
    block = await scene.rpc("eth_getBlockByNumber", "latest", False)
    await scene.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * int(block["baseFeePerGas"], 16)))


async def crash(scene: Scene, tasks: Sequence[int]) -> None:
    """The first that posts dies with its transactions in flight, and comes back after three seconds."""
    victim = await scene.first_posting(tasks)
    victim.scope.cancel()
    await trio.sleep(3)
    scene.nursery.start_soon(victim.live)


async def all_crash(scene: Scene, tasks: Sequence[int]) -> None:
    """All operators die when the first one posts, and come back."""
    await scene.first_posting(tasks)
    for one in scene.operators:
        one.scope.cancel()
    await trio.sleep(1)
    for one in scene.operators:
        scene.nursery.start_soon(one.live)


async def slow_blocks(scene: Scene, tasks: Sequence[int]) -> None:
    """A block takes six seconds, longer than a poster's turn."""
    await scene.first_posting(tasks)
    await scene.rpc("evm_setIntervalMining", 6)
    await scene.certified(tasks)
    await scene.rpc("evm_setIntervalMining", 1)


async def silence_then_reorganisation(scene: Scene, tasks: Sequence[int]) -> None:
    """First the one, then the other."""
    await silence(scene, tasks)
    await reorganisation(scene, tasks)


async def several_at_once(scene: Scene, tasks: Sequence[int]) -> None:
    """The posters' turns are as short as they can be set: half a second, so several come before a block."""


Fault = Callable[[Scene, Sequence[int]], Awaitable[None]]

FAULTS: tuple[Fault, ...] = (
    nothing,
    silence,
    reorganisation,
    lost,
    dear,
    crash,
    all_crash,
    slow_blocks,
    silence_then_reorganisation,
    several_at_once,
)


async def run_fault(fault: Fault, scene: Scene, count: int) -> tuple[int, int]:
    """Post `count` tasks with a fault among them; transactions and certificates that this took."""
    mined, held = await transactions(scene), (await certificates(scene.network.chain)).total()
    tasks: list[int] = []
    for _ in range(count):
        tasks.append((await scene.network.request()).id)
    with trio.fail_after(240):
        await fault(scene, tasks)
        await scene.certified(tasks)
        await scene.blocks(SETTINGS.finality_depth + 2)
    found = await certificates(scene.network.chain)
    wrong = {task: found[task] for task in tasks if found[task] != 1}
    if wrong:
        raise AssertionError(f"{fault.__name__}: certificates per task: {wrong}")
    return await transactions(scene) - mined, found.total() - held


async def measure(faults: Sequence[Fault], tasks: int, directory: Path) -> list[tuple[str, int, int]]:
    """Each fault's name, transactions and certificates, with so many tasks each."""
    rows = []
    for fault in faults:
        here = directory / fault.__name__
        here.mkdir()
        with Anvil.start("--chain-id", str(CHAIN_ID)) as anvil:
            async with running_network(anvil, here) as network:
                await trio.to_thread.run_sync(anvil.rpc, "evm_setIntervalMining", 1)
                operators: list[Operator] = []
                for number, member in enumerate(network.operators):
                    hasty = fault is several_at_once
                    settings = replace(SETTINGS, poster_delay=0.5) if hasty else SETTINGS
                    operators.append(Operator(number, member, network, here, operators, settings=settings))
                async with trio.open_nursery() as nursery:
                    for one in operators:
                        nursery.start_soon(one.live)
                    scene = Scene(anvil, network, operators, nursery)
                    took = await run_fault(fault, scene, tasks)
                    rows.append((fault.__name__, *took))
                    print(f"{fault.__name__:<30}{took[0]:>14}{took[1]:>14}", flush=True)
                    nursery.cancel_scope.cancel()
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 if there are at most 1.1 transactions for each certificate."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.posting")
    parser.add_argument("--runs", type=int, default=len(FAULTS) * AT_ONCE)
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print(f"{'fault':<30}{'transactions':>14}{'certificates':>14}")
    with tempfile.TemporaryDirectory() as directory:
        rows = trio.run(measure, FAULTS, max(1, given.runs // len(FAULTS)), Path(directory))
    mined, held = sum(row[1] for row in rows), sum(row[2] for row in rows)
    print(f"{'all':<30}{mined:>14}{held:>14}   {mined / held:.2f} for each")
    return 0 if mined <= 1.1 * held else 1


if __name__ == "__main__":
    sys.exit(main())
