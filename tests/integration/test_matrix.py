"""The determinism matrix, reduced: it holds here, and it finds what breaks it."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from inference import matrix
from inference.matrix import (
    Emulation,
    Outcome,
    Plan,
    Step,
    emulate,
    full_plan,
    published_digests,
    reduced_plan,
    run,
)
from p2pavs.cli.main import root

SMALL = Plan((("llama", "Q8_0"),), threads=(1,), micro=(8,))
DOCTOR = ["doctor", "--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0", "--matrix"]


def outcomes(plan, directory, **options):
    return [event for event in run(plan, directory, **options) if isinstance(event, Outcome)]


def test_the_reduced_matrix_holds(tmp_path):
    plan = reduced_plan()
    events = list(run(plan, tmp_path))
    found = [event for event in events if isinstance(event, Outcome)]
    assert [(outcome.shape, outcome.weights) for outcome in found] == list(plan.models)
    assert len({shape for shape, _ in plan.models}) >= 3
    for outcome in found:
        assert outcome.cells == len(plan.ways) == 72
        assert outcome.differing == []
        assert outcome.digest == published_digests()[f"{outcome.shape} {outcome.weights}"]
        assert outcome.passed
    steps = [event for event in events if isinstance(event, Step)]
    assert len(steps) == len(plan.models) * len(plan.threads) * len(plan.micro)
    assert "llama_cpp" not in sys.modules


def test_every_model_of_the_full_plan_has_a_published_digest():
    published = published_digests()
    unmade = {("llama", "NVFP4")}
    assert {f"{s} {w}" for s, w in full_plan().models if (s, w) not in unmade} == set(published)
    assert len(full_plan().ways) == 216


def test_kernels_that_round_differently_are_found(tmp_path):
    code = """
from dataclasses import replace
from inference import matrix_cells, runtime
runtime.PROFILES["x86-64-avx2"] = replace(runtime.CANONICAL, environment=(("GGML_CPU_TILED_MM", "1"),))
matrix_cells.main()
"""
    work = {
        "models": [["llama", "Q4_K_M"]],
        "threads": [1],
        "micro": [1, 64],
        "directory": str(tmp_path),
        "profile": "x86-64-avx2",
        "emulated": False,
    }
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(work)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    lone, wide = (m for m in map(json.loads, done.stdout.splitlines()) if m["event"] == "cells")
    assert lone["differing"] == []
    assert len(wide["differing"]) > 0
    first = wide["differing"][0]
    assert first["way"].startswith("1 threads, micro-batch 64")
    assert first["position"] >= 0 and 0 < first["differing"] <= first["of"]


def test_a_process_that_dies_is_the_result_of_its_model_only(tmp_path):
    (tmp_path / "llama-Q8_0.gguf").write_bytes(b"GGUF but not for long")
    plan = Plan((("llama", "Q8_0"), ("llama", "F16")), threads=(1,), micro=(8,))
    broken, sound = outcomes(plan, tmp_path)
    assert not broken.passed and "cannot load" in broken.crash
    assert sound.passed and sound.cells == 12


def test_a_type_that_llama_cpp_cannot_make_is_left_out_with_its_reason(tmp_path):
    (outcome,) = outcomes(Plan((("llama", "NVFP4"),), threads=(1,), micro=(1,)), tmp_path)
    assert outcome.passed and not outcome.cells
    assert "cannot make NVFP4" in outcome.unmade


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("p2pavs.cli.doctor_matrix.reduced_plan", lambda: SMALL)


def test_the_command_prints_a_table_and_json(small):
    shown = CliRunner().invoke(root, [*DOCTOR, "--quick"])
    assert shown.exit_code == 0, shown.output
    (row,) = [line for line in shown.output.splitlines() if line.startswith("llama ")]
    assert row.split()[:4] == ["llama", "Q8_0", "12", "0"]
    assert "skipped, left out by --quick" in shown.output
    found = json.loads(CliRunner().invoke(root, [*DOCTOR, "--quick", "--json"]).stdout)["matrix"]
    assert (found["passed"], found["cells"], found["differing"]) == (True, 12, 0)
    assert [one["processor"] for one in found["emulated"]] == ["Haswell", "Skylake-Client", "EPYC"]


def test_another_digest_than_the_published_one_fails_the_command(small, monkeypatch, tmp_path):
    wrong = tmp_path / "matrix.json"
    wrong.write_text(json.dumps({"llama Q8_0": "00" * 32}))
    monkeypatch.setattr(matrix, "_PUBLISHED", wrong)
    shown = CliRunner().invoke(root, [*DOCTOR, "--quick"])
    assert shown.exit_code == 8
    assert "published is 0000000000000000" in shown.output
    assert "must not serve" in shown.output


def test_without_the_emulator_the_command_says_what_to_install(small, monkeypatch):
    monkeypatch.setattr("p2pavs.cli.doctor_matrix.full_plan", lambda: SMALL)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    shown = CliRunner().invoke(root, DOCTOR)
    assert shown.exit_code == 0, shown.output
    assert "skipped, qemu-x86_64 is not installed (Debian: apt install qemu-user)" in shown.output


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-x86_64 (Debian: qemu-user)")
def test_an_emulated_processor_gives_the_same_bits(tmp_path):
    assert outcomes(SMALL, tmp_path)[0].passed
    *steps, same = emulate(SMALL, tmp_path, "Haswell")
    assert same == Emulation("Haswell", models=1) and len(steps) == 1
    kept = tmp_path / "llama-Q8_0.json"
    kept.write_text(json.dumps(["00" * 32] * 12))
    *_, other = emulate(SMALL, tmp_path, "Haswell")
    assert other.differing == ["llama Q8_0"] and not other.passed
