"""Members that execute one task with a real model worker, their consensus in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import trio

from consensus.messages import OutputChunk
from consensus.timeouts import TimeoutConfig
from consensus.types import CHUNK_TOKENS, Result
from inference.request import Progress, Request
from inference.worker import Guide, ModelWorker
from p2pavs.execution import Execution, execution_of
from p2pavs.relay import Patience, Refused, Relay, stream_order
from p2pavs.streaming import Stream
from p2pavs.traces import Parting, Traces
from tests.doubles.forgery import PROFILE
from tests.unit.node.parliament import SETTINGS, Parliament, Seat, Setting, until

PATIENCE = Patience(first=20.0, following=4.0)
QUICK = TimeoutConfig(propose_ms=5000, prevote_ms=1000, precommit_ms=1000)

Acts = Callable[["Chamber", Seat], Awaitable[Execution | None]]


class TraceWire:
    """The way from one seat to the traces of the others."""

    def __init__(self, chamber: Chamber) -> None:
        self._chamber = chamber

    def handle(self, protocol: str, handler: Any, limits: Any) -> None:
        self.handler = handler

    async def request(self, peer: str, *args: Any, **options: Any) -> bytes:
        answer: bytes = await self._chamber.wires[int(peer)].handler("", args[1])
        return answer


class Chamber:
    """A committee of four that execute a request: in verify mode, or each for itself."""

    def __init__(
        self, worker: ModelWorker, request: Request, directory: Path, *, verify: bool = True
    ) -> None:
        self.worker = worker
        self.request = request
        self.house = Parliament(Setting.with_fake_signatures(), directory)
        self.house.settings = replace(SETTINGS, timeouts=QUICK, rebroadcast_every=0.5)
        self.order = stream_order(self.house.setting.committee)
        self.streams: dict[int, Stream] = {}
        self.wires: dict[int, TraceWire] = {}
        for seat in self.house.seats:
            seat.execute = self._acting(seat, honest)
            if verify:
                seat.stream = self._streaming(seat)
            wire = self.wires[seat.index] = TraceWire(self)
            traces = Traces(cast(Any, wire), lambda _, seat=seat: seat.member and seat.member.trace)
            seat.compare = self._comparing(traces)

    def act(self, index: int, acts: Acts) -> None:
        """Let a seat do something else than compute honestly."""
        seat = self.house.seats[index]
        seat.execute = self._acting(seat, acts)

    async def meet(self, *indexes: int, after: Callable[[], object] | None = None) -> None:
        """Run until those have decided (without names: all), and something else holds."""
        with trio.fail_after(600):
            async with trio.open_nursery() as nursery:
                for seat in self.house.seats:
                    nursery.start_soon(seat.live)
                await self.house.until_decided(indexes or range(len(self.house.seats)))
                await until(after or (lambda: True))
                nursery.cancel_scope.cancel()

    async def compute(
        self, progress: Callable[[Progress], None] | None = None, guide: Guide | None = None
    ) -> Execution:
        """The honest result."""
        return execution_of(await self.worker.generate(self.request, progress, guide=guide), PROFILE)

    async def say_chunks(self, seat: Seat, execution: Execution) -> None:
        """Publish an answer's chunks under a seat's name."""
        here = self.house.setting.scope.instance
        for index, digest in enumerate(execution.chunk_digests):
            tokens = execution.tokens[index * CHUNK_TOKENS : (index + 1) * CHUNK_TOKENS]
            await seat.publish(OutputChunk(here, index, tokens, digest, seat.index))

    def _acting(self, seat: Seat, acts: Acts) -> Callable[[], Awaitable[Execution | None]]:
        async def execute() -> Execution | None:
            return await acts(self, seat)

        return execute

    def _streaming(self, seat: Seat) -> Callable[[], Stream]:
        def make() -> Stream:
            instance = self.house.setting.scope.instance
            relay = Relay(instance, self.order, seat.index, PATIENCE, trio.current_time())

            def note(kind: str, **fields: Any) -> None:
                seat.journal.add(instance.task_id, kind, **fields)

            made = Stream(relay, self.request.max_tokens, seat.publish, self.name, note)
            self.streams[seat.index] = made
            return made

        return make

    def _comparing(self, traces: Traces) -> Any:
        async def compare(operator: bytes, own: Execution, theirs: Result) -> Parting | None:
            members = self.house.setting.committee.members
            peer = next(str(one.index) for one in members if one.operator == operator)
            return await traces.parting(peer, self.house.setting.scope.instance, own, theirs)

        return compare

    def name(self, index: int) -> str:
        return "0x" + self.house.setting.committee.member(index).operator.hex()


async def honest(chamber: Chamber, seat: Seat) -> Execution | None:
    """Follow, or generate when it is this seat's turn."""
    if seat.index in chamber.streams:
        return await chamber.streams[seat.index].run(chamber.compute)
    return await chamber.compute()


def first_difference(honest: Execution, lie: Execution, liar: int) -> Refused | None:
    """Where the liar's chunks have to be refused; None where they are those of the honest answer."""
    for index in range(max(len(honest.chunk_digests), len(lie.chunk_digests))):
        part = slice(index * CHUNK_TOKENS, (index + 1) * CHUNK_TOKENS)
        own, other = honest.tokens[part], lie.tokens[part]
        if own != other:
            same = 0
            while same < min(len(own), len(other)) and own[same] == other[same]:
                same += 1
            return Refused(liar, index * CHUNK_TOKENS + same, True)
        if honest.chunk_digests[index] != lie.chunk_digests[index]:
            return Refused(liar, index * CHUNK_TOKENS, False)
    return None
