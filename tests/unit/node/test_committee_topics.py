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

    @asynccontextmanager
    async def subscribe(self, topic: str, accept: object, *, addressed: bool) -> AsyncIterator[Any]:
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
