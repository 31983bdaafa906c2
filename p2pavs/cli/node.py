"""``p2pavs node``: run an operator's node in the foreground."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pavs.cli import common
from p2pavs.cli.model_files import served_files, store_option
from p2pavs.cli.options import NumberRange, json_option, with_chain, with_keys
from p2pavs.cli.sources import ChainOptions, KeyOptions

if TYPE_CHECKING:
    import trio
    from trio_typing import TaskStatus

    from p2pavs.node_config import NodeConfig, Parts
    from p2pavs.openai_api.endpoint import Endpoint


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="The node's own directory: what it signed, its log, its peers. Never share it, never lose it.",
)
@click.option(
    "--listen",
    default="/ip4/0.0.0.0/tcp/4001",
    show_default=True,
    help="Where peers connect; port 0 picks one.",
)
@click.option("--announce", multiple=True, help="Address that peers outside should use, where it differs.")
@click.option("--bootstrap", multiple=True, help="Address of any running node, with /p2p/PEER. Repeatable.")
@click.option("--mdns", is_flag=True, help="Find nodes of the same network segment without an address.")
@click.option("--api", default="127.0.0.1:4002", show_default=True, help="HOST:PORT of the local HTTP API.")
@click.option(
    "--model",
    "served",
    multiple=True,
    help="Model to serve: a name or hash of 'p2pavs model list --local', or a GGUF file with its manifest "
    "beside it (default: the demo model). Repeatable.",
)
@store_option
@click.option(
    "--model-directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve every GGUF in it, with its manifest beside it; also those that are put there later.",
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256), help="Threads a model.")
@click.option(
    "--confirmations",
    default=1,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Blocks on top of a task's block before work begins.",
)
@click.option(
    "--poster-delay",
    default=4.0,
    show_default=True,
    type=NumberRange(0.5, 600),
    help="Seconds between the posters' turns.",
)
@click.option(
    "--supplement",
    type=click.Choice(["worth", "always", "never"]),
    default="worth",
    show_default=True,
    help="Add the own precommit to a certificate that lacks it: where the share is more than the gas.",
)
@click.option(
    "--first-chunk",
    default=20.0,
    show_default=True,
    type=NumberRange(1, 3600),
    help="In verify mode: seconds to wait for the first chunk after the own reading of the prompt.",
)
@click.option(
    "--next-chunk",
    default=10.0,
    show_default=True,
    type=NumberRange(1, 3600),
    help="In verify mode: seconds to wait for each further chunk.",
)
@click.option(
    "--keep-tasks",
    default=100_000,
    show_default=True,
    type=click.IntRange(10),
    help="Of so many of the newest tasks certificates and signatures are kept.",
)
@click.option(
    "--bootstrap-timeout",
    default=20.0,
    show_default=True,
    type=NumberRange(1, 3600),
    help="Seconds until one bootstrap address must have answered.",
)
@click.option(
    "--doppelganger-wait",
    default=30.0,
    show_default=True,
    type=NumberRange(0, 3600),
    help="Seconds to listen for another node with these keys before anything is signed.",
)
@click.option(
    "--openai",
    "openai_file",
    type=click.Path(path_type=Path),
    help="Serve OpenAI's HTTP interface as this file says: see docs/operators.md.",
)
@with_chain
@with_keys
@json_option
def node(
    data: Path,
    listen: str,
    announce: tuple[str, ...],
    bootstrap: tuple[str, ...],
    mdns: bool,
    api: str,
    served: tuple[str, ...],
    models: Path | None,
    model_directory: Path | None,
    threads: int,
    confirmations: int,
    poster_delay: float,
    supplement: str,
    first_chunk: float,
    next_chunk: float,
    keep_tasks: int,
    bootstrap_timeout: float,
    doppelganger_wait: float,
    openai_file: Path | None,
    where: ChainOptions,
    who: KeyOptions,
) -> None:
    """Run a node until it is told to stop (Ctrl-C or SIGTERM).

    The first node of a network has no --bootstrap; every other one needs the address of one running node
    and finds the rest by itself. The log goes to standard error, JSON lines unless that is a terminal.

    \b
    Example:
      p2pavs node --keys keys --password-file pw --data data --rpc http://127.0.0.1:8545 \\
        --deployment deployment.json --bootstrap /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...
    """
    from consensus.timeouts import TimeoutConfig
    from inference.model import demo_model
    from p2pavs.node_config import NodeConfig
    from p2pavs.relay import Patience
    from p2pavs.settings import NodeSettings, Supplement

    config = NodeConfig(
        rpc_url=common.required(where.rpc, "--rpc", "P2PAVS_RPC"),
        deployment=where.load_deployment(),
        identity=who.identity(),
        pending=who.pending(),
        data=data,
        listen=listen,
        api=api,
        settings=NodeSettings(
            TimeoutConfig(),
            confirmations=confirmations,
            poster_delay=poster_delay,
            supplement=Supplement(supplement),
            patience=Patience(first_chunk, next_chunk),
            keep_tasks=keep_tasks,
            doppelganger_wait=doppelganger_wait,
        ),
        models=served_files(served, models) or (() if model_directory else (demo_model(),)),
        model_directory=model_directory,
        bootstrap=bootstrap,
        announce=announce,
        mdns=mdns,
        threads=threads,
        openai=None if openai_file is None else _endpoint(openai_file),
    )
    run_node(config, bootstrap_timeout)


def _endpoint(path: Path) -> Endpoint:
    from p2pavs.openai_api.config import EndpointConfig
    from p2pavs.openai_api.endpoint import Endpoint
    from p2pavs.payer import Payer

    config = EndpointConfig.load(path)
    return Endpoint(config, Payer.from_keys(config.keys, common.read_password(config.password_file)))


def run_node(config: NodeConfig, bootstrap_timeout: float, parts: Parts | None = None) -> None:
    """Run a node from a checked configuration until a signal comes."""
    import structlog
    import trio

    from p2pavs.errors import P2pavsError, only_error
    from p2pavs.log import configure
    from p2pavs.node import Node, write_node_file

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(stop_on_signal, nursery.cancel_scope)
            async with Node.open(config, parts) as node:
                await node.run(
                    bootstrap_timeout=bootstrap_timeout, ready=lambda url: write_node_file(node, url)
                )

    os.umask(0o077)  # what the node writes holds signatures and secrets of running tasks
    configure()
    try:
        trio.run(main)
    except P2pavsError:
        raise
    except Exception as error:
        if not isinstance(error, BaseExceptionGroup) or only_error(error, P2pavsError) is None:
            # Nobody sees again what ended a node after weeks: the log must have it the first time.
            structlog.get_logger().critical("node_failed", exc_info=True)
        raise


async def stop_on_signal(scope: trio.CancelScope, task_status: TaskStatus[None]) -> None:
    """Cancel a scope on Ctrl-C or SIGTERM."""
    import structlog
    import trio

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for received in signals:
            structlog.get_logger().info("stopping", signal=signal.Signals(received).name)
            scope.cancel()
            return
