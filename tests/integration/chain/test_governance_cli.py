"""What a multisig's members type: upgrades and penalties through the timelock, pauses, ownership."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from p2pavs.chain import upgrades
from p2pavs.chain.deploy import Authority, DeployParameters
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.reader import read_result
from p2pavs.chain.records import TaskStatus
from p2pavs.cli import settings
from p2pavs.contracts import TIMELOCK
from tests.integration.anvil import DEV_KEYS, Anvil
from tests.integration.chain.network import OUTSIDER, Network, address_of, running_network
from tests.integration.chain.test_claims_cli import Desk
from tests.integration.chain.test_cli import Shell

DELAY = DeployParameters().upgrade_delay


@asynccontextmanager
async def council(anvil: Anvil, directory: Path) -> AsyncIterator[Desk]:
    """A network whose owner is at the terminal."""
    async with running_network(anvil, directory, authority=Authority(address_of(OUTSIDER))) as network:
        shell = Shell(directory, anvil)
        shell.key_file.write_text(DEV_KEYS[1])
        network.chain.deployment.save(directory / "deployment.json")
        yield Desk(shell, network)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEYS", "CONFIG", "PASSWORD_FILE"):
        monkeypatch.delenv(f"P2PAVS_{name}", raising=False)
    settings.config.cache_clear()


async def pass_time(network: Network, anvil: Anvil, seconds: int) -> None:
    await trio.to_thread.run_sync(anvil.rpc, "evm_increaseTime", seconds)
    await trio.to_thread.run_sync(anvil.rpc, "evm_mine")


async def test_an_upgrade_with_a_task_across_it(anvil: Anvil, tmp_path: Path) -> None:
    async with council(anvil, tmp_path) as desk:
        network, chain = desk.network, desk.network.chain
        account = ["--key-file", str(desk.shell.key_file)]
        assert "Nothing is proposed" in await desk.run("timelock", "status")
        proposed = await desk.json("timelock", "upgrade", "TaskGateway", *account)
        before, new = chain.deployment.implementations["TaskGateway"], proposed["implementation"]
        assert await upgrades.implementation_of(chain, "TaskGateway") == before
        assert (proposed["proposal"]["state"], len(proposed["proposal"]["id"])) == ("waiting", 66)
        assert f"upgrade TaskGateway to {new}, due" in await desk.run("timelock", "status")
        number = proposed["proposal"]["id"][:18]
        assert "is due at" in await trio.to_thread.run_sync(
            lambda: desk.shell.run("timelock", "execute", number, *account, status=2)
        )

        await pass_time(network, anvil, DELAY - 300)
        live = await network.request(seconds=3600)
        await pass_time(network, anvil, 300)
        assert "ready to execute" in await desk.run("timelock", "status")
        done = await desk.run("timelock", "execute", number, *account)
        assert f"done: upgrade TaskGateway to {new}" in done
        behind = await upgrades.implementation_of(chain, "TaskGateway")
        assert "0x" + behind.hex() == new.lower()
        assert Deployment.load(tmp_path / "deployment.json").implementations == {"TaskGateway": behind}
        _, call = await network.certify(live)
        await network.sender.send(call)
        assert (await read_result(chain, live.id)).status is TaskStatus.CERTIFIED
        assert "Nothing is proposed" in await desk.run("timelock", "status")
        (listed,) = (await desk.json("timelock", "status", "--all"))["proposals"]
        assert listed["state"] == "done"


async def test_a_penalty_is_proposed_cancelled_and_set(anvil: Anvil, tmp_path: Path) -> None:
    async with council(anvil, tmp_path) as desk:
        chain, account = desk.network.chain, ["--key-file", str(desk.shell.key_file)]
        verifier = chain.address("LazyVoteVerifier")
        assert await chain.read_one("SlashingManager", "owner") == chain.address(TIMELOCK)
        first = (await desk.json("timelock", "penalty", "lazy-vote", "20", *account))["proposal"]
        second = (await desk.json("timelock", "penalty", "lazy-vote", "5", *account))["proposal"]
        assert "penalty of LazyVoteVerifier: 20%" in await desk.run(
            "timelock", "cancel", first["id"], *account
        )
        await pass_time(desk.network, anvil, DELAY)
        await desk.run("timelock", "execute", second["id"], *account)
        assert (await chain.read("SlashingManager", "classOf", verifier))["wad"] == 5 * 10**16
        assert "No proposal that waits" in await trio.to_thread.run_sync(
            lambda: desk.shell.run("timelock", "execute", first["id"], *account, status=2)
        )


async def test_who_may_not_propose_is_told_what_a_proposer_must_send(anvil: Anvil, tmp_path: Path) -> None:
    async with council(anvil, tmp_path) as desk:
        chain = desk.network.chain
        desk.shell.key_file.write_text(DEV_KEYS[2])
        account = ["--key-file", str(desk.shell.key_file)]
        said = await desk.json("timelock", "penalty", "wrong-output", "10", *account)
        assert said["proposal"] is None
        assert said["send"]["to"].lower() == "0x" + chain.address(TIMELOCK).hex()
        refused = await trio.to_thread.run_sync(
            lambda: desk.shell.run("gateway", "pause", *account, status=4)
        )
        assert "Only the owner" in refused


async def test_a_pause_from_the_terminal(anvil: Anvil, tmp_path: Path) -> None:
    async with council(anvil, tmp_path) as desk:
        account = ["--key-file", str(desk.shell.key_file)]
        assert (await desk.json("gateway", "status"))["offeredTo"] == OUTSIDER.address
        assert (await desk.json("gateway", "take-ownership", *account))["taken"] == ["TaskGateway"]
        assert (await desk.json("gateway", "take-ownership", *account))["taken"] == []
        assert await desk.json("gateway", "pause", *account) == {"paused": True, "changed": True}
        assert "paused already" in await desk.run("gateway", "pause", *account)
        assert "requests are paused" in await desk.run("gateway", "status")
        assert await desk.json("gateway", "resume", *account) == {"paused": False, "changed": True}
        await desk.network.request()
