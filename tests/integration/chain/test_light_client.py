"""The Python API against a real chain: under trio, under asyncio, and without an event loop."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import anyio
import pytest
import trio

from p2pavs import Checkpoint, Client, Payer, SyncClient, verify_file
from p2pavs.certificate_file import BadCertificate
from p2pavs.chain.errors import ContractRevert, NotFound
from p2pavs.chain.reader import read_task
from p2pavs.checkpoint import NotTrusted
from p2pavs.client import BadRequest, FeeTooHigh
from p2pavs.errors import UsageError
from p2pavs.light_client import NoPayer, NotCertified, NotOpen
from tests.integration.anvil import Anvil
from tests.integration.chain.network import OUTPUT, Network, address_of, dev_account, running_network


def payer(directory: Path, number: int = 1) -> Payer:
    return Payer(dev_account(number), directory / "payer.sqlite")


async def certify_all(network: Network) -> None:
    """Be the committee: post a certificate for each task that is asked."""
    done = 0
    while True:
        try:
            header = (await read_task(network.chain, done + 1)).requested.header
        except NotFound:
            await trio.sleep(0.05)
            continue
        await network.sender.send((await network.certify(header))[1])
        done += 1


async def ask_and_watch(url: str, network: Network, directory: Path) -> None:
    """What a dApp does; runs under both event loops."""
    async with Client(url, network.chain.deployment, payer=payer(directory)) as client:
        (model,) = await client.models()
        assert model.name == "test"
        with pytest.raises(BadRequest, match="prompt is empty"):
            await client.ask("")
        with pytest.raises(BadRequest, match="no mode 'fast'"):
            await client.ask("Is it?", mode=cast(Any, "fast"))
        with pytest.raises(UsageError, match="top p is nan"):
            await client.ask("Is it?", top_p=float("nan"))
        before = await client.chain.rpc.balance(address_of(dev_account(1)))
        with pytest.raises(FeeTooHigh, match=r"may cost .* more than 0\.0{17}1 ETH"):
            await client.ask("Is it?", max_tokens=8, max_fee=1)
        assert await client.chain.rpc.balance(address_of(dev_account(1))) == before
        answer = await client.ask("Is it?", choices=["yes", "no"], max_tokens=8, model="test")
        assert (answer.text, answer.status, answer.signed_weight) == ("yes", "completed", answer.total_weight)
        posted = await client.request(b"Again?", max_tokens=8, committee=9, max_fee=10**18)
        assert (posted.fee <= 10**18, posted.task.requested.header.attempts) == (True, 2)
        async with client.watch(posted.id) as events:
            seen = [event async for event in events]
        assert seen[-1] == {"event": "settled", "task": posted.id, "status": "certified"}
        with pytest.raises(ZeroDivisionError):
            async with client.watch(posted.id):
                raise ZeroDivisionError
        with pytest.raises(NotFound), patch("p2pavs.client.MISSING_SECONDS", 1.0):
            async with client.watch(posted.id + 1000) as events:
                assert [event async for event in events] == []
        assert (await client.verify(posted.id)).output == OUTPUT
        assert await client.question(posted.id) == b"Again?"


def in_asyncio(work: Callable[[], Awaitable[None]]) -> None:
    anyio.run(work, backend="asyncio")


async def test_asking_under_trio(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network, trio.open_nursery() as nursery:
        nursery.start_soon(certify_all, network)
        with trio.fail_after(300):
            await ask_and_watch(anvil.url, network, tmp_path)
        nursery.cancel_scope.cancel()


async def test_asking_under_asyncio(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network, trio.open_nursery() as nursery:
        nursery.start_soon(certify_all, network)
        with trio.fail_after(300):
            await trio.to_thread.run_sync(
                in_asyncio, lambda: ask_and_watch(anvil.url, network, tmp_path), abandon_on_cancel=True
            )
        nursery.cancel_scope.cancel()


async def test_asking_without_an_event_loop(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network, trio.open_nursery() as nursery:
        nursery.start_soon(certify_all, network)

        def work() -> None:
            with SyncClient(anvil.url, network.chain.deployment, payer=payer(tmp_path)) as client:
                answer = client.ask("Is it?", choices=["yes", "no"], max_tokens=8)
                assert answer == client.verify(answer.task) == client.wait(answer.task)
                with client.watch(answer.task) as events:
                    assert [event["event"] for event in events] == ["settled"]
                assert client.checkpoint().epoch == 1
                assert client.question(answer.task) == b"Is it?"
                assert [model.name for model in client.models()] == ["test"]
            with pytest.raises(NotOpen):
                client.verify(1)

        with trio.fail_after(300):
            await trio.to_thread.run_sync(work, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


async def test_verifying_with_a_checkpoint_and_nothing_else(anvil: Anvil, tmp_path: Path) -> None:
    async with running_network(anvil, tmp_path) as network:
        header = await network.request()
        await network.sender.send((await network.certify(header))[1])
        async with Client(anvil.url, network.chain.deployment) as client:
            checkpoint = Checkpoint.parse((await client.checkpoint()).to_json())
            text = (await client.certificate(header.id)).to_json()
            seats = await network.request(seats=9)
            await network.sender.send((await network.certify(seats))[1])
            drawn = (await client.certificate(seats.id)).to_json()
            assert (await client.verify(seats.id)).output == OUTPUT  # with the chain it holds
            with pytest.raises(NoPayer):
                await client.request("?")
            with pytest.raises(NotFound):
                await client.verify(seats.id + 1)
            with pytest.raises(NotFound):
                await client.checkpoint(2)
    anvil.kill()
    assert verify_file(text, checkpoint).output == OUTPUT
    other: dict[str, Any]
    for other in (
        {"chain_id": 1},
        {"gateway": b"\x22" * 20},
        {"epoch": 2},
        {"set_root": b"\x22" * 32},
    ):
        with pytest.raises(NotTrusted):
            verify_file(text, replace(checkpoint, **other))
    with pytest.raises(NotTrusted, match="drawn committee"):
        verify_file(drawn, checkpoint)
    changed = json.loads(text) | {"taskSeed": "0x" + "11" * 32}
    with pytest.raises(BadCertificate):
        verify_file(json.dumps(changed), checkpoint)


async def test_a_task_that_nobody_certifies(anvil: Anvil, tmp_path: Path) -> None:
    async with (
        running_network(anvil, tmp_path) as network,
        Client(anvil.url, network.chain.deployment, payer=payer(tmp_path)) as client,
    ):
        task = (await client.request("Is it?", max_tokens=8)).id
        with pytest.raises(ContractRevert):
            await client.refund(task)
        anvil.rpc("evm_increaseTime", 700)
        anvil.mine()
        with pytest.raises(NotCertified, match=f"task {task} "):
            await client.wait(task)
        assert (await client.refund(task)).gas_used > 0
