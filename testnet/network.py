"""A test network on this machine: a development chain, the contracts, operators and their nodes.

Everything is done by the command line that users have. The chain's state lives in memory only.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testnet.layout import Layout, State
from testnet.processes import TOKEN_VARIABLE, signal_marked, start, start_time, stop_all, wait_gone
from testnet.report import Report, Steps
from testnet.steps import tail
from testnet.tools import anvil_binary

ROOT = Path(__file__).resolve().parent.parent
CHAIN_ID = 31337
SUPPLEMENT_WINDOW = "15"  # seconds: who tries things out wants to claim soon
STAKE = "32"
FUNDS = "1000"
READY_SECONDS = 240.0
GRACE_SECONDS = 10.0
_POLL = 0.1
_PORT_ATTEMPTS = 5
FIRST_PORT, USUAL_EPHEMERAL = 10_000, 32_768
_LARGEST_ANSWER = 16 * 1024 * 1024


class NetworkFailed(Exception):
    """A step of starting a network failed; the message holds the end of the log that tells why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node runs, when it is not simply here."""

    host: str = "127.0.0.1"
    """The address on which it listens."""
    enter: tuple[str, ...] = ()
    """What is put before its command."""


@dataclass(slots=True)
class Network:
    """One test network: the processes of a directory. Only `command` is for several threads at once."""

    layout: Layout
    state: State
    doubles: Mapping[int, str] = field(default_factory=dict)
    """Nodes that run another module in place of `p2pavs`, by index: for tests."""
    stakes: Mapping[int, str] = field(default_factory=dict)
    """ETH that operators register with, by index, where it is not the usual."""
    node_options: Sequence[str] = ()
    """Further options of every node."""
    parameters: Path | None = None
    """Parameters of the deployment that differ from the defaults (TOML)."""
    options: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """What nodes are started with besides the usual, by index: for tests."""
    places: Mapping[int, Place] = field(default_factory=dict)
    """Nodes that run elsewhere than here, by index: for tests."""
    chain_host: str = "127.0.0.1"
    """Where the chain listens."""
    report: Report = field(default_factory=Steps)
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    # -- commands -------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The user's environment less the settings of another network, plus ours."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("P2PAVS_")}
        if self.layout.config.exists():
            kept["P2PAVS_CONFIG"] = str(self.layout.config)
        return {**kept, "PYTHONUNBUFFERED": "1", "P2PAVS_PROGRESS": "always"}

    def command(self, *arguments: str, timeout: float = 300.0, secret: bool = False) -> str:
        """Run `p2pavs` to its end and return what it prints; threads may do so at the same time.

        What it prints goes into a log too, unless it is secret. Raises NetworkFailed with what it said.
        """
        try:
            done = subprocess.run(
                [sys.executable, "-m", "p2pavs", *arguments],
                cwd=ROOT,
                env={**self.environment(), TOKEN_VARIABLE: self.state.token},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NetworkFailed(f"p2pavs {arguments[0]} did not end within {timeout:.0f} s.") from None
        with self.layout.log("commands").open("ab") as log:
            title = f"\n== p2pavs {' '.join(arguments)}\n"
            log.write(title.encode() + (b"" if secret else done.stdout + done.stderr))
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").splitlines()[-15:]
            text = "\n".join(said)
            raise NetworkFailed(f"p2pavs {' '.join(arguments[:2])} failed (exit {done.returncode}):\n{text}")
        return done.stdout.decode(errors="replace")

    # -- chain and contracts --------------------------------------------------------------------------

    def start_chain(self) -> None:
        """Start anvil on a free port, with a fresh account that deploys and funds. Raises NetworkFailed."""
        for _ in range(_PORT_ATTEMPTS):
            port = free_port()
            self.state.rpc = f"http://{self.chain_host}:{port}"
            self._spawn("anvil", self._chain_command(port))
            if self._chain_answers():
                break
        else:
            raise NetworkFailed(f"anvil does not start:\n{tail(self.layout.log('anvil'))}")
        self.state.save(self.layout)
        key = json.loads(self.layout.chain_accounts.read_text())["private_keys"][0]
        self.layout.chain_accounts.unlink()
        self.layout.deployer_key.parent.mkdir()
        write_secret(self.layout.deployer_key, key)

    def _chain_command(self, port: int) -> list[str]:
        command = [str(anvil_binary()), "--host", self.chain_host, "--port", str(port), "--quiet"]
        command += ["--chain-id", str(CHAIN_ID), "--block-time", "1", "--prune-history", "1000"]
        command += ["--accounts", "1", "--balance", "1000000", "--mnemonic-random", "12"]
        return [*command, "--config-out", str(self.layout.chain_accounts)]

    def _chain_answers(self) -> bool:
        """Wait until the chain answers; False if anvil ended, as it does when another took the port."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.running("anvil"):
            try:
                if int(str(self.rpc("eth_chainId")), 16) == CHAIN_ID and self.running("anvil"):
                    return True
            except (OSError, ValueError):
                pass
            time.sleep(_POLL)
        self.kill("anvil", signal.SIGKILL)
        return False

    def rpc(self, method: str, *parameters: object) -> Any:
        """One JSON-RPC call to the chain. Raises OSError, or ValueError if the chain refuses."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        answer = fetch_json(self.state.rpc, json.dumps(body).encode())
        if "result" not in answer:
            raise ValueError(f"{method}: {answer.get('error')}")
        return answer["result"]

    def deploy(self) -> None:
        """Deploy the contracts."""
        options = ["--rpc", self.state.rpc, "--key-file", str(self.layout.deployer_key)]
        if self.parameters is None:
            options += ["--supplement-window", SUPPLEMENT_WINDOW, "--activation-epochs", "0"]
        else:
            options += ["--config", str(self.parameters)]
        self.command("deploy", *options, "--out", str(self.layout.deployment))

    # -- accounts -------------------------------------------------------------------------------------

    def new_keys(self, directory: Path) -> str:
        """Make a keystore with a fresh password; returns the account's address."""
        directory.mkdir(parents=True)
        write_secret(self.password(directory), secrets.token_urlsafe(24))
        options = ["--keys", str(self.keys(directory)), "--password-file", str(self.password(directory))]
        said = self.command("keys", "new", *options, "--insecure-fast-kdf", "--json")
        return str(json.loads(said)["address"])

    @staticmethod
    def keys(directory: Path) -> Path:
        """The keystore of an operator or the requester."""
        return directory / "keys"

    @staticmethod
    def password(directory: Path) -> Path:
        """The password file beside a keystore."""
        return directory / "password"

    def fund(self, addresses: Sequence[str]) -> None:
        """Send ETH from the deployer's account to each address."""
        options = ["--rpc", self.state.rpc, "--key-file", str(self.layout.deployer_key)]
        recipients = [word for address in addresses for word in ("--to", address)]
        self.command("account", "fund", *options, *recipients, "--amount", FUNDS)

    def register(self, index: int) -> None:
        """Register one operator with its keys and stake."""
        directory = self.layout.operator(index)
        options = ["--keys", str(self.keys(directory)), "--password-file", str(self.password(directory))]
        self.command(
            "operator", "register", *options, "--stake", self.stakes.get(index, STAKE), *self._chain_options()
        )

    def register_model(self) -> None:
        """Register the demo model."""
        key = ["--key-file", str(self.layout.deployer_key)]
        self.command("model", "register", "--file", "demo", *key, *self._chain_options())

    def advance_epoch(self) -> None:
        """Freeze the set of operators and open the next epoch."""
        key = ["--key-file", str(self.layout.deployer_key)]
        self.command("epoch", "advance", *key, *self._chain_options())

    def _chain_options(self) -> list[str]:
        return ["--rpc", self.state.rpc, "--deployment", str(self.layout.deployment)]

    def write_config(self) -> None:
        """The configuration of the requester's command line."""
        nodes = ", ".join(json.dumps(self.state.apis[index]) for index in sorted(self.state.apis))
        lines = [
            "# The requester of this test network. Use it: export P2PAVS_CONFIG=" + str(self.layout.config),
            f"rpc = {json.dumps(self.state.rpc)}",
            f"deployment = {json.dumps(str(self.layout.deployment))}",
            f"keys = {json.dumps(str(self.keys(self.layout.requester)))}",
            f"password_file = {json.dumps(str(self.password(self.layout.requester)))}",
            f"nodes = [{nodes}]",
        ]
        self.layout.config.write_text("\n".join(lines) + "\n")

    # -- nodes ----------------------------------------------------------------------------------------

    def start_node(self, index: int, bootstrap: str | None) -> None:
        """Start one node process, knowing at most one address. Does not wait for it."""
        data, operator = self.layout.data(index), self.layout.operator(index)
        data.mkdir(parents=True, exist_ok=True)
        # Written anew when the node is ready; the file of an earlier run would name dead ports.
        (data / "node.json").unlink(missing_ok=True)
        module, place = self.doubles.get(index, "p2pavs"), self.places.get(index, Place())
        command = [*place.enter, sys.executable, "-m", module, "node", "--data", str(data)]
        command += ["--keys", str(self.keys(operator)), "--password-file", str(self.password(operator))]
        command += [*self._chain_options(), "--listen", f"/ip4/{place.host}/tcp/0"]
        command += ["--api", f"{place.host}:0"]
        command += ["--doppelganger-wait", "0"]  # its keys were made here, for it alone
        command += self.node_options
        if bootstrap is not None:
            command += ["--bootstrap", bootstrap]
        command += self.options.get(index, ())
        self._spawn(node_name(index), command)

    def wait_node(self, index: int, seconds: float = READY_SECONDS) -> dict[str, Any]:
        """Wait until a node says that it is ready; its node.json. Raises NetworkFailed."""
        name = node_name(index)
        path = self.layout.data(index) / "node.json"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.running(name):
                raise NetworkFailed(f"{name} ended before it was ready:\n{tail(self.layout.log(name))}")
            info = _read_json(path)
            if info is not None:
                self.state.apis[index] = str(info["api"])
                self.state.save(self.layout)
                return info
            time.sleep(_POLL)
        raise NetworkFailed(f"{name} was not ready within {seconds:.0f} s:\n{tail(self.layout.log(name))}")

    def address(self, index: int) -> str:
        """The multiaddr of a node that is or was ready, for --bootstrap."""
        info = _read_json(self.layout.data(index) / "node.json")
        if info is None:
            raise NetworkFailed(f"{node_name(index)} is not ready")
        return str(info["addresses"][0])

    def api(self, index: int, path: str) -> Any:
        """What a node answers at a path of its API. Raises OSError or ValueError."""
        return fetch_json(self.state.apis[index] + path)

    # -- processes ------------------------------------------------------------------------------------

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        if self.running(name):
            raise RuntimeError(f"{name} still runs")
        process, known = start(
            name, command, self.layout.log(name), self.state.token, self.environment(), ROOT
        )
        self.children[name] = process
        self.state.processes[name] = known
        self.state.save(self.layout)

    def running(self, name: str) -> bool:
        """Whether a process of this network runs (a stopped one does)."""
        child = self.children.get(name)
        if child is not None:
            # Not by /proc: there a process is a zombie already while its other threads still end.
            return child.poll() is None
        known = self.state.processes.get(name)
        return known is not None and start_time(known.pid) == known.started

    def kill(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one process; waits for its end after SIGKILL."""
        known = self.state.processes[name]
        signal_marked(known.pid, self.state.token, number)
        if number == signal.SIGKILL:
            wait_gone([known.pid], self.state.token, GRACE_SECONDS)
            child = self.children.get(name)
            if child is not None:
                child.wait()

    def obituary(self, index: int) -> str:
        """What is to be said of a node that ended by itself."""
        name = node_name(index)
        return f"{name} ended by itself. The end of its log:\n{tail(self.layout.log(name), 15)}"

    def stop(self) -> bool:
        """Stop everything of this network, nodes before the chain. Returns whether nothing is left."""
        processes = self.state.processes.values()
        nodes = [known for known in processes if known.name.startswith("node-")]
        return stop_all(self.state.token, nodes, GRACE_SECONDS)


def node_name(index: int) -> str:
    """Name of a node's process and log."""
    return f"node-{index}"


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")


def fetch_json(url: str, body: bytes | None = None, timeout: float = 10.0) -> Any:
    """GET, or POST a body, past any proxy: these addresses are on this machine."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as answer:
        return json.loads(answer.read(_LARGEST_ANSWER))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def free_port() -> int:
    """A port of this machine that nobody listens on now.

    None of those that the system gives to connections, so that it is still free a while later.
    """
    while True:
        port = FIRST_PORT + secrets.randbelow(_first_ephemeral_port() - FIRST_PORT)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _first_ephemeral_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return USUAL_EPHEMERAL
    return max(first, FIRST_PORT + 1000)  # where the range leaves no room, there is nothing better
