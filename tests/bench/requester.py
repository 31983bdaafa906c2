"""Requests of one account, one after the other in its nonces, none waiting for another one to be mined."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
from eth_account.signers.local import LocalAccount

from consensus.types import Mode
from p2pavs import keystore
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import RpcError
from p2pavs.chain.events import TaskCertified, TaskRefunded, TaskRequested
from p2pavs.chain.fees import market_fees
from p2pavs.chain.reader import offer
from p2pavs.chain.records import InferenceParams, InferenceRequest, ModelEntry
from p2pavs.chain.rpc import Rpc
from p2pavs.client import choose_model
from tests.e2e.harness import Testnet

GAS = 600_000
FEE_MARGIN = 50  # times the quote: the base fee rises under load, and what is too much is credited
POLL = 0.05


@dataclass(slots=True)
class Passage:
    """When the stages of one task were seen, seconds of the wall clock; 0 while one was not."""

    sent: float
    requested: float = 0.0
    certified: float = 0.0
    request_block: int = 0
    certificate_block: int = 0


@dataclass(slots=True)
class Requester:
    """Sends requests and watches the chain. Only one process may send with the account."""

    chain: Chain
    account: LocalAccount
    model: ModelEntry
    nonce: int
    fee: tuple[int, int]  # wei per gas: at most, tip
    value: int
    sent: int = 0
    tasks: dict[int, Passage] = field(default_factory=dict)
    refused: int = 0
    _hashes: dict[bytes, float] = field(default_factory=dict)
    _news: trio.Event = field(default_factory=trio.Event)

    @classmethod
    @asynccontextmanager
    async def open(cls, net: Testnet, tokens: int, prompt_bytes: int = 200) -> AsyncIterator[Requester]:
        """The requester of a test network, for requests up to this size."""
        layout = net.network.layout
        password = net.network.password(layout.requester).read_text().strip()
        account = keystore.load_account(net.network.keys(layout.requester), password)
        address = bytes.fromhex(account.address[2:])
        async with Rpc(net.network.state.rpc) as rpc:
            chain = Chain(rpc, Deployment.load(layout.deployment))
            model = await choose_model(chain, None)
            fees = await market_fees(rpc)
            value = FEE_MARGIN * await offer(chain, model.id, tokens, prompt_bytes)
            nonce = await rpc.transaction_count(address, "pending")
            one = cls(chain, account, model, nonce, (20 * fees.max_fee, fees.tip), value)
            head = await rpc.block_number()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one._watch, head)
                yield one
                nursery.cancel_scope.cancel()

    async def send(
        self,
        prompt: bytes,
        params: InferenceParams,
        *,
        window: int = 300,
        mode: Mode = Mode.REPLICATE,
        committee_size: int = 0,
        value: int | None = None,
    ) -> None:
        """Send one request; it is in ``tasks`` once a block holds it."""
        request = InferenceRequest(
            self.model.id, prompt, params, int(time.time()) + window, mode, committee_size
        )
        call = self.chain.call("TaskGateway", "requestInference", request.to_abi(), value=value or self.value)
        signed = self.account.sign_transaction(
            {
                "type": 2,
                "chainId": self.chain.deployment.chain_id,
                "nonce": self.nonce,
                "gas": GAS,
                "maxFeePerGas": self.fee[0],
                "maxPriorityFeePerGas": self.fee[1],
                "value": call.value,
                "data": call.data,
                "to": call.to,
            }
        )
        self.nonce += 1
        self.sent += 1
        self._hashes[bytes(signed.hash)] = time.time()
        await self.chain.rpc.send_raw_transaction(bytes(signed.raw_transaction))

    @property
    def in_flight(self) -> int:
        """How many were sent and not certified yet."""
        return self.sent - sum(one.certified > 0 for one in self.tasks.values())

    async def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for something that the chain may bring; whether it came in time."""
        with trio.move_on_after(seconds):
            while not condition():
                await self._news.wait()
        return condition()

    async def _watch(self, head: int) -> None:
        while True:
            try:
                newest = await self.chain.rpc.block_number()
                while head < newest:
                    await self._read(head + 1)
                    head += 1
            except RpcError:
                await trio.sleep(POLL)
            await trio.sleep(POLL)

    async def _read(self, number: int) -> None:
        block = await self.chain.rpc.block(number)
        if block is None:
            return
        now = time.time()
        for logged in await self.chain.block_events(block.hash):
            match logged.event:
                case TaskRequested() as event if logged.transaction_hash in self._hashes:
                    sent = self._hashes.pop(logged.transaction_hash)
                    self.tasks[event.id] = Passage(sent, now, request_block=number)
                case TaskCertified() as event if event.id in self.tasks:
                    self.tasks[event.id].certified = now
                    self.tasks[event.id].certificate_block = number
                case TaskRefunded():
                    self.refused += 1
        self._news.set()
        self._news = trio.Event()
