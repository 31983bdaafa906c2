"""Nodes in processes of their own: killed, stopped, restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from p2pavs.network import Network
from p2pavs.network.peers_file import load_peers
from tests.integration.network import peer
from tests.integration.network.conftest import Open
from tests.integration.network.waiting import until

ROOT = Path(__file__).parents[3]


class Peer:
    """A running peer.py and what it has said."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.peer_id = ""
        self.addresses: list[str] = []
        self.connected: set[str] = set()
        self.messages: list[list[str]] = []

    async def say(self, **content: Any) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(json.dumps(content).encode() + b"\n")

    async def listen(self) -> None:
        assert self.process.stdout is not None
        buffer = b""
        async for data in self.process.stdout:
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                self.note(json.loads(line))

    def note(self, event: dict[str, Any]) -> None:
        if "ready" in event:
            self.addresses, self.peer_id = event["ready"], event["peer_id"]
        if "connected" in event:
            self.connected = set(event["connected"])
        if "message" in event:
            self.messages.append(event["message"])


Start = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start peers; all are killed at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started: list[Peer] = []
    async with trio.open_nursery() as nursery:

        async def start_one(seed: int, *bootstrap: str, **settings: Any) -> Peer:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", peer.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
            )
            new = Peer(process)
            started.append(new)
            nursery.start_soon(new.listen)
            await new.say(seed=seed.to_bytes(32, "little").hex(), bootstrap=bootstrap, **settings)
            await until(lambda: new.peer_id, seconds=180)
            return new

        yield start_one
        for one in started:
            one.process.kill()
            with trio.CancelScope(shield=True):
                await one.process.wait()
        nursery.cancel_scope.cancel()
    for one in started:
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe is not None:
                await pipe.aclose()


async def test_a_killed_process_is_noticed_and_its_restart_too(open_network: Open, start: Start) -> None:
    network: Network = await open_network()
    first_life = await start(1, network.addresses[0])
    other = await start(2, network.addresses[0])
    await until(lambda: network.connected() == {first_life.peer_id, other.peer_id})
    await until(lambda: other.connected == {first_life.peer_id, network.peer_id})
    first_life.process.kill()
    await until(lambda: network.connected() == {other.peer_id})
    await until(lambda: other.connected == {network.peer_id})
    async with network.subscribe(peer.TOPIC, lambda author, data: True) as messages:
        second_life = await start(1, network.addresses[0])
        assert second_life.peer_id == first_life.peer_id
        await until(lambda: other.connected == {second_life.peer_id, network.peer_id})
        with trio.fail_after(60):
            await network.wait_for_subscribers(peer.TOPIC, 2)
        await network.publish(peer.TOPIC, b"hello")
        await until(lambda: [network.peer_id, "hello"] in second_life.messages)
        await second_life.say(publish="back")
        with trio.fail_after(60):
            assert (await anext(messages)).data == b"back"


async def test_a_stopped_process_is_noticed_and_welcome_when_it_goes_on(
    open_network: Open, start: Start
) -> None:
    network: Network = await open_network()
    stopped = await start(1, network.addresses[0])
    other = await start(2, network.addresses[0])
    everybody = {network.peer_id, stopped.peer_id, other.peer_id}
    await until(lambda: network.connected() | {network.peer_id} == everybody)
    await until(lambda: other.connected | {other.peer_id} == everybody)
    stopped.process.send_signal(signal.SIGSTOP)
    await until(lambda: network.connected() == {other.peer_id}, seconds=180)
    await until(lambda: other.connected == {network.peer_id}, seconds=180)
    stopped.process.send_signal(signal.SIGCONT)
    await until(lambda: network.connected() | {network.peer_id} == everybody, seconds=180)
    await until(lambda: other.connected | {other.peer_id} == everybody, seconds=180)
    await until(lambda: stopped.connected | {stopped.peer_id} == everybody, seconds=180)
    async with network.subscribe(peer.TOPIC, lambda author, data: True):
        with trio.fail_after(60):
            await network.wait_for_subscribers(peer.TOPIC, 2)
        await network.publish(peer.TOPIC, b"missed you")
        await until(lambda: [network.peer_id, "missed you"] in stopped.messages, seconds=180)


async def test_bootstrap_process_dies_and_the_rest_goes_on(
    open_network: Open, start: Start, tmp_path: Path
) -> None:
    bootstrap = await start(1)
    network: Network = await open_network(bootstrap.addresses[0])
    file = str(tmp_path / "peers.cbor")
    first_life = await start(2, bootstrap.addresses[0], peers_file=file)
    await until(lambda: network.connected() == {bootstrap.peer_id, first_life.peer_id})

    def stored() -> set[str]:
        return {record.peer_id for record in load_peers(Path(file))}

    await until(lambda: network.peer_id in stored())  # written a few seconds after the news
    bootstrap.process.kill()
    await until(lambda: network.connected() == {first_life.peer_id})
    first_life.process.kill()
    await until(lambda: not network.connected())
    second_life = await start(2, bootstrap.addresses[0], peers_file=file)
    await until(lambda: second_life.connected == {network.peer_id})
