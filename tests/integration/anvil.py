"""A private test chain for one test: ``with Anvil.start() as anvil: ... anvil.url``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testnet.network import free_port

ROOT = Path(__file__).parents[2]

# Accounts of anvil's well-known test phrase: they hold 10,000 ETH on every anvil and nothing elsewhere.
DEV_KEYS = (
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
)


def anvil_binary() -> Path:
    """Find anvil: $P2PAVS_ANVIL, the npm package of the test network, or the PATH."""
    named = os.environ.get("P2PAVS_ANVIL")
    candidates = [Path(named)] if named else []
    candidates += sorted((ROOT / "testnet/npm/node_modules/@foundry-rs").glob("anvil-*/bin/anvil"))
    on_path = shutil.which("anvil")
    candidates += [Path(on_path)] if on_path else []
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    pytest.fail("anvil is missing: run testnet/setup.sh, or set P2PAVS_ANVIL to the binary")


@dataclass
class Anvil:
    """A running anvil. After ``kill``, ``launch`` starts it on the same port, with an empty chain."""

    port: int
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @contextmanager
    def start(cls, *arguments: str, port: int | None = None) -> Iterator[Anvil]:
        anvil = cls(port or free_port(), arguments)
        anvil.launch()
        try:
            yield anvil
        finally:
            anvil.kill()

    def launch(self) -> None:
        command = [str(anvil_binary()), "--port", str(self.port), "--silent"]
        command += [] if "--hardfork" in self.arguments else ["--hardfork", "prague"]
        command += self.arguments
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            with suppress(OSError):
                self.rpc("eth_chainId")
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"anvil did not start on port {self.port}")
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def rpc(self, method: str, *params: Any) -> Any:
        """Make a blocking call; for set-up and for anvil's own methods."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))
