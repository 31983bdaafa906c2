"""Whether the operators have to be read again: one question, where reading them takes two for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import RpcRefused

READ_ANYWAY: Final = 300.0
"""Seconds after which they are read again in any case: a reorganisation leaves no event, and a stake source
that is somebody else's contract need not have one."""


class RegistryWatch:
    """Remembers up to which block the operators are known."""

    def __init__(self, chain: Chain, now: Callable[[], float] = time.monotonic) -> None:
        self._chain = chain
        self._now = now
        self._known_to: int | None = None
        self._read_at = 0.0

    async def news(self) -> int | None:
        """Return the newest block if operators or stakes may have changed up to it, None if they have not.

        Raises ``ChainError``.
        """
        head = await self._chain.rpc.block_number()
        known_to = self._known_to
        if known_to is None or self._now() - self._read_at >= READ_ANYWAY:
            return head
        if known_to >= head:
            return None
        chain = self._chain
        contracts = [chain.address("OperatorRegistry"), chain.address(chain.deployment.stake_source)]
        try:
            changed = bool(await chain.rpc.logs(contracts, first=known_to + 1, last=head))
        except RpcRefused:  # a range that this endpoint does not like
            changed = True
        if changed:
            return head
        self._known_to = head
        return None

    def read(self, head: int) -> None:
        """The operators have been read, after ``news`` named this block."""
        self._known_to, self._read_at = head, self._now()
