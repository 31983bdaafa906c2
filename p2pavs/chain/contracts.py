"""The deployed contracts: read them, make calls to them, decode their events and refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog
from eth_utils.address import to_checksum_address

from p2pavs.chain.abi import Interface, UndecodableData
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import NotDeployed, RpcBadAnswer, RpcRefused, WrongChain
from p2pavs.chain.events import BUILDERS, LoggedEvent
from p2pavs.chain.reverts import explain
from p2pavs.chain.rpc import Rpc
from p2pavs.chain.rpc_values import Block, Log
from p2pavs.contracts import artifact

log = structlog.get_logger(__name__)


@cache
def interface(name: str) -> Interface:
    """Return the ABI of one of our contracts."""
    return Interface(artifact(name).abi)


@dataclass(frozen=True, slots=True)
class Call:
    """Something to be done on the chain: a call of a contract, a deployment (``to`` is None) or a payment."""

    to: bytes | None
    data: bytes
    value: int = 0  # wei
    what: str = "a transaction"  # for logs and errors: "TaskGateway.submitCertificate"
    gas: int | None = None
    """A limit that is known to be enough. Without one the endpoint is asked, which runs it many times."""
    trial: Block = "pending"
    """Where it is tried out before it is sent. "pending" takes in what waits to be mined, and an endpoint may
    have to run all of that for each trial; "latest" is for what nothing that waits can make wrong."""


class Chain:
    """One deployment, seen through one RPC endpoint. Does not own the ``Rpc``: whoever made it closes it."""

    def __init__(self, rpc: Rpc, deployment: Deployment) -> None:
        self.rpc = rpc
        self.deployment = deployment
        self._addresses: Mapping[str, bytes] = deployment.contracts
        self._names = {address: name for name, address in self._addresses.items()}

    @classmethod
    async def connect(cls, rpc: Rpc, deployment: Deployment) -> Chain:
        """Check that the endpoint serves the deployment's chain and that the contracts are there.

        Raises ``WrongChain``, ``NotDeployed`` or an ``RpcError``.
        """
        chain = cls(rpc, deployment)
        await chain.check_chain()
        for name, address in deployment.contracts.items():
            if not await rpc.code(address):
                raise NotDeployed(name, to_checksum_address(address))
        return chain

    async def check_chain(self) -> None:
        """Raise ``WrongChain`` if the endpoint serves another chain."""
        served = await self.rpc.chain_id()
        if served != self.deployment.chain_id:
            raise WrongChain(self.deployment.chain_id, served)

    def address(self, contract: str) -> bytes:
        """Where a contract is."""
        return self._addresses[contract]

    def call(self, contract: str, function: str, *args: Any, value: int = 0, gas: int | None = None) -> Call:
        """Make a call that a ``Sender`` can send."""
        data = interface(contract).encode(function, *args)
        return Call(self.address(contract), data, value, f"{contract}.{function}", gas)

    async def read(self, contract: str, function: str, *args: Any, block: Block = "latest") -> dict[str, Any]:
        """Run a view: its values by name. Raises ``ContractRevert``, ``NotDeployed``, ``RpcError``."""
        address = self.address(contract)
        try:
            data = await self.rpc.call(address, interface(contract).encode(function, *args), block=block)
        except RpcRefused as error:
            raise explain(error) from None
        if not data:
            raise NotDeployed(contract, to_checksum_address(address))
        try:
            return interface(contract).decode_output(function, data)
        except UndecodableData as error:
            raise RpcBadAnswer(self.rpc.url, f"{contract}.{function} returned data {error}") from None

    async def read_one(self, contract: str, function: str, *args: Any, block: Block = "latest") -> Any:
        """Run a view that returns one value."""
        (value,) = (await self.read(contract, function, *args, block=block)).values()
        return value

    async def simulate(self, call: Call, sender: bytes) -> bytes:
        """Run a call without sending it. Raises ``ContractRevert`` where it would be refused."""
        try:
            return await self.rpc.call(call.to, call.data, sender=sender, value=call.value)
        except RpcRefused as error:
            raise explain(error) from None

    def decode_log(self, entry: Log) -> LoggedEvent | None:
        """Return a log entry of one of our contracts as an event; None for events that nothing here needs."""
        name = self._names.get(entry.address)
        if name is None:
            return None
        try:
            decoded = interface(name).decode_event(entry.topics, entry.data)
            if decoded is None or decoded[0] not in BUILDERS:
                return None
            event = BUILDERS[decoded[0]](decoded[1])
        except UndecodableData as error:
            # A result of a newer protocol version must not stop whoever follows the chain.
            log.warning("event skipped", contract=name, block=entry.block_number, reason=str(error))
            return None
        return LoggedEvent(
            event, entry.block_number, entry.block_hash, entry.transaction_hash, entry.log_index
        )

    async def block_events(self, block_hash: bytes) -> tuple[LoggedEvent, ...]:
        """All events of our contracts in one block."""
        return self._decode(await self.rpc.logs(list(self._addresses.values()), block_hash=block_hash))

    async def events_at(self, contract: str, block: int) -> tuple[LoggedEvent, ...]:
        """All events of one contract in one block."""
        return self._decode(await self.rpc.logs([self.address(contract)], first=block, last=block))

    async def range_events(self, first: int, last: int) -> tuple[LoggedEvent, ...]:
        """All events of our contracts in a range of blocks, both ends included."""
        return self._decode(await self.rpc.logs(list(self._addresses.values()), first=first, last=last))

    async def find_events(
        self, contract: str, event: str, *indexed: bytes | None, newest_first: bool = True
    ) -> tuple[LoggedEvent, ...]:
        """Look for an event by its indexed values over the whole life of the deployment.

        Returns what the newest (or oldest) range that can be asked for and holds any such event has.
        """
        topics = [interface(contract).topic(event), *indexed]
        first = self.deployment.deployed_at_block
        async with aclosing(self._ranges(contract, topics, first, newest_first=newest_first)) as ranges:
            async for found in ranges:
                if found:
                    return self._decode(found)
        return ()

    async def every_event(
        self, contract: str, event: str, *, first: int | None = None
    ) -> AsyncGenerator[LoggedEvent]:
        """Go through all events of a kind, oldest first, from a block or the deployment on.

        Close it (``aclosing``) where it is not read to its end.
        """
        start = max(self.deployment.deployed_at_block, first or 0)
        topics = [interface(contract).topic(event)]
        async with aclosing(self._ranges(contract, topics, start, newest_first=False)) as ranges:
            async for found in ranges:
                for logged in self._decode(found):
                    yield logged

    async def _ranges(
        self, contract: str, topics: Sequence[bytes | None], first: int, *, newest_first: bool
    ) -> AsyncGenerator[tuple[Log, ...]]:
        """Give the logs of all blocks from ``first`` on, range by range.

        Endpoints limit how many blocks or logs one query may span; ranges that are refused are halved.
        """
        ranges = [(first, await self.rpc.block_number())]
        while ranges:
            low, high = ranges.pop()
            if low > high:
                continue
            try:
                found = await self.rpc.logs([self.address(contract)], first=low, last=high, topics=topics)
            except (RpcRefused, RpcBadAnswer):
                if low == high:
                    raise
                middle = (low + high) // 2
                halves = [(low, middle), (middle + 1, high)]
                ranges += halves if newest_first else reversed(halves)
                continue
            yield found

    def _decode(self, entries: Sequence[Log]) -> tuple[LoggedEvent, ...]:
        ordered = sorted(entries, key=lambda entry: (entry.block_number, entry.log_index))
        return tuple(event for event in map(self.decode_log, ordered) if event is not None)
