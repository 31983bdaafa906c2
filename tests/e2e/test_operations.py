"""What operators rely on, on a network that runs: metrics, readiness, log, doctor, backup and restore."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from p2pavs.restored import MARGIN
from p2pavs.storage.inspection import inspect
from tests import monitoring
from tests.e2e.harness import DEADLINE, MANY, Testnet

pytestmark = pytest.mark.e2e

NODES = 4
ROOT = Path(__file__).parents[2]
QUESTION = "Classify this proposal: pay 40,000 USDC from the treasury to the auditors"
CHOICES = ["treasury", "parameter", "membership", "other"]
MOST_SERIES = 400


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    with Testnet.start(tmp_path_factory.mktemp("e2e") / "net", NODES) as running:
        ask(running)
        yield running


def ask(net: Testnet) -> int:
    """A task that is certified."""
    task = int(net.request(QUESTION, choices=CHOICES, options=DEADLINE)["task"])
    assert net.wait_certified(task).output == b"treasury"
    return task


def get(net: Testnet, index: int, path: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(net.network.state.apis[index] + path, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


# --- metrics ----------------------------------------------------------------------------------------------


def test_the_metrics_keep_to_the_rules_of_prometheus(net: Testnet) -> None:
    status, page = get(net, 0, "/metrics")
    assert status == 200
    families = list(text_string_to_metric_families(page))
    assert sum(len(family.samples) for family in families) < MOST_SERIES, "labels have few values"
    described = (ROOT / "docs" / "monitoring.md").read_text()
    for family in families:
        assert family.name.startswith("process_") or family.name.removeprefix("p2pavs_") in described
    for family in families:
        assert re.fullmatch(r"(p2pavs|process)_[a-z0-9_]+", family.name), family.name
        assert family.documentation, family.name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|\Z)", family.name), "base units"
        names = {sample.name for sample in family.samples}
        if family.type == "counter":
            assert names == {family.name + "_total"}
        elif family.type == "gauge":
            assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        for sample in family.samples:
            assert set(sample.labels) <= {
                "le", "condition", "cause", "outcome", "step", "verdict", "reason", "kind", "how",
                "model", "file", "version", "runtime",
            }, sample  # fmt: skip


def test_the_dashboard_and_the_alerts_name_metrics_that_a_node_has(net: Testnet) -> None:
    labels: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(get(net, 0, "/metrics")[1]):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    for where, query in monitoring.expressions():
        for name, selected in monitoring.metrics_in(query).items():
            assert name in labels, f"{where}: a node has no {name}"
            assert selected - {"instance", "job"} <= labels[name], f"{where}: {name} has {labels[name]}"


def test_what_was_done_is_counted(net: Testnet) -> None:
    def counted() -> bool:
        events = net.api(0, "/tasks/1/events")
        (signed,) = [event["signed"] for event in events if event["event"] == "task_over"] or [None]
        rounds = sum(event["event"] == "round" for event in events)
        decided = any(event["event"] == "certificate" for event in events)
        page = get(net, 0, "/metrics")[1]
        return signed is not None and {
            'p2pavs_tasks_total{outcome="certified"} 1.0',
            "p2pavs_seats_total 1.0",
            f"p2pavs_seats_missed_total {float(not signed)}",
            f"p2pavs_rounds_total {float(rounds)}",
            f"p2pavs_decision_seconds_count {float(decided)}",
            "p2pavs_in_epoch 1.0",
            'p2pavs_ready{condition="chain"} 1.0',
        } <= set(page.splitlines())

    net.wait_until(counted, "the first task is counted")


# --- alive and ready --------------------------------------------------------------------------------------


def conditions(net: Testnet, index: int) -> Any:
    return json.loads(get(net, index, "/ready")[1])["conditions"]


def test_a_node_is_ready_and_without_its_chain_alive(net: Testnet) -> None:
    assert get(net, 0, "/health")[0] == 200
    net.wait_until(lambda: get(net, 0, "/ready")[0] == 200, "the node is ready")
    net.network.kill("anvil", signal.SIGSTOP)
    try:
        net.wait_until(lambda: not conditions(net, 0)["chain"]["met"], "the node misses its chain")
        assert get(net, 0, "/ready")[0] == 503
        assert conditions(net, 0)["disk"]["met"]
        assert get(net, 0, "/health")[0] == 200
    finally:
        net.network.kill("anvil", signal.SIGCONT)
    net.wait_until(lambda: get(net, 0, "/ready")[0] == 200, "the node is ready again")


# --- log --------------------------------------------------------------------------------------------------


def test_every_line_of_a_round_says_where_it_belongs(net: Testnet) -> None:
    lines = [line for index in range(NODES) for line in net.logs(index) if line.get("task") == 1]
    first = next(number for number, line in enumerate(lines) if line["event"] == "round")
    assert {"proposal", "prevote", "precommit", "certificate"} <= {line["event"] for line in lines[first:]}
    within = [line for line in lines if "attempt" in line]
    assert within and all("task" in line for line in within)
    for line in within:
        before = line["event"] in ("committee", "inference_started", "inference", "inference_done")
        assert before or "round" in line, line
        if line["event"] in ("proposal", "prevote", "precommit"):
            assert line["peer"].startswith("12D3Koo") and line["operator"].startswith("0x"), line


# --- doctor -----------------------------------------------------------------------------------------------


def doctor(net: Testnet, *options: str) -> tuple[int, dict[str, Any]]:
    operator = net.network.layout.operator(0)
    command = [sys.executable, "-m", "p2pavs", "doctor", "--json", "--keys", str(net.network.keys(operator))]
    command += ["--data", str(net.network.layout.data(0)), "--listen", "/ip4/127.0.0.1/tcp/0", *options]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=net.network.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_the_doctor_finds_a_running_node_well(net: Testnet) -> None:
    right = str(net.network.password(net.network.layout.operator(0)))
    status, found = doctor(net, "--password-file", right, "--bootstrap", net.network.address(1))
    bad = [check for check in found["checks"] if check["status"] in ("fail", "skip")]
    assert (status, bad, found["passed"]) == (0, [], True)
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["reachable"]["status"] == by_name["clock of peers"]["status"] == "ok"
    assert "the node listens" in by_name["port"]["detail"]


def test_the_doctor_says_what_is_wrong_by_its_exit_status(net: Testnet) -> None:
    wrong = str(net.network.password(net.network.layout.operator(1)))
    status, found = doctor(net, "--password-file", wrong)
    failed = [check for check in found["checks"] if check["status"] == "fail"]
    assert (status, [check["name"] for check in failed]) == (8, ["password"])
    assert failed[0]["remedy"] and not found["passed"]


# --- backup -----------------------------------------------------------------------------------------------


def test_a_restored_node_takes_part_again_and_signs_nothing_it_may_have_signed(
    net: Testnet, tmp_path: Path
) -> None:
    data, keys = net.network.layout.data(0), net.network.keys(net.network.layout.operator(0))
    net.command("backup", "--data", str(data), "--keys", str(keys), "--out", str(tmp_path / "backup"))
    before = inspect(tmp_path / "backup" / "node.sqlite")
    after_backup = ask_and_have_it_vote(net)
    assert inspect(data / "node.sqlite").signatures > before.signatures, "the backup is older than the guard"
    net.kill(0)
    data.rename(tmp_path / "lost")
    keys.rename(tmp_path / "lost keys")
    net.command(
        "restore", str(tmp_path / "backup"), "--data", str(data), "--keys", str(keys), "--old-node-is-gone"
    )
    assert inspect(data / "node.sqlite").restored
    # Its account's unsettled transactions are the chain's business.
    assert not (keys / "pending.sqlite").exists()

    net.network.start_node(0, net.network.address(1))
    meanwhile = ask(net)
    net.network.wait_node(0, MARGIN + 600)
    settled = [line for line in net.logs(0) if line.get("event") == "restored_settled"]
    assert [line["signs_from_task"] for line in settled] == [meanwhile + 1]
    net.wait_connected()
    task = ask_and_have_it_vote(net)
    certified = net.wait_until(
        lambda: [one for one in net.api(0, f"/tasks/{task}/events") if one["event"] == "certificate"],
        "the restored node has the certificate",
    )
    assert certified
    voted = votes(net)
    assert {after_backup, task} <= voted and not voted & set(range(after_backup + 1, meanwhile + 1))

    # An old copy, put back by hand in spite of everything: the chain knows of a later signature.
    # Three of four signatures are enough, so not every certificate has it.
    later = chain(range(meanwhile + 1, task + 1), (ask(net) for _ in range(MANY)))
    task = next(task for task in later if signed(net, task))
    net.kill(0)
    shutil.rmtree(data)
    (tmp_path / "lost").rename(data)
    net.network.start_node(0, net.network.address(1))
    net.wait_until(lambda: not net.running(0), "the node has ended by itself")
    # By what it heard first: the chain's certificate, or its own statement, which peers pass on.
    status, log = net.network.children["node-0"].returncode, net.network.layout.log("node-0").read_text()
    by_chain = f"task {task} was certified with this operator's signature"
    by_gossip = [int(one) for one in re.findall(r"uses the keys of this one: it signed for task (\d+)", log)]
    assert (status, by_chain in log, len(by_gossip)) in ((1, True, 0), (6, False, 1))
    assert all(one > meanwhile for one in by_gossip)
    assert inspect(data / "node.sqlite").restored, "the next start makes it safe"


def votes(net: Testnet) -> set[int]:
    """The tasks in which node 0 voted, in all its lives."""
    operator = net.api(0, "/status")["operator"]
    own = [line for line in net.logs(0) if line.get("event") in ("prevote", "precommit")]
    return {line["task"] for line in own if line["operator"] == operator}


def ask_and_have_it_vote(net: Testnet) -> int:
    """A task in which node 0 votes: one that finds the task decided says nothing."""
    for _ in range(MANY):
        task = ask(net)
        if task in votes(net):
            return task
    raise AssertionError(f"node 0 was late in {MANY} tasks")


def signed(net: Testnet, task: int) -> bool:
    """Whether node 0's signature is part of a task's certificate as it was posted."""
    certificate = json.loads(net.command("certificate", "verify", str(task), "--json"))
    return net.api(0, "/status")["operator"] in certificate["signers"]
