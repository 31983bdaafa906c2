"""The runtime profile: what counts as the right build, and what the command line says."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from inference import runtime
from inference.model import demo_model, read_manifest
from inference.runtime import CANONICAL, check_system_info, runtime_profile

GOOD = "CPU : SSE3 = 1 | SSSE3 = 1 | AVX = 1 | AVX2 = 1 | F16C = 1 | FMA = 1 | BMI2 = 1 | OPENMP = 1 | "


def test_the_canonical_build_is_accepted():
    assert check_system_info(GOOD) is None
    assert check_system_info(GOOD.replace("OPENMP = 1 | ", "")) is None
    assert check_system_info(GOOD + "AVX512 = 0 | ") is None


@pytest.mark.parametrize(
    "feature", ["AVX512", "AVX512_VNNI", "AMX_INT8", "LLAMAFILE", "REPACK", "AVX_VNNI", "NEON"]
)
def test_instructions_that_change_the_bits_are_named(feature):
    assert feature in (check_system_info(GOOD + f"{feature} = 1 | ") or "")


def test_llamafile_is_taken_for_ours_only_where_ours_are():
    info = GOOD + "LLAMAFILE = 1 | "
    assert check_system_info(info, kernels="avx2") is None
    assert "AVX512" in (check_system_info(info + "AVX512 = 1 | ", kernels="avx2") or "")


def test_missing_instructions_are_named():
    assert "FMA" in (check_system_info(GOOD.replace("FMA = 1", "FMA = 0")) or "")
    assert "AVX2" in (check_system_info("") or "")


def test_the_identifier_covers_name_version_and_golden_digest():
    assert len(runtime_profile()) == 32
    others = [
        replace(CANONICAL, name="portable"),
        replace(CANONICAL, llama_cpp="other"),
        replace(CANONICAL, golden_digest=bytes(32)),
    ]
    assert len({p.identifier() for p in [CANONICAL, *others]}) == 4
    assert replace(CANONICAL, cmake_args=()).identifier() == runtime_profile()


def test_the_profile_names_the_micro_model_that_is_shipped():
    assert read_manifest(demo_model().parent / "micro.gguf").golden_digest == CANONICAL.golden_digest


def test_the_flags_can_be_had_before_anything_is_installed():
    command = [sys.executable, "-I", "-S", str(Path(runtime.__file__)), "--cmake-args"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    flags = shlex.split(done.stdout)
    assert flags[:-1] == list(CANONICAL.cmake_args)
    assert Path(flags[-1].removeprefix(runtime.KERNELS_FLAG)).is_file()
    assert "-DGGML_NATIVE=OFF" in done.stdout


def run_main(monkeypatch, capsys, checks, *arguments):
    monkeypatch.setattr(runtime, "run_check", lambda profile: checks)
    monkeypatch.setattr(sys, "argv", ["runtime", "--check", *arguments])
    with pytest.raises(SystemExit) as ended:
        runtime.main()
    return ended.value.code, capsys.readouterr().out


def test_a_failed_check_says_why_and_what_to_run(monkeypatch, capsys):
    checks = [runtime.Check("build", False, "built with AVX512")]
    code, out = run_main(monkeypatch, capsys, checks)
    assert code == 1
    assert "AVX512" in out and "pip install" in out and "-DGGML_NATIVE=OFF" in out
    code, out = run_main(monkeypatch, capsys, checks, "--json")
    assert code == 1
    assert json.loads(out)["passed"] is False and "CMAKE_ARGS" in json.loads(out)["remedy"]


def test_a_passed_check_shows_the_profile(monkeypatch, capsys):
    code, out = run_main(monkeypatch, capsys, [runtime.Check("build", True, "fine")], "--json")
    assert code == 0
    assert json.loads(out)["runtimeProfile"] == runtime_profile().hex()


def test_a_build_that_crashes_is_reported_and_not_raised(monkeypatch):
    class Done:
        returncode, stdout, stderr = -11, "", "boom"

    monkeypatch.setattr(subprocess, "run", lambda *a, **k: Done())
    checks = runtime.run_check()
    assert not checks[-1].passed and "-11" in checks[-1].detail


def test_switches_of_the_library_in_the_environment_are_removed(monkeypatch):
    monkeypatch.setenv("GGML_CPU_TILED_MM", "1")
    monkeypatch.setenv("GGML_CPU_TILED_MM_FORCE", "1")
    runtime.prepare(CANONICAL)
    assert runtime.os.environ["GGML_CPU_TILED_MM"] == "0"
    assert "GGML_CPU_TILED_MM_FORCE" not in runtime.os.environ
