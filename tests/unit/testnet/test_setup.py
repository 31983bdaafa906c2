"""The set-up's decisions: which build of llama.cpp is the right one, and what is said when a step fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from testnet import canonical_wheel as wheels
from testnet import environment
from testnet.canonical_wheel import (
    BuildKey,
    build_environment,
    build_key,
    canonical_flags,
    canonical_wheel,
    kernels_digest,
    pinned_version,
)
from testnet.environment import Venv
from testnet.steps import StepFailed, elapsed, run_step, tail
from testnet.tools import ToolMissing, anvil_binary

ROOT = Path(__file__).resolve().parents[3]
KEY = BuildKey(
    "0.3.36", "-DGGML_NATIVE=OFF", "ab", "cpython-3.11", "x86_64", "gcc 12.2.0", "g++ 12.2.0", "cmake 3.25.1"
)


def test_each_part_of_the_key_makes_another_build() -> None:
    others = [
        replace(KEY, version="0.3.37"),
        replace(KEY, cmake_args="-DGGML_NATIVE=ON"),
        replace(KEY, kernels="cd"),
        replace(KEY, python="cpython-3.12"),
        replace(KEY, machine="aarch64"),
        replace(KEY, c_compiler="gcc 13"),
        replace(KEY, cxx_compiler="g++ 13"),
        replace(KEY, cmake="cmake 4"),
    ]
    assert len({key.digest() for key in [KEY, *others]}) == 9
    assert replace(KEY).digest() == KEY.digest()


def test_flags_of_the_user_do_not_reach_the_build() -> None:
    user = {
        "PATH": "/bin",
        "CC": "gcc-12",
        "CMAKE_ARGS": "-DGGML_CUDA=ON",
        "CFLAGS": "-march=native",
        "CXXFLAGS": "-Ofast",
        "GGML_NATIVE": "ON",
        "SKBUILD_CMAKE_ARGS": "-DGGML_NATIVE=ON",
        "CMAKE_BUILD_PARALLEL_LEVEL": "1",
    }
    assert build_environment(user, "-DGGML_NATIVE=OFF") == {
        "PATH": "/bin",
        "CC": "gcc-12",
        "CMAKE_BUILD_PARALLEL_LEVEL": "1",
        "CMAKE_ARGS": "-DGGML_NATIVE=OFF",
        "FORCE_CMAKE": "1",
    }


def test_the_key_names_the_kernels_by_content_and_not_by_place(tmp_path: Path) -> None:
    key = build_key(ROOT)
    assert key.kernels == kernels_digest(ROOT)
    assert str(ROOT) not in key.cmake_args and str(ROOT) in canonical_flags(ROOT)
    copy = tmp_path / "inference" / "kernels"
    shutil.copytree(ROOT / "inference" / "kernels", copy)
    assert kernels_digest(tmp_path) == key.kernels
    with (copy / "tiles.h").open("a") as file:
        file.write("\n")
    assert kernels_digest(tmp_path) != key.kernels


def test_the_project_pins_one_version() -> None:
    assert pinned_version(ROOT / "pyproject.toml")


def test_a_project_without_a_pin_is_refused(tmp_path: Path) -> None:
    loose = tmp_path / "pyproject.toml"
    loose.write_text('[project]\ndependencies = ["llama-cpp-python>=0.3"]\n')
    with pytest.raises(StepFailed, match="exact version"):
        pinned_version(loose)


def test_a_kept_wheel_is_used_for_its_key_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built: list[BuildKey] = []

    def build(python: Path, key: BuildKey, place: Path, log: Path) -> Path:
        built.append(key)
        place.mkdir()
        wheel = place / "llama_cpp_python.whl"
        wheel.write_text(key.cmake_args)
        return wheel

    monkeypatch.setattr(wheels, "_build", build)
    log, python = tmp_path / "log", Path(sys.executable)
    first = canonical_wheel(python, KEY, log)
    assert canonical_wheel(python, KEY, log) == first
    assert built == [KEY]
    other = replace(KEY, cmake_args="-DGGML_NATIVE=ON")
    assert canonical_wheel(python, other, log) != first
    assert canonical_wheel(python, KEY, log, rebuild=True) == first
    assert built == [KEY, other, KEY]


def test_a_failed_step_shows_the_end_of_its_output_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    program = "import sys; print('no space left'); sys.exit(3)"
    with pytest.raises(StepFailed) as failure:
        run_step("building", [sys.executable, "-c", program], log, hint="Make room.")
    assert "no space left" in str(failure.value)
    assert str(log) in str(failure.value)
    assert str(failure.value).endswith("Make room.")


def test_the_tail_of_a_log_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 1000 + b"\xff\nlast\n")
    assert tail(log, lines=1) == "last"
    assert len(tail(log, lines=10, limit=20)) <= 20
    assert tail(tmp_path / "none") == ""


def test_durations_are_readable() -> None:
    assert [elapsed(seconds) for seconds in (0.4, 59.9, 60, 245)] == ["0s", "59s", "1m00s", "4m05s"]


def test_anvil_is_found_where_npm_puts_it(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"setup\.sh"):
        anvil_binary(tmp_path)
    processor = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    binary = tmp_path / "node_modules" / "@foundry-rs" / f"anvil-{sys.platform}-{processor}" / "bin" / "anvil"
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert anvil_binary(tmp_path) == binary


class Installation:
    """Stands for pip and for the installed runtime: which wheel is in, and whether it passes its check."""

    def __init__(self, good: set[str]) -> None:
        self.good = good
        self.installed = ""
        self.rebuilt = 0

    def wheel(self, python: Path, key: BuildKey, log: Path, *, rebuild: bool = False) -> Path:
        self.rebuilt += rebuild
        return Path("rebuilt.whl" if rebuild else "kept.whl")

    def step(self, title: str, command: list[str], log: Path, **_: object) -> None:
        if "--force-reinstall" in command:
            self.installed = command[-1]
        if "--check" in command and self.installed not in self.good:
            raise StepFailed(f"{self.installed} is a build for one processor")


@pytest.mark.parametrize(("good", "rebuilt"), [({"kept.whl"}, 0), ({"rebuilt.whl"}, 1)])
def test_a_kept_build_that_fails_its_check_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: set[str], rebuilt: int
) -> None:
    installation = Installation(good)
    monkeypatch.setattr(environment, "canonical_wheel", installation.wheel)
    monkeypatch.setattr(environment, "run_step", installation.step)
    environment.install(Venv(tmp_path), KEY)
    assert installation.installed in good
    assert installation.rebuilt == rebuilt


def test_a_build_that_never_passes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation(set())
    monkeypatch.setattr(environment, "canonical_wheel", installation.wheel)
    monkeypatch.setattr(environment, "run_step", installation.step)
    with pytest.raises(StepFailed, match="for one processor"):
        environment.install(Venv(tmp_path), KEY)
    assert installation.rebuilt == 1


def finished(tmp_path: Path) -> Venv:
    """A virtual environment as a finished set-up leaves it."""
    venv = Venv(tmp_path / "venv")
    library = venv.path / "lib" / "python3.11" / "site-packages" / "llama_cpp" / "lib" / "libllama.so"
    library.parent.mkdir(parents=True)
    library.write_text("bits")
    venv.python.parent.mkdir()
    venv.python.symlink_to(sys.executable)
    environment.stamp_finished(venv, KEY)
    assert environment.complete(venv)
    return venv


def test_another_build_put_over_ours_is_noticed(tmp_path: Path) -> None:
    venv = finished(tmp_path)
    library = next(venv.path.rglob("libllama.so"))
    library.write_text("other bits")
    assert not environment.complete(venv)


def test_an_interrupted_set_up_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = finished(tmp_path)
    venv.write_stamp({"state": "installing"})
    assert not environment.complete(venv)
    made: list[str] = []
    monkeypatch.setattr(environment, "run_step", lambda title, *_: made.append(title))
    environment.prepare(venv)
    assert made == ["making the virtual environment"]
    assert not venv.python.exists(), "nothing half-made was kept"


def test_a_finished_environment_is_kept_when_the_project_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = finished(tmp_path)
    monkeypatch.setattr(environment, "run_step", lambda *_: pytest.fail("it was made again"))
    environment.prepare(venv)
    assert venv.python.exists()
    assert not environment.complete(venv), "what is being installed is not finished"


def test_the_environment_of_someone_else_is_refused(tmp_path: Path) -> None:
    venv = Venv(tmp_path)
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    with pytest.raises(StepFailed, match="left alone"):
        environment.prepare(venv)
    assert (tmp_path / "pyvenv.cfg").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [(["up", "--help"], 0, "--detach"), (["down"], 1, "no test network"), (["status"], 1, "no test network")],
)
def test_help_and_what_needs_no_set_up_run_on_a_bare_python(
    words: list[str], status: int, said: str, tmp_path: Path
) -> None:
    directory = [] if "--help" in words else ["--dir", str(tmp_path / "none")]
    done = subprocess.run(  # -S: without what is installed
        [sys.executable, "-S", "-P", "-m", "testnet.testnet", *words, *directory],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stderr
