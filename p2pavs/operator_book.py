"""Which peers are operators, as the registry has it: read again when it changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import structlog
import trio

from consensus.committee import Committee, OperatorSet
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError
from p2pavs.chain.operators import list_operators
from p2pavs.chain.reader import current_epoch
from p2pavs.chain.records import OperatorRecord
from p2pavs.chain.registry_watch import RegistryWatch
from p2pavs.network import Network
from p2pavs.network.peer_ids import peer_id_to_text
from p2pavs.registration import warn_of_rotation

OPERATORS_EVERY = 15.0
STRANGERS_EVERY = 3.0  # seconds until a stranger's message makes the node read the registry again

log = structlog.get_logger()


class OperatorBook:
    """The operators of a deployment, the open epoch, and whether its set has this node's own."""

    def __init__(self, chain: Chain, network: Network, account: bytes, keys: Collection[bytes]) -> None:
        """``account`` is this node's operator, ``keys`` the consensus keys that it can sign with."""
        self.records: dict[str, OperatorRecord] = {}  # peer id -> what the registry says of it
        self.accounts: dict[str, bytes] = {}  # peer id -> account of all that ever registered
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
            if self.set_of is not None and self.epoch:
                seated = (await self.set_of(self.epoch)).operators
                self.in_epoch = any(one.operator == self._account for one in seated)
            head = await self._registry.news()
            if head is None:
                return
            operators = await list_operators(self._chain)
            self._registry.read(head)
        except ChainError as error:
            log.warning("operators_unread", error=error.message)
            return
        for one in operators:
            if one.account == self._account:
                warn_of_rotation(one, self._keys)
        # Who has left may still be in the set of the current epoch.
        self.records = {peer_id_to_text(one.peer_id): one for one in operators}
        self.accounts = {peer: one.account for peer, one in self.records.items()}
        active = {peer_id_to_text(one.peer_id) for one in operators if one.active}
        self._network.prefer(active - {self._network.peer_id})
