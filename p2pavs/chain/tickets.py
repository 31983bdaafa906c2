"""What a ``Sender`` gives for a transaction that was handed to it."""

from __future__ import annotations

import anyio

from p2pavs.chain.errors import ChainError
from p2pavs.chain.receipts import Receipt


class Ticket:
    """A transaction that was handed to a ``Sender``."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._result: Receipt | ChainError | None = None

    def done(self, result: Receipt | ChainError) -> None:
        """Take the result; for the sender. Only the first counts."""
        if self._result is None:
            self._result = result
            self._event.set()

    async def receipt(self) -> Receipt:
        """Wait until it is mined. Raises what ``Sender.send`` raises."""
        await self._event.wait()
        if isinstance(self._result, Receipt):
            return self._result
        if self._result is None:
            raise AssertionError("the event is set with the result")
        raise self._result
