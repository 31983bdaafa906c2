"""The gateway gets another implementation while nodes run and tasks are on their way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from p2pavs.chain.deployment import Deployment
from tests.e2e.harness import DEADLINE, Testnet

pytestmark = pytest.mark.e2e

NODES = 4
DELAY = 20  # seconds from the proposal to the upgrade
QUESTION = "Classify this proposal: pay 40,000 USDC from the treasury to the auditors"


def ask(net: Testnet) -> int:
    choices = ["treasury", "parameter", "membership", "other"]
    return int(net.request(QUESTION, choices=choices, options=DEADLINE)["task"])


def timelock(net: Testnet, *arguments: str) -> dict[str, object]:
    account = ["--key-file", str(net.network.layout.deployer_key)]
    document: dict[str, object] = json.loads(net.command("timelock", *arguments, *account, "--json"))
    return document


def test_tasks_before_during_and_after_an_upgrade_are_certified(tmp_path: Path) -> None:
    with Testnet.start(tmp_path / "net", NODES, parameters=f"upgrade_delay = {DELAY}\n") as net:
        old = Deployment.load(net.network.layout.deployment)
        before = ask(net)
        net.wait_certified(before)
        result = net.result(before)

        proposed = timelock(net, "upgrade", "TaskGateway")["proposal"]
        assert isinstance(proposed, dict) and proposed["state"] == "waiting"
        net.wait_until(lambda: _is_ready(net, proposed["id"]), "the delay is over")
        # One of four nodes cannot certify anything: these tasks wait for the upgrade.
        for index in range(1, NODES):
            net.pause(index)
        across = [ask(net) for _ in range(3)]
        assert timelock(net, "execute", str(proposed["id"]))["executed"] is True
        for index in range(1, NODES):
            net.resume(index)
        for task in across:
            assert net.wait_certified(task).output == b"treasury"

        after = ask(net)
        assert net.wait_certified(after).output == b"treasury"
        # Who was left out of a certificate may have added itself since.
        assert replace(net.result(before), signed_bps=0) == replace(result, signed_bps=0)
        new = Deployment.load(net.network.layout.deployment)
        assert new.contracts == old.contracts
        assert new.implementations["TaskGateway"] != old.implementations["TaskGateway"]
        for index in range(NODES):
            wrong = [line for line in net.logs(index) if line.get("level") in ("error", "critical")]
            assert wrong == [], f"node {index}"


def _is_ready(net: Testnet, number: str) -> bool:
    document = json.loads(net.command("timelock", "status", "--json"))
    return any(one["id"] == number and one["state"] == "ready" for one in document["proposals"])
