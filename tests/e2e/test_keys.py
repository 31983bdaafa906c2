"""Keys that are elsewhere, and keys that are in two places: real nodes, a real signer, TLS between them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pavs.exit_codes import ExitCode
from testnet.network import ROOT
from tests.e2e.harness import DEADLINE, Testnet
from tests.unit.remote_signer.certificates import Authority

pytestmark = pytest.mark.e2e

NODES = 4
REMOTE, DOUBLED = 3, 2


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    with Testnet.start(tmp_path_factory.mktemp("keys") / "net", NODES) as running:
        yield running


def _node_options(net: Testnet, index: int) -> list[str]:
    directory = net.network.layout.operator(index)
    return [
        "--keys",
        str(net.network.keys(directory)),
        "--password-file",
        str(net.network.password(directory)),
    ]


@pytest.fixture
def signer(net: Testnet, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A signer with a node's keys, and the key directory that links the node to it."""
    authority = Authority(tmp_path, "authority")
    server, client = authority.issue("signer"), authority.issue("node")
    log = tmp_path / "signer.log"
    command = [sys.executable, "-m", "p2pavs", "signer", "run", *_node_options(net, REMOTE)]
    command += ["--data", str(tmp_path / "data"), "--deployment", str(net.network.layout.deployment)]
    command += ["--listen", "127.0.0.1:0", "--client-ca", str(authority.path)]
    command += ["--tls-certificate", str(server.certificate), "--tls-key", str(server.key)]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT) as process:
        try:
            said = net.wait_until(
                lambda: re.search(r'"url": "(https://[^"]+)"', log.read_text()), "the signer"
            )
            linked = tmp_path / "linked"
            options = ["--url", said.group(1), "--ca", str(authority.path), "--out", str(linked)]
            options += ["--certificate", str(client.certificate), "--key", str(client.key)]
            net.command("signer", "link", *_node_options(net, REMOTE), *options)
            yield process, linked
        finally:
            process.kill()


def test_a_second_node_with_the_same_keys_finds_out_and_signs_nothing(net: Testnet, tmp_path: Path) -> None:
    """As on another machine: nothing shared but the keys. Nothing was certified yet that would tell it."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for path in net.network.keys(net.network.layout.operator(DOUBLED)).glob("*.json"):
        shutil.copy(path, keys)
    command = [sys.executable, "-m", "p2pavs", "node", *_node_options(net, DOUBLED), "--keys", str(keys)]
    command += [*net.network._chain_options(), "--data", str(tmp_path / "data")]
    command += ["--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"]
    command += ["--bootstrap", net.network.address(0), "--doppelganger-wait", "900"]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)
    assert second.returncode == ExitCode.IN_USE, second.stderr[-2000:]
    assert "Another node uses the keys of this one" in second.stderr
    assert "no_doppelganger" not in second.stderr, "it was still listening, and held its signatures back"
    assert net.running(DOUBLED)
    asked = net.request("is ice hot?", choices=("yes", "no"), wait=True, options=DEADLINE)
    assert asked["status"] == "certified"


def test_a_node_whose_keys_a_signer_holds(net: Testnet, signer: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, linked = signer
    assert net.terminate(REMOTE) == 0
    net.network.options[REMOTE] = ["--keys", str(linked)]  # the last one counts
    net.restart(REMOTE)
    net.wait_connected()
    # Three of four sign only if the one with the signer is among them.
    assert net.terminate(DOUBLED) == 0
    asked = net.request("is water wet?", choices=("yes", "no"), wait=True, options=DEADLINE)
    assert asked["status"] == "certified"
    told = net.wait_until(
        lambda: (found := net.api(REMOTE, "/status")["signer"])["signed"] and found, "the signer's count"
    )
    assert told["error"] is None and told["refused"] == 0
    net.restart(DOUBLED)
    net.wait_connected()

    process.kill()
    net.wait_until(lambda: net.api(REMOTE, "/status")["signer"]["error"], "the loss of the signer")
    asked = net.request("is fire cold?", choices=("yes", "no"), wait=True, options=DEADLINE)
    assert asked["status"] == "certified" and len(asked["signers"]) == NODES - 1
    net.wait_until(
        lambda: any(entry.get("event") == "signer_unavailable" for entry in net.logs(REMOTE)), "its log line"
    )
    assert net.running(REMOTE)
