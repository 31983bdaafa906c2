"""``p2pavs doctor``: whether a node could work here, and what keeps it from that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from p2pavs.cli import common
from p2pavs.cli.model_files import served_files, store_option
from p2pavs.cli.options import json_option, with_chain, with_keys
from p2pavs.cli.output import printable, show, wants_json
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.exit_codes import ExitCode

if TYPE_CHECKING:
    from p2pavs.cli.sources import ChainOptions, KeyOptions
    from p2pavs.doctor.check import Check
    from p2pavs.doctor.examination import Section, Subject

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}


class NotFit(P2pavsError):
    """A node must not be started like this."""

    exit_code = ExitCode.CHECK_FAILED


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="The node's data directory.")
@click.option("--listen", default="/ip4/0.0.0.0/tcp/4001", show_default=True, help="As p2pavs node has it.")
@click.option("--announce", multiple=True, help="As p2pavs node has it. Repeatable.")
@click.option("--bootstrap", multiple=True, help="A running node, with /p2p/PEER: it dials back. Repeatable.")
@click.option("--api", default="127.0.0.1:4002", show_default=True, help="As p2pavs node has it.")
@click.option(
    "--model", "served", multiple=True, help="A model to serve (default: the demo model). Repeatable."
)
@store_option
@click.option(
    "--model-directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="As p2pavs node has it: every model in it is looked at.",
)
@click.option(
    "--matrix",
    is_flag=True,
    help="Also compute the determinism matrix: many models in every way, bit by bit (minutes).",
)
@click.option("--quick", is_flag=True, help="With --matrix: a few models and ways (seconds).")
@with_chain
@with_keys
@json_option
def doctor(
    data: Path | None,
    listen: str,
    announce: tuple[str, ...],
    bootstrap: tuple[str, ...],
    api: str,
    served: tuple[str, ...],
    models: Path | None,
    model_directory: Path | None,
    matrix: bool,
    quick: bool,
    where: ChainOptions,
    who: KeyOptions,
) -> None:
    """Check this machine, the keys, the chain and the network, before or while a node runs.

    Each line is ok, warn, FAIL (with what mends it), or "-" for what it was not told to look at. Changes
    nothing. Exit status: 0, or 8 where anything FAILs.

    \b
    Examples:
      p2pavs doctor
      p2pavs doctor --keys keys --password-file pw --data data --rpc http://127.0.0.1:8545 \\
        --deployment deployment.json --bootstrap /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...
    """
    if quick and not matrix:
        raise UsageError("--quick makes the matrix smaller, and there is no --matrix.", "Add --matrix.")
    from inference.model import demo_model, models_in
    from inference.runtime import CANONICAL, runtime_profile
    from p2pavs.cli.doctor_matrix import run_matrix
    from p2pavs.doctor.check import Status
    from p2pavs.doctor.examination import Subject

    files = [*served_files(served, models), *(models_in(model_directory) if model_directory else ())]
    subject = Subject(
        rpc=where.rpc,
        deployment=where.deployment,
        keys=who.keys,
        password_file=who.password_file,
        password=_password(who.password_file),
        data=data,
        listen=listen,
        announce=announce,
        bootstrap=bootstrap,
        api=api,
        models=tuple(files) if files or model_directory else (demo_model(),),
    )
    sections = common.run(lambda: _examine(subject))
    checks = [check for section in sections for check in section.checks]
    failures = [check for check in checks if check.status is Status.FAIL]
    content: dict[str, Any] = {
        "profile": CANONICAL.name,
        "runtimeProfile": "0x" + runtime_profile().hex(),
        "passed": not failures,
        "checks": [
            {"section": section.title, **asdict(check)} for section in sections for check in section.checks
        ],
    }
    if matrix and not any(check.status is Status.FAIL for check in sections[0].checks):
        if not wants_json():
            click.echo("")
        same, content["matrix"] = run_matrix(quick=quick)
        if not same:
            content["passed"] = False
            show(content)
            raise NotFit(
                "This machine does not compute the canonical bits, so it must not serve.", CANONICAL.remedy()
            )
    show(content, *_summary(checks))
    if failures:
        raise NotFit(
            f"{len(failures)} of {len(checks)} checks failed: {', '.join(one.name for one in failures)}.",
            "Mend them in this order; each says how.",
        )


async def _examine(subject: Subject) -> list[Section]:
    from contextlib import aclosing

    from p2pavs.doctor.examination import examine

    sections = []
    async with aclosing(examine(subject)) as found:
        async for section in found:
            sections.append(section)
            if not wants_json():
                for line in _lines(section):
                    click.echo(line)
    return sections


def _lines(section: Section) -> list[str]:
    lines = [click.style(section.title, bold=True)]
    for check in section.checks:
        word = {"fail": "FAIL", "skip": "-"}.get(check.status.value, check.status.value)
        mark = click.style(f"{word:<4}", fg=COLOURS[check.status.value])
        lines.append(f"  {mark}  {check.name}: {printable(check.detail)}")
        if check.remedy:
            lines.append(f"        {printable(check.remedy)}")
    return lines


def _summary(checks: Sequence[Check]) -> list[str]:
    counts = {status: sum(check.status.value == status for check in checks) for status in COLOURS}
    said = f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed"
    return ["", said + (f", {counts['skip']} not looked at" if counts["skip"] else "")]


def _password(password_file: Path | None) -> str | None:
    """Return the password without asking for it: the doctor also runs where nobody sits."""
    if password_file is None and not os.environ.get("P2PAVS_PASSWORD"):
        return None
    try:
        return common.read_password(password_file)
    except UsageError:
        return None  # the check of the password file says why
