"""``p2pavs sim``: what the protocol does with many nodes, bad ones among them, in virtual time."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from p2pavs.cli.options import NumberRange, json_option
from p2pavs.cli.output import show, wants_json
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.exit_codes import ExitCode

if TYPE_CHECKING:
    from p2pavs.sim.campaign import Plan
    from p2pavs.sim.report import Summary
    from p2pavs.sim.trace import Trace

MAX_SEEDS = 1_000_000


class InvariantBroken(P2pavsError):
    """A simulated run broke an invariant."""

    exit_code = ExitCode.CHECK_FAILED


@click.command()
@click.option("--nodes", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="Operators.")
@click.option("--committee", type=click.IntRange(0, 256), default=0, show_default=True,
              help="Seats drawn per task; 0 is everybody (at most 256 nodes).")  # fmt: skip
@click.option("--stake", default="equal", show_default=True, metavar="equal|zipf|FILE",
              help="How stake is spread; a CSV file, a stake per line, says how many nodes.")  # fmt: skip
@click.option("--byzantine", type=NumberRange(0, 1), default=0.0, show_default=True,
              help="Share of the stake that misbehaves.")  # fmt: skip
@click.option("--adversary", default="equivocate", show_default=True, metavar="NAME[,NAME...]",
              help="How: absent, equivocate, withhold, deny, repeat, spam, split_proposal, lazy, "
              "wrong_output, twins. Of several, each bad operator takes one.")  # fmt: skip
@click.option("--crash", type=click.IntRange(0), default=0, show_default=True,
              help="Honest members of each committee that are down.")  # fmt: skip
@click.option("--tasks", type=click.IntRange(1, 1_000_000), default=10, show_default=True)
@click.option("--only", type=click.IntRange(0), help="Run this one of the tasks alone.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--seeds", metavar="A:B", help="Run all tasks for each seed from A up to, not including, B.")
@click.option("--loss", type=NumberRange(0, 0.99), default=0.0, show_default=True,
              help="Share of messages that are lost.")  # fmt: skip
@click.option("--latency", default="lognormal:60", show_default=True, metavar="MODEL",
              help="constant:MS, uniform:LOW:HIGH, lognormal:MEDIAN[:SIGMA], regions[:JITTER].")  # fmt: skip
@click.option("--gst", type=click.IntRange(0), metavar="MS",
              help="From this virtual time on the network loses nothing.")  # fmt: skip
@click.option("--compute", type=click.IntRange(0), default=1000, show_default=True, metavar="MS",
              help="Own results are ready within this virtual time.")  # fmt: skip
@click.option("--output-bytes", type=click.IntRange(32, 8192), default=256, show_default=True,
              help="Length of an answer.")  # fmt: skip
@click.option("--real-signatures", is_flag=True, help="Use BLS instead of fast fake signatures.")
@click.option(
    "--trace", type=click.Path(path_type=Path), help="Write every input and effect here, as JSON lines."
)
@json_option
def sim(**given: Any) -> None:
    """Simulate tasks on committees of many nodes: the consensus core of the node, in virtual time.

    Everything but clock, disk, network and signatures is the code that nodes run, and safety is checked after
    every step. The same options and seed give the same run; a run that breaks an invariant exits with 8 and
    prints the command that replays it.
    """
    from p2pavs.sim.report import Summary
    from p2pavs.sim.trace import Trace

    summary = Summary()
    began = time.monotonic()
    seeds = _seeds(given["seeds"], given["seed"])
    broken: list[tuple[int, int, str]] = []
    with contextlib.ExitStack() as stack:
        trace = None
        if given["trace"] is not None:
            trace = Trace(stack.enter_context(_writable(given["trace"])))
        for seed in seeds:
            _run(_plan(given, seed), trace, summary, broken, len(seeds))
    seconds = time.monotonic() - began
    _show(given, summary, seconds)
    if broken:
        seed, task, what = broken[0]
        raise InvariantBroken(
            f"{len(broken)} of {len(summary.reports)} runs broke an invariant; the first: {what[:500]}",
            f"Replay it with: {_replay(given, seed, task)}",
        )


def _run(
    plan: Plan, trace: Trace | None, summary: Summary, broken: list[tuple[int, int, str]], seeds: int
) -> None:
    from p2pavs.sim.campaign import run

    for done, report in enumerate(run(plan, trace), start=1):
        summary.add(report)
        if report.violation is not None:
            broken.append((plan.seed, report.task, report.violation))
        if sys.stderr.isatty() and not wants_json():
            total = len(plan.tasks)
            of = f"seed {plan.seed}, " if seeds > 1 else ""
            click.echo(f"\r{of}task {done} of {total}, {len(broken)} violations ", nl=False, err=True)
    if sys.stderr.isatty() and not wants_json():
        click.echo("\r" + " " * 60 + "\r", nl=False, err=True)


def _plan(given: dict[str, Any], seed: int) -> Plan:
    from p2pavs.sim.campaign import Plan
    from p2pavs.sim.network import LatencyError, NetworkModel, parse_latency
    from p2pavs.sim.population import Population, equal_stakes, read_stakes, zipf_stakes

    try:
        parse_latency(given["latency"])
    except LatencyError as error:
        raise UsageError(f"{error}.", "Give --latency one of these.") from None
    match given["stake"]:
        case "equal":
            stakes = equal_stakes(given["nodes"])
        case "zipf":
            stakes = zipf_stakes(given["nodes"])
        case file:
            stakes = read_stakes(Path(file))
    kinds = [kind.strip().replace("-", "_") for kind in given["adversary"].split(",")]
    tasks = range(given["tasks"])
    if given["only"] is not None:
        tasks = range(given["only"], given["only"] + 1)
    return Plan(
        population=Population.make(stakes, given["byzantine"], kinds, seed),
        seats=given["committee"],
        tasks=tasks,
        seed=seed,
        network=NetworkModel(latency=given["latency"], loss=given["loss"], stable_ms=given["gst"]),
        crashed=given["crash"],
        ready_ms=given["compute"],
        output_bytes=given["output_bytes"],
        real_signatures=given["real_signatures"],
    )


def _seeds(text: str | None, seed: int) -> range:
    if text is None:
        return range(seed, seed + 1)
    low, _, high = text.partition(":")
    if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit() and len(text) < 40):
        raise UsageError(f"{text!r} is no range of seeds.", "Give --seeds two numbers, such as 0:100.")
    seeds = range(int(low), int(high))
    if not 0 < len(seeds) <= MAX_SEEDS:
        raise UsageError(f"{text!r} holds {len(seeds)} seeds.", f"Between 1 and {MAX_SEEDS}.")
    return seeds


def _writable(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", "Choose another file with --trace."
        ) from None


def _replay(given: dict[str, Any], seed: int, task: int) -> str:
    """Return the command that runs one task again, with a trace."""
    command = ["p2pavs", "sim"]
    for name in (
        "nodes", "committee", "stake", "byzantine", "adversary", "crash", "tasks", "loss", "latency", "gst",
        "compute", "output_bytes",
    ):  # fmt: skip
        if given[name] is not None:
            command += [f"--{name.replace('_', '-')}", str(given[name])]
    if given["real_signatures"]:
        command.append("--real-signatures")
    return shlex.join([*command, "--seed", str(seed), "--only", str(task), "--trace", "trace.jsonl"])


def _show(given: dict[str, Any], summary: Summary, seconds: float) -> None:
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if name != "trace"
    }
    rows = [("", "p50", "p99", "max"), *summary.rows()]
    width = max(len(row[0]) for row in rows)
    lines = []
    for name, *cells in rows:
        shown = "  ".join(f"{cell:>12}" for cell in cells) if cells[1] else f"{cells[0]:>12}"
        lines.append(f"{name:<{width}}  {shown}".rstrip())
    show(
        {"settings": settings, "seconds": round(seconds, 1)} | summary.content(),
        *lines,
        f"{len(summary.reports)} tasks in {seconds:.1f} s",
    )
