"""Runs the model for a member, within a limit; after the others' decision not for long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from consensus.effects import ExecutionTimeout, OwnResult
from consensus.signing import value_id
from p2pavs.execution import Execution
from p2pavs.journal import Note

LATE_RESULT = 10.0
"""Seconds after the decision for which a member that was slower than the others still computes."""


class Computing:
    """Of one member. Past the limit it votes without a result, and takes its own when it comes."""

    def __init__(
        self,
        execute: Callable[[], Awaitable[Execution | None]],
        limit: float,
        note: Note,
        send: Callable[[OwnResult | ExecutionTimeout], Awaitable[None]],
    ) -> None:
        """See ``MemberPorts`` for ``execute`` and ``limit``; ``send`` gives the instance an input."""
        self._execute = execute
        self._limit = limit
        self._note = note
        self._send = send
        self._scope = trio.CancelScope()

    async def run(self, computed: Callable[[Execution], None]) -> None:
        """Run the model; ``computed`` is told before the instance is."""
        self._note("inference_started")
        execution: Execution | None = None
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._give_up_waiting)
                execution = await self._execute()
                nursery.cancel_scope.cancel()
        if self._scope.cancelled_caught:
            self._note("inference_stopped")
            return
        if execution is None:
            await self._send(ExecutionTimeout())
            return
        computed(execution)
        self._note(
            "inference_done",
            tokens=execution.result.token_count,
            status=execution.result.status.name.lower(),
            value=value_id(execution.result).hex(),
        )
        await self._send(OwnResult(execution.result, execution.output, execution.trace_secret))

    async def stop_soon(self) -> None:
        """The others decided. What comes soon still shows whether this machine computes the same bits."""
        await trio.sleep(LATE_RESULT)
        self._scope.cancel()

    async def _give_up_waiting(self) -> None:
        await trio.sleep(self._limit)
        self._note("inference_late")
        await self._send(ExecutionTimeout())
