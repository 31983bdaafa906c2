"""What a person hears who asks for what cannot work: the cause and the remedy, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.model import demo_model
from tests.e2e.harness import Testnet

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWDMbN6ghnNo2VdKFPTEA9UvQa8GEyiZ9xcuLPPdvRPDEn"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    """Chain, contracts and two registered operators, and no node."""
    directory = tmp_path_factory.mktemp("refusals") / "net"
    with Testnet.start(directory, 2, running=False) as prepared:
        yield prepared


def _run(net: Testnet, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "p2pavs", *arguments],
        cwd=ROOT,
        env=net.network.environment() | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _node(net: Testnet, data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Start operator 0's node; later options win over the ones that would work."""
    operator = net.network.layout.operator(0)
    options = ["--data", str(data), "--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"]
    options += ["--keys", str(net.network.keys(operator))]
    options += ["--password-file", str(net.network.password(operator)), "--bootstrap-timeout", "2"]
    done = _run(net, "node", *options, *more)
    assert done.returncode != 0
    assert not (data / "node.json").exists()
    return done


def test_a_wrong_password(net: Testnet, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("not it\n")
    done = _node(net, tmp_path / "data", "--password-file", str(password))
    assert "does not open" in done.stderr and "--password-file" in done.stderr
    assert "not it" not in done.stderr


def test_an_rpc_that_is_down(net: Testnet, tmp_path: Path) -> None:
    done = _node(net, tmp_path / "data", "--rpc", "http://127.0.0.1:9")
    assert "127.0.0.1:9" in done.stderr
    asked = _run(net, "request", "hello", "--rpc", "http://127.0.0.1:9")
    assert asked.returncode == 3 and "127.0.0.1:9" in asked.stderr


@pytest.mark.parametrize("damage", ["cut short", "one byte", "no manifest"])
def test_a_damaged_model(net: Testnet, tmp_path: Path, damage: str) -> None:
    model = tmp_path / "demo.gguf"
    content = bytearray(demo_model().read_bytes())
    if damage == "one byte":
        content[len(content) // 2] ^= 1
    model.write_bytes(content[: len(content) // 2] if damage == "cut short" else content)
    if damage != "no manifest":
        shutil.copy(demo_model().with_suffix(".json"), tmp_path / "demo.json")
    done = _node(net, tmp_path / "data", "--model", str(model))
    assert str(tmp_path) in done.stderr


def test_a_bootstrap_address_nobody_answers(net: Testnet, tmp_path: Path) -> None:
    done = _node(net, tmp_path / "data", "--bootstrap", NOBODY)
    assert NOBODY in done.stderr and "nobody listens" in done.stderr


def test_a_bootstrap_address_that_is_none(net: Testnet, tmp_path: Path) -> None:
    done = _node(net, tmp_path / "data", "--bootstrap", "127.0.0.1:4001")
    assert "127.0.0.1:4001" in done.stderr


def test_keys_that_are_not_registered(net: Testnet, tmp_path: Path) -> None:
    requester = net.network.layout.requester
    keys = [
        "--keys",
        str(net.network.keys(requester)),
        "--password-file",
        str(net.network.password(requester)),
    ]
    done = _node(net, tmp_path / "data", *keys)
    assert "not a registered operator" in done.stderr and "p2pavs operator register" in done.stderr


def test_a_request_over_the_limit(net: Testnet) -> None:
    done = _run(net, "request", "a" * 17_000)
    assert done.returncode == 2 and "17000" in done.stderr and "16384" in done.stderr


def test_a_deadline_too_near(net: Testnet) -> None:
    done = _run(net, "request", "hello", "--deadline", "5")
    assert done.returncode == 2 and "too near" in done.stderr and "--deadline" in done.stderr


def test_a_model_that_does_not_exist(net: Testnet) -> None:
    done = _run(net, "request", "hello", "--model", "oracle")
    assert done.returncode == 2 and "oracle" in done.stderr and "demo" in done.stderr


def test_errors_are_json_where_json_is_wanted(net: Testnet) -> None:
    done = _run(net, "request", "hello", "--model", "oracle", "--json")
    told = json.loads(done.stderr)
    assert told["error"] == "BadRequest" and told["remedy"]


def test_a_task_nobody_works_on_is_refunded(net: Testnet) -> None:
    asked = _run(net, "request", "hello", "--deadline", "75")
    assert asked.returncode == 7 and "p2pavs task refund 1" in asked.stderr
    paid = json.loads(_run(net, "task", "show", "1", "--json").stdout)
    assert paid["status"] == "expired"
    back = json.loads(_run(net, "task", "refund", "1", "--json").stdout)
    assert back["withdrawnWei"] == paid["feeWei"]
    again = json.loads(_run(net, "task", "show", "1", "--json").stdout)
    assert again["status"] == "refunded"


def test_a_data_directory_in_use(net: Testnet, tmp_path: Path) -> None:
    from p2pavs.storage import DataDirectory

    with DataDirectory(tmp_path / "data"):
        done = _node(net, tmp_path / "data")
    assert "another node is running" in done.stderr


def test_help_is_quick_and_needs_nothing() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("P2PAVS_")}
    done = subprocess.run(
        [sys.executable, "-m", "p2pavs", "--help"],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "request" in done.stdout
