"""The root command. Commands are loaded when they are called: ``p2pavs --help`` imports none of them."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
from typing import Any, Final, NoReturn

import click
from click.shell_completion import CompletionItem

from p2pavs import __version__
from p2pavs.errors import P2pavsError, only_error
from p2pavs.exit_codes import MEANING, ExitCode

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "keys": ("p2pavs.cli.keys:keys", "Make, back up, move and protect an operator's keys."),
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
    "config": ("p2pavs.cli.config:config_group", "See and check the configuration."),
    "init": ("p2pavs.cli.init:init", "Write a configuration file, asking a few questions."),
    "completion": ("p2pavs.cli.completion:completion", "Make your shell complete commands and options."),
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
        _echo_json(type(error).__name__, error.exit_code, error.message, error.remedy)
    else:
        _echo_error(error.message, error.remedy)
    raise click.exceptions.Exit(int(error.exit_code))


def _echo_error(message: str, remedy: str) -> None:
    click.echo(f"{click.style('Error:', fg='red')} {message}", err=True)
    if remedy:
        click.echo(f"  {remedy}", err=True)


def _echo_json(kind: str, status: int, message: str, remedy: str) -> None:
    content = {"error": kind, "exitCode": int(status), "message": message, "remedy": remedy}
    click.echo(json.dumps(content), err=True)


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
        from p2pavs.cli import environment, help_page

        help_page.attach(command, cmd_name)
        environment.attach(command, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names without loading the commands: this runs at each press of the tab key."""
        found = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what exit statuses mean."""
        with formatter.section("Exit statuses"):
            formatter.write_dl([(str(int(code)), text) for code, text in MEANING.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run; our errors become messages."""
        try:
            return super().invoke(ctx)
        except P2pavsError as error:
            fail(error, ctx)
        except BaseExceptionGroup as group:
            ours = only_error(group, P2pavsError)
            if ours is None:
                raise
            fail(ours, ctx)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "P2PAVS"},
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(),
    metavar="FILE",
    envvar="P2PAVS_CONFIG",
    show_envvar=True,
    help="TOML file with settings: p2pavs init writes one.",
)
@click.version_option(__version__, prog_name="p2pavs")
@click.pass_context
def root(ctx: click.Context, config_file: str | None) -> None:
    """Run AI inference that contracts can trust.

    Options come from the command line, else from the environment ($P2PAVS_RPC, $P2PAVS_NODE_LISTEN), else
    from the configuration file. Every command takes --json; $NO_COLOR takes the colours away.

    \b
    Examples:
      p2pavs init                                   write a configuration
      p2pavs keys new --keys keys                   make an operator's keys
      p2pavs node --data data                       run a node
      p2pavs request "pay 5 ETH?" --choices yes,no  ask the network
    """
    if config_file and config_file != os.environ.get("P2PAVS_CONFIG"):
        _use_config(ctx, config_file)
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if ctx.invoked_subcommand in ("node", "doctor", "backup"):  # they share the names of their options
        from p2pavs.cli import node_table, settings
        from p2pavs.cli.node import node

        ctx.default_map = {ctx.invoked_subcommand: node_table.default_map(settings.config(), node)}
    from p2pavs.log import quiet

    quiet()


def _use_config(ctx: click.Context, file: str) -> None:
    """Let ``settings.config`` read this file, for as long as the command runs."""
    from p2pavs.cli import settings

    before = os.environ.get(settings.VARIABLE)

    def restore() -> None:
        settings.config.cache_clear()
        os.environ.pop(settings.VARIABLE, None)
        if before is not None:
            os.environ[settings.VARIABLE] = before

    ctx.call_on_close(restore)
    settings.config.cache_clear()
    os.environ[settings.VARIABLE] = file


def run() -> None:
    """Run the command line; never shows a traceback unless $P2PAVS_TRACEBACK is set."""
    # What click refuses, it refuses before options are read.
    as_json = "--json" in itertools.takewhile(lambda word: word != "--", sys.argv[1:])
    try:
        status = root(prog_name="p2pavs", standalone_mode=False)
    except click.exceptions.Abort:
        if as_json:
            _echo_json("Abort", ExitCode.INTERRUPTED, "Stopped.", "")
        else:
            click.echo("Stopped.", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        if as_json:
            ctx = getattr(error, "ctx", None)
            remedy = f"See {ctx.command_path} --help." if ctx is not None else ""
            _echo_json("UsageError", error.exit_code, error.format_message(), remedy)
        else:
            error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("P2PAVS_TRACEBACK"):
            raise
        message = f"something unexpected went wrong: {type(error).__name__}: {error}"
        remedy = "Run it again with P2PAVS_TRACEBACK=1 set and report what it prints."
        if as_json:
            _echo_json(type(error).__name__, ExitCode.FAILURE, message, remedy)
        else:
            _echo_error(message, remedy)
        sys.exit(ExitCode.FAILURE)
    sys.exit(status if isinstance(status, int) else ExitCode.OK)
