"""What ``--help`` shows beside a command's description: its line in the list of its group, and examples.

Not imported otherwise.
"""

from __future__ import annotations

import inspect
from typing import Final

import click

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "deploy": (
        "p2pavs deploy --out deployment.json --rpc http://127.0.0.1:8545 --key-file deployer.key",
        "p2pavs deploy --out deployment.json --config deploy.toml --keys keys --owner 0x...",
    ),
    "gateway status": ("p2pavs gateway status",),
    "gateway pause": ("p2pavs gateway pause --keys owner-keys",),
    "gateway resume": ("p2pavs gateway resume --keys owner-keys",),
    "gateway take-ownership": ("p2pavs gateway take-ownership --keys owner-keys",),
    "timelock status": ("p2pavs timelock status",),
    "timelock upgrade": ("p2pavs timelock upgrade TaskGateway --keys proposer-keys",),
    "timelock penalty": ("p2pavs timelock penalty absence 5 --keys proposer-keys",),
    "timelock execute": ("p2pavs timelock execute 0x3fa2b7 --keys keys",),
    "timelock cancel": ("p2pavs timelock cancel 0x3fa2b7 --keys proposer-keys",),
    "operator claim": (
        "p2pavs operator claim --keys keys --key-file other.key    # while the node runs",
        "p2pavs operator claim --keys keys --withdraw              # while it is stopped",
    ),
    "operator register": ("p2pavs operator register --keys keys --stake 32",),
    "operator stake": ("p2pavs operator stake --keys keys --amount 8",),
    "operator status": ("p2pavs operator status --keys keys", "p2pavs operator status --all --json"),
    "operator rotate-key": ("p2pavs operator rotate-key --keys keys",),
    "operator change-peer-id": ("p2pavs operator change-peer-id --keys keys",),
    "operator exit": ("p2pavs operator exit --keys keys",),
    "operator withdraw": ("p2pavs operator withdraw --keys keys",),
    "epoch status": ("p2pavs epoch status", "p2pavs epoch status 3"),
    "epoch freeze": ("p2pavs epoch freeze --key-file other.key",),
    "epoch open": ("p2pavs epoch open --keys keys",),
    "epoch advance": ("p2pavs epoch advance --key-file other.key",),
    "model verify": ("p2pavs model verify my-model",),
    "model remove": ("p2pavs model remove my-model",),
    "model publish": ("p2pavs model publish my-model --keys keys",),
    "model royalties": ("p2pavs model royalties --keys keys --withdraw",),
    "model register": (
        "p2pavs model register --file demo --keys keys",
        "p2pavs model register --file my-model --price-per-task 0.002 --royalty 5 --keys keys",
    ),
    "model list": ("p2pavs model list", "p2pavs model list --local"),
    "status": ("p2pavs status", "p2pavs status --node http://127.0.0.1:4002 --json"),
    "task show": ("p2pavs task show 12",),
    "task refund": ("p2pavs task refund 12 --keys keys",),
    "certificate export": ("p2pavs certificate export 12 --out certificate.json",),
    "certificate verify": (
        "p2pavs certificate verify 12                  # against the chain",
        "p2pavs certificate verify certificate.json    # without a chain",
    ),
    "evidence list": ("p2pavs evidence list --node http://127.0.0.1:4002",),
    "evidence submit": ("p2pavs evidence submit --node http://127.0.0.1:4002 --keys keys",),
    "evidence veto": ("p2pavs evidence veto 3 --keys guardian-keys",),
    "account fund": ("p2pavs account fund --to 0x... --amount 0.5 --key-file rich.key",),
    "account balance": ("p2pavs account balance --keys keys",),
    "openai check": ("p2pavs openai check openai.toml",),
    "doctor": ("p2pavs doctor",),
    "sim": (
        "p2pavs sim --nodes 100 --tasks 20",
        "p2pavs sim --nodes 100 --byzantine 0.3 --adversary equivocate --seeds 0:50",
    ),
    "bench": ("p2pavs bench --list", "p2pavs bench engine --quick"),
}
"""By the command's path, of commands whose description has none."""

SUMMARIES: Final[dict[str, str]] = {
    "keys new": "Make an operator's keys.",
    "keys show": "Show the public part of a key directory.",
    "keys backup": "Write all keys, encrypted, to one file.",
    "keys restore": "Make a key directory out of a backup.",
    "keys import": "Make a key directory out of other programs' key files.",
    "keys protection": "Take along what was signed when keys move.",
    "gateway take-ownership": "Take what the deploying account offered.",
    "timelock execute": "Execute a proposal whose delay is over.",
    "operator register": "Register the operator of a key directory.",
    "operator status": "Show an operator, or all.",
    "operator claim": "Claim an operator's rewards.",
    "operator rotate-key": "Replace the consensus key.",
    "operator exit": "Leave, and ask the stake back.",
    "operator withdraw": "Take out stake asked back, rewards, bounties.",
    "epoch status": "Show the current epoch, or another one.",
    "epoch freeze": "Fix the operators of the next epoch.",
    "epoch advance": "Freeze the next epoch, and wait until it is open.",
    "model add": "Take a GGUF file into this machine's models.",
    "model list": "List the registered models, or those of this machine.",
    "model verify": "Check a model's bytes and golden vectors.",
    "model publish": "Put a registered model's manifest on the chain.",
    "model register": "Register a model with its runtime and price.",
    "signer link": "Make a key directory for a node that asks a signer.",
    "task refund": "Give the requester of an expired task its fee back.",
    "certificate checkpoint": "Write what it takes to verify an epoch's certificates.",
    "certificate export": "Write a task's certificate to a file.",
    "certificate verify": "Verify a task's certificate, or a certificate file.",
    "evidence list": "List evidence, cases and what was punished.",
    "evidence submit": "Report what nodes hold, and execute cases.",
    "config check": "Check the configuration, and where each setting is from.",
    "openai check": "Check an endpoint's configuration.",
    "openai new-key": "Make an API key.",
}
"""By the command's path, where its first sentence is too long for 80 columns."""


def attach(command: click.Command, *path: str) -> None:
    """Give a command, and those below it, their lines, their examples, and short words for their values."""
    name = " ".join(path)
    command.short_help = SUMMARIES.get(name, command.short_help)
    if isinstance(command, click.Group):
        for inner_name, inner in command.commands.items():
            attach(inner, *path, inner_name)
        return
    for param in command.params:
        if isinstance(param, click.Option) and param.metavar is None:
            param.metavar = _word(param)
    lines = EXAMPLES.get(name, ())
    if lines and "Example" not in (command.help or ""):
        heading = "Examples" if len(lines) > 1 else "Example"
        shown = f"\b\n{heading}:\n" + "\n".join(f"  {line}" for line in lines)
        command.help = f"{inspect.cleandoc(command.help or '')}\n\n{shown}"


def _word(option: click.Option) -> str | None:
    """What stands for a value where click's own word is long: RANGE is shown anyway, functions have names."""
    match option.type:
        case click.IntRange() if not option.count:
            return "INTEGER"
        case click.FloatRange():
            return "NUMBER"
        case click.types.FuncParamType():
            return option.type.func.__name__.rsplit("_", 1)[-1].upper()
    return None
