"""Which peers are operators, as registry and stake source have it: read again when they change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial

import structlog
import trio

from consensus.committee import Committee, OperatorSet
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError
from p2pavs.chain.operators import counted_operators
from p2pavs.chain.reader import current_epoch, read_operator_set
from p2pavs.chain.records import OperatorRecord
from p2pavs.chain.registry_watch import RegistryWatch
from p2pavs.network import Network
from p2pavs.network.peer_ids import peer_id_to_text
from p2pavs.registration import warn_of_rotation

OPERATORS_EVERY = 15.0
STRANGERS_EVERY = 3.0  # seconds until a stranger's message makes the node read the registry again
EPOCHS_KEPT = 16
"""Epochs whose operators have something to say still: their tasks may be open."""

log = structlog.get_logger()


class OperatorBook:
    """The operators that have a say, the open epoch, and whether its set has this node's own.

    These are the operators of the last epochs' sets, and who has the stake for the next one. Whoever is
    registered alone is a stranger: that costs gas and nothing else.
    """

    def __init__(self, chain: Chain, network: Network, account: bytes, keys: Collection[bytes]) -> None:
        """``account`` is this node's operator, ``keys`` the consensus keys that it can sign with."""
        self.records: dict[str, OperatorRecord] = {}  # peer id -> what the registry says of it
        self.accounts: dict[str, bytes] = {}  # peer id -> account
        self.epoch = 0
        self.in_epoch = False
        """Whether the open epoch's set has this operator."""
        self.strangers = 0
        self.set_of: Callable[[int], Awaitable[OperatorSet]] | None = None
        """Reads an epoch's set; None before the node follows the chain."""
        self._chain = chain
        self._network = network
        self._account = account
        self._keys = keys
        self._registry = RegistryWatch(chain)
        self._seats: dict[int, frozenset[bytes]] = {}  # by epoch: the accounts of its set
        self._stranger = trio.Event()

    def stranger(self) -> None:
        """Count a message of a peer that is no operator, and read the registry soon: it may be one by now."""
        self.strangers += 1
        self._stranger.set()

    def peers_of(self, committee: Committee) -> set[str]:
        """The peers of a committee's members."""
        members = {member.operator for member in committee.members}
        return {peer for peer, operator in self.accounts.items() if operator in members}

    def peer_of(self, operator: bytes) -> str | None:
        """The peer of an operator (20 bytes)."""
        return next((peer for peer, account in self.accounts.items() if account == operator), None)

    async def run(self) -> None:
        """Read the registry again and again, soon after a stranger was heard."""
        while True:
            await trio.sleep(STRANGERS_EVERY)
            with trio.move_on_after(OPERATORS_EVERY - STRANGERS_EVERY):
                await self._stranger.wait()
            self._stranger = trio.Event()
            await self.read()

    async def read(self) -> None:
        """Know which peers are operators: their connections come first."""
        try:
            self.epoch = await current_epoch(self._chain)
            seats = await self._read_seats()
            head = await self._registry.news()
            if head is None and seats == self._seats:
                return
            operators = await counted_operators(self._chain, frozenset().union(*seats.values()))
            if head is not None:
                self._registry.read(head)
            self._seats = seats
        except ChainError as error:
            log.warning("operators_unread", error=error.message)
            return
        for one in operators:
            if one.account == self._account:
                warn_of_rotation(one, self._keys)
        # Nobody proves to the registry that a peer id is its own: it is whose who named it first.
        self.records = {}
        for one in sorted(operators, key=lambda one: one.peer_block):
            self.records.setdefault(peer_id_to_text(one.peer_id), one)
        self.accounts = {peer: one.account for peer, one in self.records.items()}
        active = {peer for peer, one in self.records.items() if one.active}
        self._network.prefer(active - {self._network.peer_id})

    async def _read_seats(self) -> dict[int, frozenset[bytes]]:
        """Return who was in the last epochs' sets. Those of the open one and the one before are read."""
        read = self.set_of or partial(read_operator_set, self._chain)
        seats = dict(self._seats)
        for epoch in range(max(1, self.epoch - 1), self.epoch + 1):
            seats[epoch] = frozenset(one.operator for one in (await read(epoch)).operators)
        while len(seats) > EPOCHS_KEPT:
            del seats[min(seats)]
        self.in_epoch = self._account in seats.get(self.epoch, ())
        return seats
