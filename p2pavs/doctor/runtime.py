"""The bits that this installation computes, and how fast it checks signatures."""

from __future__ import annotations

from consensus import bls
from inference.runtime import CANONICAL, run_check
from p2pavs.doctor.check import Check, fail, ok, warn


def bits() -> list[Check]:
    """Check llama.cpp, its build and the golden test, in a process of their own."""
    checks = []
    for one in run_check(CANONICAL):
        if not one.passed:
            checks.append(fail(one.name, one.detail, CANONICAL.remedy()))
        elif one.costly:
            checks.append(warn(one.name, one.detail, CANONICAL.remedy()))
        else:
            checks.append(ok(one.name, one.detail))
    return checks


def signatures() -> Check:
    """Whether a fast signature library is in use."""
    advice = bls.backend_advice()
    if advice is None:
        return ok("signatures", bls.backend_name())
    return warn("signatures", bls.backend_name(), advice)
