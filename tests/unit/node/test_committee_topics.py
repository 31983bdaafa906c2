"""What becomes of gossip that cannot be handed over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from p2pavs.committee_topics import CommitteeTopics
from p2pavs.network.gossip import Gossip


class NetworkDouble:
    """Topics on which a test speaks."""

    def __init__(self) -> None:
        self.topics: dict[str, trio.MemorySendChannel[Gossip]] = {}
        self.ready = trio.Event()
        self.ready.set()

    @asynccontextmanager
    async def subscribe(self, topic: str, accept: object, *, addressed: bool) -> AsyncIterator[Any]:
        await self.ready.wait()
        self.topics[topic], receive = trio.open_memory_channel[Gossip](10)
        async with receive:
            yield receive


async def test_a_message_that_cannot_be_handed_over_costs_no_other() -> None:
    heard: list[bytes] = []

    def route(data: bytes, peer: str) -> None:
        if data == b"bad":
            raise KeyError("nobody thought of it")
        heard.append(data)

    network = NetworkDouble()
    topics = CommitteeTopics(cast(Any, network), "base", lambda peer, data: True, route)
    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            await nursery.start(topics.run)
            for data in (b"bad", b"good", b"bad", b"better"):
                await network.topics["base"].send(Gossip("peer", data))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert heard == [b"good", b"better"]
    assert [(line["event"], line["unsaid"]) for line in lines] == [("message_failed", 0)]


async def test_who_joins_while_the_first_one_gives_up_has_joined() -> None:
    heard: list[bytes] = []
    network = NetworkDouble()
    topics = CommitteeTopics(
        cast(Any, network), "base", lambda peer, data: True, lambda data, peer: heard.append(data)
    )
    first = trio.CancelScope()

    async def give_up() -> None:
        with first:
            async with topics.joined(3, drawn=True):
                await trio.sleep_forever()

    async def stay() -> None:
        async with topics.joined(3, drawn=True):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(topics.run)
        network.ready = trio.Event()
        for join in (give_up, stay):
            nursery.start_soon(join)
            await wait_all_tasks_blocked()
        first.cancel()
        await wait_all_tasks_blocked()
        network.ready.set()
        await wait_all_tasks_blocked()
        await network.topics["base/3"].send(Gossip("peer", b"a vote"))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert heard == [b"a vote"]
