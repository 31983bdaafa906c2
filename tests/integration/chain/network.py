"""Contracts, operators and tasks on a test chain, made through the product's own parts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio
from eth_account import Account
from eth_account.signers.local import LocalAccount

from consensus import bls, vrf
from consensus.committee import Committee
from consensus.hashing import keccak256, words
from consensus.messages import Certificate
from consensus.signing import statement, value_id
from consensus.types import FinishReason, InstanceId, Kind, Result, ResultStatus, Scope
from p2pavs.chain.certificates import ChainCertificate
from p2pavs.chain.contracts import Call, Chain
from p2pavs.chain.deploy import Authority, DeployParameters, deploy_all
from p2pavs.chain.epochs import Prover, advance_epoch
from p2pavs.chain.pending import SqlitePendingStore
from p2pavs.chain.poster import Sender
from p2pavs.chain.reader import read_operator_set, read_task
from p2pavs.chain.records import InferenceParams, InferenceRequest, ModelEntry, TaskHeader
from p2pavs.chain.rpc import Rpc
from tests.integration.anvil import DEV_KEYS, Anvil

CHAIN_ID = 31337
POLL = 0.02
ETH = 10**18
PROFILE = b"\x31" * 32
OUTPUT = b"yes"
PARAMS = InferenceParams(max_tokens=8, choices=("yes", "no"))
OUTSIDER: LocalAccount = Account.from_key(DEV_KEYS[1])


def dev_account(number: int = 0) -> LocalAccount:
    account: LocalAccount = Account.from_key(DEV_KEYS[number])
    return account


def address_of(account: LocalAccount) -> bytes:
    return bytes.fromhex(account.address[2:])


async def wait_for(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until it holds; fails after a while."""
    with trio.fail_after(120):
        while True:
            if await holds():
                return
            await trio.sleep(POLL)


@asynccontextmanager
async def running_sender(
    rpc: Rpc,
    directory: Path,
    account: LocalAccount | None = None,
    *,
    bump_after: float = 1000.0,
    settled_after: int = 12,
    max_fee: int = 10**12,
) -> AsyncIterator[Sender]:
    """A sender with a store in ``directory``, until the end of the block."""
    account = account or dev_account()
    path = directory / f"{account.address}.sqlite"
    with SqlitePendingStore(path, chain_id=CHAIN_ID, account=address_of(account)) as store:
        sender = Sender(
            rpc,
            account,
            store,
            chain_id=CHAIN_ID,
            poll_interval=POLL,
            bump_after=bump_after,
            settled_after=settled_after,
            max_fee=max_fee,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(sender.run)
            yield sender
            nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class Member:
    account: LocalAccount
    secret: bls.SecretKey


@dataclass(frozen=True, slots=True)
class Network:
    """A deployed network with one open epoch and one model."""

    chain: Chain
    sender: Sender
    operators: tuple[Member, ...]
    model_id: bytes

    @property
    def provers(self) -> dict[bytes, Prover]:
        """All operators' part in the beacon."""
        secrets = (member.secret for member in self.operators)
        return {bls.public_key(secret): partial(vrf.prove, secret) for secret in secrets}

    async def request(
        self,
        text: bytes = b"is water wet?",
        *,
        seconds: int = 600,
        seats: int = 0,
        params: InferenceParams = PARAMS,
    ) -> TaskHeader:
        """Pay for a task; returns its header."""
        latest = await self.chain.rpc.block("latest")
        assert latest is not None
        deadline = max(latest.timestamp, int(time.time())) + seconds
        request = InferenceRequest(self.model_id, text, params, deadline, committee_size=seats)
        price = await self.chain.read_one("TaskGateway", "quote", self.model_id, params.max_tokens, len(text))
        await self.sender.send(
            self.chain.call("TaskGateway", "requestInference", request.to_abi(), value=price)
        )
        count = await self.chain.read_one("TaskGateway", "taskCount")
        return (await read_task(self.chain, count)).requested.header

    async def certify(self, header: TaskHeader, absent: Collection[int] = ()) -> tuple[Certificate, Call]:
        """Make a certificate that all operators but the absent signed, and the call that posts it."""
        operator_set = await read_operator_set(self.chain, header.epoch)
        committee = Committee.select(operator_set, header.hash, header.task_seed, 0, header.committee_size)
        scope = Scope(self.chain.deployment.domain, InstanceId(header.id, 0), committee.root)
        result = Result(
            status=ResultStatus.COMPLETED,
            output_hash=keccak256(OUTPUT),
            output_length=len(OUTPUT),
            token_count=1,
            finish_reason=FinishReason.CHOICE,
            trace_root=b"\x41" * 32,
            trace_commit=b"\x42" * 32,
            runtime_profile=PROFILE,
        )
        message = statement(scope, Kind.PRECOMMIT, 1, value_id(result))
        secrets = {address_of(operator.account): operator.secret for operator in self.operators}
        members = [member for member in committee.members if member.index not in absent]
        signatures = [bls.sign(secrets[member.operator], message) for member in members]
        signers = tuple(member.index for member in members)
        certificate = Certificate(scope.instance, 1, result, signers, bls.aggregate(signatures))
        bitmap, hints = committee.bitmap_and_hints(signers)
        on_chain = ChainCertificate.build(certificate, bitmap, hints)
        return certificate, self.chain.call(
            "TaskGateway", "submitCertificate", header.to_abi(), on_chain.to_abi(), OUTPUT
        )


@asynccontextmanager
async def running_network(
    anvil: Anvil, directory: Path, operators: int = 4, authority: Authority | None = None
) -> AsyncIterator[Network]:
    async with Rpc(anvil.url) as rpc, running_sender(rpc, directory) as sender:
        deployment = await deploy_all(
            rpc,
            sender,
            DeployParameters(epoch_blocks=5, reveal_blocks=4, minimum_stake=ETH, supplement_window=0),
            authority=authority,
        )
        chain = await Chain.connect(rpc, deployment)
        members = tuple([await _join(chain, anvil, directory, number) for number in range(operators)])
        maker = sender.address
        entry = ModelEntry(
            bytes(32),
            b"\x21" * 32,
            b"\x22" * 32,
            PROFILE,
            b"\x23" * 32,
            10**15,
            10**12,
            1,
            500,
            0,
            maker,
            True,
            "test",
        )
        await sender.send(chain.call("ModelRegistry", "register", entry.to_abi()))
        model_id = words(
            "p2pavs/model/1",
            entry.model_hash,
            entry.manifest_hash,
            entry.runtime_profile,
            entry.golden_digest,
            maker,
        )
        await advance_epoch(chain, sender)
        yield Network(chain, sender, members, model_id)


async def _join(chain: Chain, anvil: Anvil, directory: Path, number: int) -> Member:
    secret = bls.SecretKey((number + 1000).to_bytes(32, "big"))
    account: LocalAccount = Account.from_key((number + 7).to_bytes(32, "big"))
    await trio.to_thread.run_sync(anvil.rpc, "anvil_setBalance", account.address, hex(1000 * ETH))
    address = address_of(account)
    proof = bls.pop_prove(secret, CHAIN_ID, chain.deployment.operator_registry, address)
    key = bls.public_key_to_evm(bls.public_key(secret))
    peer_id = bytes.fromhex("002408011220") + bytes([number]) * 32
    async with running_sender(chain.rpc, directory, account) as sender:
        call = chain.call("OperatorRegistry", "register", key, bls.signature_to_evm(proof), peer_id)
        tickets = [sender.submit(call)]
        tickets.append(sender.submit(chain.call("NativeStakeRegistry", "deposit", value=(number + 1) * ETH)))
        for ticket in tickets:
            await ticket.receipt()
    return Member(account, secret)
