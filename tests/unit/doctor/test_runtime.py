"""The installation's bits and its signature library: what makes each check fail."""

from __future__ import annotations

import pytest

from consensus import bls
from inference.runtime import CANONICAL, Check
from p2pavs.doctor import runtime
from p2pavs.doctor.check import Status


def test_other_bits_come_with_the_command_that_mends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Check("llama.cpp", True, "0.3.36"), Check("golden test", False, "other")]
    monkeypatch.setattr(runtime, "run_check", lambda profile: found)
    good, bad = runtime.bits()
    assert (good.status, good.remedy) == (Status.OK, "")
    assert (bad.status, bad.remedy) == (Status.FAIL, CANONICAL.remedy())


def test_a_slow_signature_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bls, "backend_advice", lambda: None)
    assert runtime.signatures().status is Status.OK
    monkeypatch.setattr(bls, "backend_advice", lambda: "Install ckzg.")
    assert runtime.signatures().status is Status.WARN and runtime.signatures().remedy == "Install ckzg."


def test_a_build_without_the_kernels_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "run_check", lambda profile: [Check("kernels", True, "none", costly=True)])
    (check,) = runtime.bits()
    assert (check.status, check.detail, check.remedy) == (Status.WARN, "none", CANONICAL.remedy())
