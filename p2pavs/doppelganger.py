"""A second node with the same keys is found before this one signs, or as soon as it shows itself.

Two nodes with one consensus key sign twice, sooner or later, and that costs the whole stake. On one machine
the lock on the data directory keeps the second from starting. Across machines this does:

- For a while after the start (``--doppelganger-wait``) the sign guard is held, and the node listens.
- Peer records: a node that meets a newer record of itself signs a newer one still. Where something outbids
  the records that this process signed, another process has the peer key, and is alive. This shows within two
  exchanges of records, without any task.
- Statements: one that carries the own signature, and that the sign guard never let out, is another node's,
  or of a later run than the data directory is of. They come by gossip, and with what peers tell of running
  tasks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import structlog
import trio

from consensus import bls
from consensus.committee import Committee
from consensus.messages import DivergenceReport, Message, Proposal, Vote
from consensus.signing import proposal_id, statement, value_id
from consensus.types import InstanceId, Kind, Scope
from consensus.wire import WireError, decode_message
from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode
from p2pavs.storage import SignGuard, StorageError

QUEUE = 256

log = structlog.get_logger()


class DoppelgangerFound(P2pavsError):
    """Another node uses the same keys. This one signs nothing more."""

    exit_code = ExitCode.IN_USE

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Another node uses the keys of this one: {why}.",
            "Find it and stop it for good before you start this one again: two nodes with one key sign twice "
            "and lose the stake. If there is none, the data directory is older than the node's last run, "
            "or the clock was set back: wait until all tasks that were open are past their deadlines.",
        )


class DoppelgangerWatch:
    """Holds the sign guard while it listens, and for ever once it heard somebody."""

    def __init__(self, guard: SignGuard, outbid: trio.Event, wait: float) -> None:
        """``outbid`` is set when another process signs peer records with our key; ``wait`` is in seconds."""
        self._guard = guard
        self._outbid = outbid
        self._wait = wait
        self._why: str | None = None
        self._heard = trio.Event()
        self._send, self._receive = trio.open_memory_channel[Message](QUEUE)
        guard.hold()

    async def run(self) -> None:
        """Listen until cancelled. Raises ``DoppelgangerFound``."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            nursery.start_soon(self._wait_for_records)
            with trio.move_on_after(self._wait):
                await self._heard.wait()
            if not self._heard.is_set():
                self._guard.release()
                log.info("no_doppelganger", waited=self._wait)
                await self._heard.wait()
            self._guard.hold()
            nursery.cancel_scope.cancel()
        # What was heard may be of a later run than the data directory is of: the next start sits out the
        # tasks that exist. Where the disk does not take the note, that start hears it again.
        with contextlib.suppress(StorageError):
            await self._guard.distrust()
        raise DoppelgangerFound(self._why or "")

    def gossiped(self, data: bytes) -> None:
        """Take a message that bears our peer's signature and that this process did not send. Never blocks."""
        try:
            self._send.send_nowait(decode_message(data))
        except (WireError, trio.WouldBlock, ValueError):
            return

    async def told(self, messages: Iterable[Message], scope: Scope, committee: Committee, own: int) -> None:
        """Look at what peers tell of an instance in which we are member ``own``."""
        key = committee.member(own).key
        for message in messages:
            for signed, signature in _statements(message, scope, own):
                if await self._is_ours(scope.instance, signature):
                    continue
                if await trio.to_thread.run_sync(bls.fast_aggregate_verify, [key], signed, signature):
                    self._report(f"it signed for task {scope.instance.task_id}")

    async def _listen(self) -> None:
        async for message in self._receive:
            if isinstance(message, Proposal | Vote | DivergenceReport) and not await self._is_ours(
                message.instance, message.signature
            ):
                self._report(f"it signed for task {message.instance.task_id}")

    async def _wait_for_records(self) -> None:
        await self._outbid.wait()
        self._report("it announces itself to peers")

    async def _is_ours(self, instance: InstanceId, signature: bytes) -> bool:
        try:
            return await self._guard.has_signature(instance.task_id, signature)
        except StorageError:
            return True  # the guard signs nothing while this lasts

    def _report(self, why: str) -> None:
        self._guard.hold()
        self._why = self._why or why
        self._heard.set()


def _statements(message: Message, scope: Scope, own: int) -> list[tuple[bytes, bytes]]:
    """What member ``own`` signed in a message: each statement (32 B) with its signature."""
    match message:
        case Proposal(sender=sender) if sender == own:
            value = proposal_id(value_id(message.result), message.pol_round)
            return [(statement(scope, Kind.PROPOSAL, message.round, value), message.signature)]
        case Vote(sender=sender) if sender == own:
            return [(statement(scope, message.kind, message.round, message.value_id), message.signature)]
        case DivergenceReport(sender=sender) if sender == own:
            return [(statement(scope, Kind.OUTPUT, 0, value_id(message.own)), message.signature)]
        case _:
            return []
