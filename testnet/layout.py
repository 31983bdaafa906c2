"""The directory of a test network: what lies where, whose it is, and what runs out of it."""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from testnet.processes import Known, alive, carrying

MARKER = "p2pavs-testnet.json"
_VERSION = 1
_OURS = (
    "logs",
    "deployer",
    "operators",
    "requester",
    "payer",
    "openai.toml",
    "nodes",
    "p2pavs.toml",
    "deployment.json",
    "anvil.json",
)


class DirectoryRefused(Exception):
    """A directory cannot be used for a test network; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of the files of one test network. The directory is absolute."""

    directory: Path

    @property
    def marker(self) -> Path:
        return self.directory / MARKER

    @property
    def config(self) -> Path:
        return self.directory / "p2pavs.toml"

    @property
    def deployment(self) -> Path:
        return self.directory / "deployment.json"

    @property
    def deployer_key(self) -> Path:
        return self.directory / "deployer" / "key"

    @property
    def chain_accounts(self) -> Path:
        return self.directory / "anvil.json"

    @property
    def requester(self) -> Path:
        return self.directory / "requester"

    @property
    def payer(self) -> Path:
        """Directory of the account that pays for the OpenAI endpoint."""
        return self.directory / "payer"

    @property
    def openai(self) -> Path:
        """Configuration of the OpenAI endpoint."""
        return self.directory / "openai.toml"

    def operator(self, index: int) -> Path:
        """Directory of one operator: its keys and its password file."""
        return self.directory / "operators" / str(index)

    def data(self, index: int) -> Path:
        """Data directory of one node."""
        return self.directory / "nodes" / str(index)

    def log(self, name: str) -> Path:
        """Log of one process, or of the commands that set up the network."""
        return self.directory / "logs" / f"{name}.log"


@dataclass(slots=True)
class State:
    """What is known of the processes of a network, in its marker file."""

    token: str
    rpc: str = ""
    apis: dict[int, str] = field(default_factory=dict)
    processes: dict[str, Known] = field(default_factory=dict)

    def save(self, layout: Layout) -> None:
        """Replace the marker in one step, so that it can be read at any moment."""
        draft = layout.marker.with_suffix(".new")
        document = {
            "version": _VERSION,
            "token": self.token,
            "rpc": self.rpc,
            "apis": {str(index): url for index, url in self.apis.items()},
            "processes": [
                {"name": known.name, "pid": known.pid, "started": known.started}
                for known in self.processes.values()
            ],
        }
        draft.write_text(json.dumps(document, indent=2) + "\n")
        draft.chmod(0o600)
        draft.replace(layout.marker)

    def running(self) -> bool:
        """Whether anything of this network runs, the command that follows it included."""
        return any(alive(known) for known in self.processes.values()) or bool(carrying(self.token))


def write_whole(path: Path, text: str) -> None:
    """Write or replace a file in one step: who reads it at any moment finds the old text or the new one."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


def load_state(layout: Layout) -> State:
    """The state of the network in a directory. Raises DirectoryRefused if there is none."""
    try:
        document = json.loads(layout.marker.read_text())
        return _parse(document)
    except FileNotFoundError:
        raise DirectoryRefused(
            f"{layout.directory} holds no test network. Start one: testnet/up.sh"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DirectoryRefused(
            f"{layout.marker} cannot be read as a test network's state: {error}"
        ) from error


def _parse(document: Mapping[str, object]) -> State:
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']} is not {_VERSION}")
    token, rpc, apis, processes = (document[name] for name in ("token", "rpc", "apis", "processes"))
    if not (isinstance(token, str) and isinstance(rpc, str)):
        raise TypeError("token and rpc must be text")
    if not (isinstance(apis, dict) and isinstance(processes, list)):
        raise TypeError("apis and processes are of the wrong type")
    if len(token) < 32:
        raise ValueError("the token is too short")
    known = [Known(str(each["name"]), int(each["pid"]), int(each["started"])) for each in processes]
    return State(
        token, rpc, {int(index): str(url) for index, url in apis.items()}, {each.name: each for each in known}
    )


def claim(layout: Layout) -> tuple[State, IO[str]]:
    """Make a directory ready for a new network: create it, or clean the remains of a stopped one.

    Returns the state and the lock, held as long as the file is open. Only a directory with our marker is ever
    cleaned, and of it only what a network puts there. Raises DirectoryRefused.
    """
    directory = layout.directory
    if directory.exists() and not directory.is_dir():
        raise DirectoryRefused(f"{directory} is not a directory. Choose another: --dir DIR")
    if directory.is_dir() and any(directory.iterdir()) and not layout.marker.exists():
        raise DirectoryRefused(
            f"{directory} holds something else than a test network, so it is left alone.\n"
            f"Choose another directory: --dir DIR"
        )
    directory.mkdir(parents=True, exist_ok=True)
    if not layout.marker.exists():
        State(secrets.token_hex(16)).save(layout)
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        running = load_state(layout).running()
    except BlockingIOError:
        running = True
    except BaseException:
        lock.close()
        raise
    if running:
        lock.close()
        raise _running(layout)
    for name in _OURS:
        remains = directory / name
        if remains.is_dir() and not remains.is_symlink():
            shutil.rmtree(remains)
        else:
            remains.unlink(missing_ok=True)
    state = State(secrets.token_hex(16))
    state.save(layout)
    (directory / "logs").mkdir()
    return state, lock


def _running(layout: Layout) -> DirectoryRefused:
    return DirectoryRefused(
        f"a test network is running in {layout.directory}.\n"
        f"Stop it:        testnet/down.sh --dir {layout.directory}\n"
        f"Look at it:     testnet/status.sh --dir {layout.directory}\n"
        f"Start another:  testnet/up.sh --dir OTHER"
    )
