"""Topics of drawn committees: members hear each other, and others carry nothing."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import trio

from consensus.messages import Message
from consensus.types import InstanceId
from consensus.wire import decode_message
from p2pavs import committee_topics
from p2pavs.committee_topics import CommitteeTopics
from p2pavs.network import Network
from tests.integration.network.conftest import Open
from tests.integration.network.waiting import until
from tests.unit.consensus import factory

BASE = "/p2pavs/consensus/1/31337/test"
VOTE = factory.vote(factory.committee(), 0)


def message_of(task_id: int) -> Message:
    return replace(VOTE, instance=InstanceId(task_id, 0))


class Node:
    """A network with topics, and what it heard."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.carried: list[int] = []
        self.heard: list[int] = []
        self.topics = CommitteeTopics(network, BASE, self._accept, self._route)

    def _accept(self, author: str, data: bytes) -> bool:
        self.carried.append(_task(data))
        return True

    def _route(self, data: bytes, peer: str) -> None:
        self.heard.append(_task(data))


def _task(data: bytes) -> int:
    message = decode_message(data)
    assert not hasattr(message, "certificate")
    return int(message.instance.task_id)  # type: ignore[union-attr]


async def test_only_the_drawn_carry_a_drawn_committee_s_messages(open_network: Open) -> None:
    first = await open_network()
    networks = [first, *[await open_network(first.addresses[0]) for _ in range(4)]]
    nodes = [Node(network) for network in networks]
    async with trio.open_nursery() as nursery:
        for node in nodes:
            await node.network.wait_for_peers(4)
            await nursery.start(node.topics.run)
        await first.wait_for_subscribers(BASE, 4)
        async with AsyncExitStack() as stack:
            for node in nodes[:3]:
                await stack.enter_async_context(node.topics.joined(5, drawn=True))
                await stack.enter_async_context(node.topics.joined(21, drawn=True))  # the same topic
            for node in nodes:
                await stack.enter_async_context(node.topics.joined(6, drawn=False))
            assert nodes[0].topics.topic_of(5) == nodes[0].topics.topic_of(21) == f"{BASE}/5"
            assert nodes[0].topics.topic_of(6) == BASE
            await first.wait_for_subscribers(f"{BASE}/5", 2)
            for task_id in (5, 21, 6):
                await nodes[0].topics.publish(message_of(task_id))
            await until(lambda: all(sorted(node.heard) == [5, 6, 21] for node in nodes[1:3]))
            await until(lambda: all(node.heard == [6] for node in nodes[3:]))
            assert all(node.carried == [6] for node in nodes[3:])
        nursery.cancel_scope.cancel()


async def test_the_end_of_an_attempt_does_not_take_the_topic_from_the_next(open_network: Open) -> None:
    node = Node(await open_network())
    async with trio.open_nursery() as nursery:
        await nursery.start(node.topics.run)
        async with AsyncExitStack() as later:
            async with node.topics.joined(5, drawn=True):
                await later.enter_async_context(node.topics.joined(5, drawn=True))
            assert node.topics.topic_of(5) == f"{BASE}/5"
        assert node.topics.topic_of(5) == BASE
        nursery.cancel_scope.cancel()


async def test_a_topic_is_left_after_its_last_task_and_joined_again(
    open_network: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committee_topics, "LINGER", 0.2)
    one = Node(await open_network())
    other = await open_network(one.network.addresses[0])
    topic = f"{BASE}/5"
    async with trio.open_nursery() as nursery:
        await nursery.start(one.topics.run)
        for _ in range(3):
            async with one.topics.joined(5, drawn=True):
                await until(lambda: other.subscribers(topic))
            await until(lambda: not other.subscribers(topic))
        async with one.topics.joined(5, drawn=True), one.topics.joined(5 + 16, drawn=True):
            await until(lambda: other.subscribers(topic))
        nursery.cancel_scope.cancel()
