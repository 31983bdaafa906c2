"""Set-up of a clone: the virtual environment with the package, and the development chain from npm.

Standard library only, since nothing is installed yet. What is done already is left alone: stamps record what
a finished set-up was made from. A set-up that was interrupted left no stamp and is made anew.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from testnet.canonical_wheel import BuildKey, build_key, canonical_flags, canonical_wheel, kernels_digest
from testnet.requirements import missing_on_this_machine
from testnet.steps import StepFailed, elapsed, run_step
from testnet.tools import NPM_DIRECTORY, ToolMissing, anvil_binary

ROOT = Path(__file__).resolve().parent.parent
_OURS = "p2pavs-setup.json"
_INSTALLING = "installing"


@dataclass(frozen=True, slots=True)
class Venv:
    """The virtual environment of this clone."""

    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def log(self) -> Path:
        return self.path / "p2pavs-setup.log"

    @property
    def stamp(self) -> Path:
        return self.path / _OURS

    def stamped(self) -> dict[str, object]:
        """What the last finished set-up was made from; empty if there was none."""
        try:
            stamp = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def write_stamp(self, stamp: dict[str, object]) -> None:
        """Replace the stamp in one step."""
        draft = self.stamp.with_suffix(".new")
        draft.write_text(json.dumps(stamp, indent=2) + "\n")
        draft.replace(self.stamp)

    def libraries(self) -> list[list[object]]:
        """Name, size and time of the installed llama.cpp: another build put over it shows here."""
        found = sorted(self.path.glob("lib/python3*/site-packages/llama_cpp/lib/*.so*"))
        return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in found]


def venv_path() -> Path:
    """Where the virtual environment of this clone is or will be."""
    return Path(os.path.abspath(os.environ.get("P2PAVS_VENV") or ROOT / ".venv"))


def _identity(venv: Venv) -> dict[str, object]:
    """What a virtual environment cannot survive a change of: its places, and the interpreter behind it."""
    return {"root": str(ROOT), "venv": str(venv.path), "python": os.path.realpath(venv.python)}


def _inputs() -> dict[str, object]:
    """What a change of asks for another installation into the same environment."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return {"pyproject.toml": project, "flags": canonical_flags(ROOT), "kernels": kernels_digest(ROOT)}


def complete(venv: Venv) -> bool:
    """Whether a finished set-up is still what this clone wants, and nothing was put over it."""
    stamp = venv.stamped()
    return (
        venv.python.exists()
        and stamp.get("identity") == _identity(venv)
        and stamp.get("inputs") == _inputs()
        and stamp.get("libraries") == venv.libraries()
    )


def stamp_finished(venv: Venv, key: BuildKey) -> None:
    """Record what a finished set-up was made from."""
    inputs, libraries = _inputs(), venv.libraries()
    stamp: dict[str, object] = {"identity": _identity(venv), "inputs": inputs, "libraries": libraries}
    venv.write_stamp({**stamp, "build": key.digest()})


def _npm_lock_hash() -> str:
    return hashlib.sha256((NPM_DIRECTORY / "package-lock.json").read_bytes()).hexdigest()


def _npm_complete() -> bool:
    stamp = NPM_DIRECTORY / "node_modules" / _OURS
    try:
        return anvil_binary().is_file() and stamp.read_text() == _npm_lock_hash()
    except (OSError, ToolMissing):
        return False


def prepare(venv: Venv) -> None:
    """An environment of ours to install into: the one that is there, or a new one."""
    stamp = venv.stamped()
    if venv.path.exists() and any(venv.path.iterdir()) and not venv.stamp.exists():
        raise StepFailed(
            f"{venv.path} exists and was not made by this set-up, so it is left alone.\n"
            f"Remove it, or choose another place: P2PAVS_VENV=/path/to/venv testnet/setup.sh"
        )
    if stamp.get("identity") == _identity(venv) and venv.python.exists():
        venv.write_stamp({"state": _INSTALLING})
        return
    shutil.rmtree(venv.path, ignore_errors=True)
    venv.path.mkdir(parents=True)
    venv.write_stamp({"state": _INSTALLING})
    run_step("making the virtual environment", [sys.executable, "-m", "venv", str(venv.path)], venv.log)


def install(venv: Venv, key: BuildKey) -> None:
    """The package, its dependencies and the canonical build, checked by running it."""
    pip = [str(venv.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    wheel = canonical_wheel(venv.python, key, venv.log)
    run_step(
        "installing the package and its dependencies",
        [*pip, "install", "--editable", f"{ROOT}[dev]", str(wheel)],
        venv.log,
        hint="A download that failed: check the network, and run this again; what is done is kept.",
    )
    over = [*pip, "install", "--force-reinstall", "--no-deps"]
    # pip takes any build of the same version for the right one, so it is told to put ours over it.
    run_step("installing the canonical llama.cpp", [*over, str(wheel)], venv.log)
    if _runtime_is_canonical(venv):
        return
    print("  the kept build of llama.cpp does not pass its check, so it is built again")
    wheel = canonical_wheel(venv.python, key, venv.log, rebuild=True)
    run_step("installing the canonical llama.cpp", [*over, str(wheel)], venv.log)
    _check_runtime(venv)


def _runtime_is_canonical(venv: Venv) -> bool:
    try:
        _check_runtime(venv)
    except StepFailed:
        return False
    return True


def _check_runtime(venv: Venv) -> None:
    run_step(
        "checking that llama.cpp computes the canonical bits",
        [str(venv.python), "-m", "inference.runtime", "--check"],
        venv.log,
        cwd=ROOT,
        hint="A node with other bits would be outvoted. Is another compiler in use (CC, CXX)?",
    )


def _install_npm(log: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund"]
    run_step("installing the development chain", command, log, cwd=NPM_DIRECTORY)
    run_step("checking the development chain", [str(anvil_binary()), "--version"], log)
    (NPM_DIRECTORY / "node_modules" / _OURS).write_text(_npm_lock_hash())


def set_up() -> None:
    """Bring this clone to a state in which everything runs. Raises StepFailed or ToolMissing."""
    venv = Venv(venv_path())
    if complete(venv) and _npm_complete():
        return
    with _only_one():
        venv_ready, npm_ready = complete(venv), _npm_complete()
        if venv_ready and npm_ready:
            return
        missing = missing_on_this_machine()
        if missing:
            listing = "\n".join(f"    - {item}" for item in missing)
            raise StepFailed(f"this machine lacks:\n{listing}")
        started = time.monotonic()
        print(f"setting up {ROOT} (once; log: {venv.log})")
        if not venv_ready:
            prepare(venv)
            key = build_key(ROOT)
            install(venv, key)
            stamp_finished(venv, key)
        if not npm_ready:
            _install_npm(venv.log)
        print(f"set-up is complete ({elapsed(time.monotonic() - started)})")


class _only_one:
    """Holds the lock of set-ups in this clone; waits for another one to end."""

    def __enter__(self) -> None:
        self._directory = os.open(ROOT / "testnet", os.O_RDONLY)
        try:
            fcntl.flock(self._directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up of this clone is running; waiting for it", flush=True)
            fcntl.flock(self._directory, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)


def main() -> int:
    """Command line of the set-up."""
    parser = argparse.ArgumentParser(prog="testnet/setup.sh", description="Set up this clone.")
    parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        set_up()
    except (StepFailed, ToolMissing) as error:
        print(f"\nsetup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
