"""``p2pavs doctor``: whether this machine computes the bits that the network agrees on."""

from __future__ import annotations

import click

from p2pavs.cli.options import json_option
from p2pavs.cli.output import show
from p2pavs.errors import P2pavsError


class NotCanonical(P2pavsError):
    """This installation must not serve."""


@click.command()
@json_option
def doctor() -> None:
    """Check the build of llama.cpp, the golden test and the signature library."""
    from consensus import bls
    from inference.runtime import CANONICAL, run_check, runtime_profile

    checks = run_check(CANONICAL)
    advice = bls.backend_advice()
    content = {
        "profile": CANONICAL.name,
        "runtimeProfile": "0x" + runtime_profile().hex(),
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in checks],
        "signatures": {"backend": bls.backend_name(), "advice": advice},
    }
    lines = [f"{_mark(check.passed)}  {check.name}: {check.detail}" for check in checks]
    signatures = bls.backend_name() + (f". {advice}" if advice else "")
    lines.append(f"{_mark(advice is None)}  signatures: {signatures}")
    show(content, *lines, f"      runtime profile {content['runtimeProfile']}")
    if not all(check.passed for check in checks):
        raise NotCanonical(
            "This machine does not compute the canonical bits, so it must not serve.", CANONICAL.remedy()
        )


def _mark(good: bool) -> str:
    return click.style("ok  ", fg="green") if good else click.style("FAIL", fg="red")
