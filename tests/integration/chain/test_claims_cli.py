"""What operators type to get their rewards, and what else of the command line needs a running network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from p2pavs.chain import reader
from p2pavs.chain.epochs import advance_epoch
from p2pavs.chain.pending import SqlitePendingStore
from p2pavs.cli import settings
from tests.integration.anvil import DEV_KEYS, Anvil
from tests.integration.chain.network import CHAIN_ID, ETH, Network, address_of, running_network
from tests.integration.chain.test_cli import PASSWORD, Shell


class Desk:
    """Somebody at a terminal beside a running network."""

    def __init__(self, shell: Shell, network: Network) -> None:
        self.shell = shell
        self.network = network

    async def run(self, *arguments: str, status: int = 0) -> str:
        return await trio.to_thread.run_sync(lambda: self.shell.run(*arguments, status=status))

    async def json(self, *arguments: str) -> Any:
        return await trio.to_thread.run_sync(lambda: self.shell.json(*arguments))

    async def certified(self) -> int:
        header = await self.network.request()
        _, call = await self.network.certify(header)
        await self.network.sender.send(call)
        return header.id

    def key_file(self, index: int) -> str:
        """The account of an operator, as a file."""
        path = self.shell.directory / f"operator{index}.key"
        path.write_text(bytes(self.network.operators[index].account.key).hex())
        return str(path)

    def address(self, index: int) -> str:
        return str(self.network.operators[index].account.address)


@asynccontextmanager
async def desk(anvil: Anvil, directory: Path) -> AsyncIterator[Desk]:
    async with running_network(anvil, directory) as network:
        shell = Shell(directory, anvil)
        shell.key_file.write_text(DEV_KEYS[1])  # the network's own sender has the first one
        network.chain.deployment.save(directory / "deployment.json")
        yield Desk(shell, network)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("KEYS", "CONFIG", "PASSWORD_FILE"):
        monkeypatch.delenv(f"P2PAVS_{name}", raising=False)
    settings.config.cache_clear()
    yield
    settings.config.cache_clear()


async def test_anyone_can_claim_for_an_operator(anvil: Anvil, tmp_path: Path) -> None:
    async with desk(anvil, tmp_path) as user:
        operator = ["--address", user.address(3)]
        status = await user.json("operator", "status", *operator)
        assert (status["unclaimedTasks"], status["unclaimedWei"]) == (0, "0")
        tasks = [await user.certified(), await user.certified()]
        reward = (await reader.read_task(user.network.chain, tasks[0])).requested.header.reward
        share = 2 * (reward * 4 // 10)
        status = await user.json("operator", "status", *operator)
        assert (status["unclaimedTasks"], status["unclaimedWei"]) == (2, str(share))
        assert "for 2 tasks (p2pavs operator claim)" in await user.run("operator", "status", *operator)

        payer = ["--key-file", str(user.shell.key_file)]
        refused = await user.run("operator", "claim", *operator, *payer, "--withdraw", status=2)
        assert "Only the account of the operator" in refused
        assert (await user.json("operator", "status", *operator))["unclaimedTasks"] == 2
        said = await user.json("operator", "claim", *operator, *payer)
        (claim,) = said["claims"]
        assert (claim["epoch"], claim["tasks"], claim["amountWei"]) == (1, tasks, str(share))
        assert (said["address"], said["claimedWei"]) == (user.address(3), str(share))
        assert (said["withdrawnWei"], said["creditWei"]) == ("0", str(share))
        assert await reader.credit_of(user.network.chain, bytes.fromhex(user.address(3)[2:])) == share
        again = await user.run("operator", "claim", *operator, *payer)
        assert "no rewards to claim" in again
        assert "p2pavs operator withdraw" in again


async def test_an_operator_claims_and_is_paid(anvil: Anvil, tmp_path: Path) -> None:
    async with desk(anvil, tmp_path) as user:
        await user.certified()
        chain, account = user.network.chain, address_of(user.network.operators[1].account)
        before = await chain.rpc.balance(account)
        said = await user.json("operator", "claim", "--key-file", user.key_file(1), "--withdraw")
        assert int(said["withdrawnWei"]) == int(said["claimedWei"]) > 0
        assert said["creditWei"] == "0"
        assert await reader.credit_of(chain, account) == 0
        assert await chain.rpc.balance(account) > before - ETH // 100
        nothing = await user.json("operator", "claim", "--key-file", user.key_file(1), "--withdraw")
        assert (nothing["claims"], nothing["withdrawnWei"]) == ([], "0")


async def test_a_claim_goes_on_beside_a_running_node(anvil: Anvil, tmp_path: Path) -> None:
    """The node has the account of --keys; another account, given beside it, sends the claim."""
    async with desk(anvil, tmp_path) as user:
        await user.certified()
        account = address_of(user.network.operators[2].account)
        keys = tmp_path / "keys"
        secret = ["--account-key-file", user.key_file(2), "--insecure-fast-kdf"]
        await user.run("keys", "new", "--keys", str(keys), *secret)
        with SqlitePendingStore(keys / "pending.sqlite", chain_id=CHAIN_ID, account=account):
            said = await user.run("operator", "claim", "--keys", str(keys), status=6)
            assert "A running node does so" in said
            assert "--key-file" in said
            user.shell.environment["P2PAVS_PASSWORD"] = "not " + PASSWORD  # it takes no password either
            payer = ["--key-file", str(user.shell.key_file)]
            done = await user.json("operator", "claim", "--keys", str(keys), *payer)
        assert done["address"] == user.address(2)
        assert len(done["claims"]) == 1
        user.shell.environment["P2PAVS_PASSWORD"] = PASSWORD
        other = await user.json("operator", "claim", "--keys", str(keys), "--address", user.address(3))
        assert (other["address"], len(other["claims"])) == (user.address(3), 1)


async def test_the_set_root_of_any_epoch_is_shown(anvil: Anvil, tmp_path: Path) -> None:
    async with desk(anvil, tmp_path) as user:
        chain = user.network.chain
        first = await user.json("epoch", "status")
        root = "0x" + (await reader.read_operator_set(chain, 1)).root.hex()
        assert first["setRoot"] == root
        assert root in await user.run("epoch", "status")
        anvil.mine(6)
        await user.run("epoch", "freeze", "--key-file", str(user.shell.key_file))
        frozen = await user.json("epoch", "status", "2")
        assert (frozen["operators"], frozen["openedAtBlock"], frozen["seed"]) == (4, None, None)
        assert "frozen, not open yet" in await user.run("epoch", "status", "2")
        assert "Its node reveals by itself" in await user.run(
            "epoch", "open", "--key-file", str(user.shell.key_file), status=1
        )
        await advance_epoch(chain, user.network.sender, user.network.provers)
        old = await user.json("epoch", "status", "1")
        assert old == {
            "epoch": 1,
            "operators": 4,
            "totalStakeWei": str(10 * ETH),
            "setRoot": root,
            "openedAtBlock": first["openedAtBlock"],
            "seed": first["seed"],
            "current": 2,
        }
        assert root in await user.run("epoch", "status", "1")
        assert "Epoch 3 is not frozen" in await user.run("epoch", "status", "3", status=1)


async def test_a_certificate_file_is_not_overwritten_by_accident(anvil: Anvil, tmp_path: Path) -> None:
    async with desk(anvil, tmp_path) as user:
        task, out = await user.certified(), tmp_path / "certificate.json"
        export = ["certificate", "export", str(task), "--out", str(out)]
        exported = await user.json(*export)
        assert exported["setRoot"] == (await user.json("epoch", "status"))["setRoot"]
        good = out.read_text()
        out.write_text("something of mine")
        assert "--force" in await user.run(*export, status=2)
        assert out.read_text() == "something of mine"
        await user.run(*export, "--force")
        assert out.read_text() == good
        await user.run("certificate", "verify", str(out), "--set-root", exported["setRoot"])


async def test_who_leaves_is_told_how_long_the_node_is_needed(anvil: Anvil, tmp_path: Path) -> None:
    async with desk(anvil, tmp_path) as user:
        for index in (0, 1, 2):
            await user.run(
                "keys", "new", "--keys", str(tmp_path / f"keys{index}"), "--insecure-fast-kdf",
                "--account-key-file", user.key_file(index),
            )  # fmt: skip
        said = await user.run("operator", "exit", "--keys", str(tmp_path / "keys0"))
        assert "epoch 1 is the last one that counts it" in said
        assert "Start its node again, and keep it running until that epoch is over" in said
        anvil.mine(6)
        sender = ["--key-file", str(user.shell.key_file)]
        await user.run("epoch", "freeze", *sender)
        left = await user.json("operator", "exit", "--keys", str(tmp_path / "keys1"))
        assert left["lastEpoch"] == 2, "it is in the frozen set already"
        await advance_epoch(user.network.chain, user.network.sender, user.network.provers)
        gone = await user.run("operator", "exit", "--keys", str(tmp_path / "keys0"))
        assert "has left" in gone
        assert "node" not in gone


async def test_a_maker_takes_its_royalties(anvil: Anvil, tmp_path: Path) -> None:
    async with desk(anvil, tmp_path) as d:
        maker = "0x" + d.network.sender.address.hex()
        other = ["--key-file", str(d.shell.key_file)]
        first, second = await d.certified(), await d.certified()
        await d.network.request()  # not certified: nothing of it is the maker's
        seen = await d.json("model", "royalties", "--address", maker)
        assert (seen["openTasks"], seen["royaltiesWei"]) == ([first, second], "0")
        expected = int(seen["openWei"])
        assert expected > 0
        settled = await d.json("model", "royalties", "--address", maker, "--settle", *other)
        assert (settled["settledNow"], settled["openTasks"]) == (2, [])
        assert int(settled["royaltiesWei"]) == expected == int(settled["creditWei"])
        assert "can withdraw" in await trio.to_thread.run_sync(
            lambda: d.shell.run("model", "royalties", "--address", maker, "--withdraw", *other, status=2)
        )

        # The maker's own account; the network's sender does nothing more.
        d.shell.key_file.write_text(DEV_KEYS[0])
        paid = await d.json("model", "royalties", "--withdraw", *other)
        assert (int(paid["withdrawnWei"]), paid["creditWei"]) == (expected, "0")
        assert "of 2 tasks" in await d.run("model", "royalties", *other)
