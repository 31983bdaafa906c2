"""``p2pavs doctor``: whether this machine computes the bits that the network agrees on."""

from __future__ import annotations

from typing import Any

import click

from p2pavs.cli.options import json_option
from p2pavs.cli.output import show, wants_json
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.exit_codes import ExitCode


class NotCanonical(P2pavsError):
    """This installation must not serve."""

    exit_code = ExitCode.CHECK_FAILED


@click.command()
@click.option(
    "--matrix",
    is_flag=True,
    help="Also compute the determinism matrix: many models in every way, bit by bit (minutes).",
)
@click.option("--quick", is_flag=True, help="With --matrix: a few models and ways (seconds).")
@json_option
def doctor(matrix: bool, quick: bool) -> None:
    """Check the build of llama.cpp, the golden test and the signature library."""
    if quick and not matrix:
        raise UsageError("--quick makes the matrix smaller, and there is no --matrix.", "Add --matrix.")
    from consensus import bls
    from inference.runtime import CANONICAL, run_check, runtime_profile
    from p2pavs.cli.doctor_matrix import run_matrix

    checks = run_check(CANONICAL)
    advice = bls.backend_advice()
    content: dict[str, Any] = {
        "profile": CANONICAL.name,
        "runtimeProfile": "0x" + runtime_profile().hex(),
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in checks],
        "signatures": {"backend": bls.backend_name(), "advice": advice},
    }
    lines = [f"{_mark(check.passed)}  {check.name}: {check.detail}" for check in checks]
    signatures = bls.backend_name() + (f". {advice}" if advice else "")
    lines.append(f"{_mark(advice is None)}  signatures: {signatures}")
    lines.append(f"      runtime profile {content['runtimeProfile']}")
    passed = all(check.passed for check in checks)
    if not (matrix and passed):
        show(content, *lines)
    else:
        for line in () if wants_json() else (*lines, ""):
            click.echo(line)
        passed, content["matrix"] = run_matrix(quick=quick)
        if wants_json():
            show(content)
    if not passed:
        raise NotCanonical(
            "This machine does not compute the canonical bits, so it must not serve.", CANONICAL.remedy()
        )


def _mark(good: bool) -> str:
    return click.style("ok  ", fg="green") if good else click.style("FAIL", fg="red")
