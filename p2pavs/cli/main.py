"""The root command. Commands are loaded when they are called: ``p2pavs --help`` imports none of them."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, Final, NoReturn

import click

from p2pavs import __version__
from p2pavs.errors import P2pavsError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "keys": ("p2pavs.cli.keys:keys", "Make and show an operator's keys."),
    "deploy": ("p2pavs.cli.deploy:deploy", "Put the contracts on a chain."),
    "gateway": ("p2pavs.cli.gateway:gateway", "Pause requests, and allow them again."),
    "timelock": ("p2pavs.cli.timelock:timelock", "Upgrade contracts and set penalties, with a delay."),
    "operator": ("p2pavs.cli.operator:operator", "Register, stake, claim rewards and leave."),
    "epoch": ("p2pavs.cli.epoch:epoch", "See and begin epochs."),
    "model": ("p2pavs.cli.model:model", "Register and list models."),
    "node": ("p2pavs.cli.node:node", "Run an operator's node."),
    "signer": ("p2pavs.cli.signer:signer", "Hold an operator's keys on another machine."),
    "status": ("p2pavs.cli.status:status", "See who is up, and what they do."),
    "request": ("p2pavs.cli.request:request", "Pay for an inference and watch it."),
    "task": ("p2pavs.cli.task:task", "See a task, take a refund."),
    "certificate": ("p2pavs.cli.certificate:certificate", "Export and verify certificates."),
    "evidence": ("p2pavs.cli.evidence:evidence", "See and report offences of operators."),
    "doctor": ("p2pavs.cli.doctor:doctor", "Check the machine, the keys, the chain and the network."),
    "backup": ("p2pavs.cli.backup:backup", "Copy what a node must not lose, while it runs."),
    "restore": (
        "p2pavs.cli.backup:restore",
        "Make a data directory from a backup.",
    ),
    "account": ("p2pavs.cli.account:account", "Balances and payments."),
    "openai": ("p2pavs.cli.openai:openai", "API keys for a node's OpenAI endpoint."),
    "sim": ("p2pavs.cli.sim:sim", "Simulate many nodes, bad ones among them."),
    "bench": ("p2pavs.cli.bench:bench", "Measure this machine, the protocol and a test network."),
}
"""Name, where the command is (module:attribute), and the line that ``--help`` shows."""

JSON_WANTED = "p2pavs.json"
"""Set in a click context's ``meta`` once ``--json`` was seen."""


def fail(error: P2pavsError, ctx: click.Context) -> NoReturn:
    """Print an error (a sentence, a remedy) to stderr and end with its exit status."""
    if ctx.meta.get(JSON_WANTED):
        content = {
            "error": type(error).__name__,
            "exitCode": int(error.exit_code),
            "message": error.message,
            "remedy": error.remedy,
        }
        click.echo(json.dumps(content), err=True)
    else:
        click.echo(f"{click.style('Error:', fg='red')} {error.message}", err=True)
        if error.remedy:
            click.echo(f"  {error.remedy}", err=True)
    raise click.exceptions.Exit(int(error.exit_code))


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names in the order of ``COMMANDS``."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run; our errors become messages."""
        try:
            return super().invoke(ctx)
        except P2pavsError as error:
            fail(error, ctx)
        except BaseExceptionGroup as group:
            ours = _only_ours(group)
            if ours is None:
                raise
            fail(ours, ctx)


def _only_ours(group: BaseExceptionGroup[BaseException]) -> P2pavsError | None:
    """Return the first of our errors in a group that holds nothing else (trio wraps what tasks raise)."""
    ours, others = group.split(P2pavsError)
    if ours is None or others is not None:
        return None
    found: BaseException = ours
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, P2pavsError) else None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="p2pavs")
def root() -> None:
    """Run AI inference that contracts can trust.

    Options can also come from the environment ($P2PAVS_RPC, $P2PAVS_DEPLOYMENT, $P2PAVS_KEYS,
    $P2PAVS_PASSWORD_FILE) or from a TOML file that $P2PAVS_CONFIG names.
    """
    _quiet_logs()


def _quiet_logs() -> None:
    """Keep stdout for results: what the parts log goes to stderr, and only from warnings on."""
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def run() -> None:
    """Run the command line; never shows a traceback unless $P2PAVS_TRACEBACK is set."""
    try:
        root(prog_name="p2pavs")
    except Exception as error:
        if os.environ.get("P2PAVS_TRACEBACK"):
            raise
        click.echo(f"Error: something unexpected went wrong: {type(error).__name__}: {error}", err=True)
        click.echo("  Run it again with P2PAVS_TRACEBACK=1 set and report what it prints.", err=True)
        sys.exit(1)
