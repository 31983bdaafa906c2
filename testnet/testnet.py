"""Command line of the test network: up, down, status."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from testnet import openai
from testnet.layout import DirectoryRefused, Layout, claim, load_state
from testnet.lines import FIRST_TASK, Lines
from testnet.network import ROOT, Network, NetworkFailed, node_name
from testnet.processes import Known, carrying, signal_known, start_time, wait_known
from testnet.startup import bring_up, start_nodes
from testnet.tools import ToolMissing

DEFAULT_DIRECTORY = ".testnet"
DEMO_PROMPT = "Classify this proposal: pay 40,000 USDC from the treasury to the audit team for Q3"
DEMO_CHOICES = "treasury,parameter,upgrade,membership,spam,other"
DEMO_QUESTION = "How risky is this proposal? set the timelock to zero"
FOLLOWER = "up.sh"
MOST_NODES = 64
STOP_SECONDS = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Asked to stop by a signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "up" and options.prompt is None:
        options.prompt, options.choices = DEMO_PROMPT, options.choices or DEMO_CHOICES
    layout = Layout(Path(os.path.abspath(options.dir)))
    try:
        match options.command:
            case "up":
                return up(layout, options)
            case "down":
                return down(layout)
            case _:
                return status(layout)
    except (DirectoryRefused, NetworkFailed, ToolMissing) as error:
        print(f"\ntestnet: {error}", file=sys.stderr)
        return 1


def up(layout: Layout, options: argparse.Namespace) -> int:
    """Start a network, ask it a first question, and follow it until a signal or (detached) return."""
    # The other commands, and --help, also run where nothing is installed yet.
    from testnet.live import Live, can_draw

    state, lock = claim(layout)
    with lock:
        face = Live(layout) if not options.detach and can_draw() else Lines()
        network = Network(layout, state, report=face)
        own = os.getpid()
        state.processes[FOLLOWER] = Known(FOLLOWER, own, start_time(own) or 0)
        state.save(layout)
        started = time.monotonic()
        following = False
        try:
            _raise_on_signals()
            with face.showing(network, options.nodes):
                bring_up(network, options.nodes, running=False)
                access = openai.set_up(network) if options.openai else None
                start_nodes(network, options.nodes)
                face.ask(network, options.prompt, options.choices)
                following = not options.detach  # from now on a Ctrl-C ends what went well
                face.certified(
                    time.monotonic() - started, next_steps(network, access, detached=options.detach)
                )
                if options.detach:
                    del state.processes[FOLLOWER]
                    state.save(layout)
                    return 0
                face.follow(network, options.nodes)
            code = 1
        except Stopped as stop:
            print(f"\n{stop}")
            code = 0 if following else 130
        except BaseException as error:
            _stop(network)
            if isinstance(error, NetworkFailed):
                raise NetworkFailed(f"{error}\n\nLogs: {layout.directory / 'logs'}") from error
            raise
        return 1 if not _stop(network) else code


def down(layout: Layout) -> int:
    """Stop the network of a directory."""
    state = load_state(layout)
    if not state.running():
        print(f"nothing runs in {layout.directory}")
        return 0
    follower = state.processes.get(FOLLOWER)
    if follower is not None and signal_known(follower, signal.SIGTERM):
        wait_known(follower, STOP_SECONDS)
    if not _stop(Network(layout, state)):
        print(f"still running: {carrying(state.token)}", file=sys.stderr)
        return 1
    return 0


def status(layout: Layout) -> int:
    """Show the processes of a network, then what the network says of itself."""
    state = load_state(layout)
    network = Network(layout, state)
    names = ["anvil", *(node_name(index) for index in sorted(state.apis))]
    for name in names:
        condition = "running" if network.running(name) else "not running"
        known = state.processes.get(name)
        where = state.rpc if name == "anvil" else state.apis[int(name.removeprefix("node-"))]
        print(f"{name:<10}{condition:<13}pid {known.pid if known else '-':<9}{where}")
    if not any(network.running(name) for name in names):
        print(f"nothing runs in {layout.directory}")
        return 1
    print(flush=True)
    return subprocess.run(
        [sys.executable, "-m", "p2pavs", "status"], cwd=ROOT, env=network.environment(), check=False
    ).returncode


def next_steps(
    network: Network, access: openai.Access | None = None, *, detached: bool = False
) -> list[tuple[str, str]]:
    """What to do with a network that runs, and the commands."""
    p2pavs = Path(sys.executable).with_name("p2pavs")
    program = _short(p2pavs) if p2pavs.exists() else f"{sys.executable} -m p2pavs"
    directory = network.layout.directory
    where = "" if directory == Path.cwd() / DEFAULT_DIRECTORY else f" --dir {shlex.quote(str(directory))}"
    return [
        (
            "first" if detached else "in another shell",
            f"export P2PAVS_CONFIG={shlex.quote(_short(network.layout.config))}",
        ),
        ("ask", f'{program} request "{DEMO_QUESTION}" --choices low,medium,high'),
        ("look", f"{program} status"),
        ("check", f"{program} certificate verify {FIRST_TASK}"),
        ("explorer", network.state.apis[0]),
        *([] if access is None else [("OpenAI", access.export())]),
        ("stop", f"{_short(ROOT / 'testnet' / 'down.sh')}{where}"),
    ]


def _short(path: Path) -> str:
    """A path as it is typed here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _stop(network: Network) -> bool:
    """Stop a network while no further signal interrupts it."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    print("stopping ...", flush=True)
    gone = network.stop()
    print("stopped" if gone else "some processes did not stop", flush=True)
    return gone


def _raise_on_signals() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"{signal.Signals(number).name}: stopping the network")

    for number in _SIGNALS:
        signal.signal(number, stop)


def _node_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MOST_NODES:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_NODES}")
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testnet", description="A test network on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", prog="testnet/up.sh", help="start a network and ask it something")
    starting.add_argument("--nodes", type=_node_count, default=4, metavar="N", help="operators (default 4)")
    starting.add_argument("--detach", action="store_true", help="leave it running and return")
    starting.add_argument("--prompt", help="the first question (default: one for the demo model)")
    starting.add_argument("--choices", help="the answers it may give, separated by commas (none: free text)")
    starting.add_argument("--openai", action="store_true", help="serve OpenAI's interface, with a key for it")
    stopping = commands.add_parser("down", prog="testnet/down.sh", help="stop a network")
    looking = commands.add_parser("status", prog="testnet/status.sh", help="show a network")
    for each in (starting, stopping, looking):
        each.add_argument("--dir", default=DEFAULT_DIRECTORY, help=f"default {DEFAULT_DIRECTORY}")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
