"""The OpenAI endpoint of a test network: node 0 serves it, an account of its own pays."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from testnet.network import Network, free_port, write_secret

KEY_NAME = "testnet"
ETHER_PER_DAY = "10"


@dataclass(frozen=True, slots=True)
class Access:
    """How a program reaches the endpoint."""

    url: str
    key: str

    def export(self) -> str:
        """The variables that OpenAI's packages read."""
        return f"export OPENAI_BASE_URL={self.url} OPENAI_API_KEY={shlex.quote(self.key)}"


def set_up(network: Network) -> Access:
    """Make the account, an API key and the configuration for node 0, which must not be started yet."""
    layout = network.layout
    network.fund([network.new_keys(layout.payer)])
    said = network.command(
        "openai", "new-key", KEY_NAME, "--ether-per-day", ETHER_PER_DAY, "--json", secret=True
    )
    entry = json.loads(said)
    key = str(entry.pop("key"))
    listen = f"127.0.0.1:{free_port()}"
    lines = [
        f"listen = {json.dumps(listen)}",
        f"keys = {json.dumps(str(network.keys(layout.payer)))}",
        f"password_file = {json.dumps(str(network.password(layout.payer)))}",
        "[[key]]",
        *(f"{name} = {json.dumps(value)}" for name, value in entry.items()),
    ]
    write_secret(layout.openai, "\n".join(lines))
    network.options = {**network.options, 0: [*network.options.get(0, ()), "--openai", str(layout.openai)]}
    return Access(f"http://{listen}/v1", key)
