"""The canonical build of llama-cpp-python, as a wheel kept between virtual environments.

Every node must compute the same bits, so the instruction sets are pinned by build flags. pip's own wheel
cache knows nothing of build flags and would hand out whatever was built last; therefore the wheel is built
past that cache, and kept in one of ours under a key of everything its bits depend on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from testnet.steps import StepFailed, run_step

ROOT = Path(__file__).resolve().parent.parent

PACKAGE = "llama-cpp-python"
_PIN = re.compile(rf"{PACKAGE}==([0-9][0-9A-Za-z.]*)")
# Variables that add flags to a compilation behind the back of CMAKE_ARGS.
_FLAG_VARIABLES = ("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CMAKE_GENERATOR", "CMAKE_TOOLCHAIN_FILE")
_INCLUDE = "-DCMAKE_PROJECT_llama_cpp_INCLUDE="
_FLAG_PREFIXES = ("SKBUILD_", "GGML_", "LLAMA_")


@dataclass(frozen=True, slots=True)
class BuildKey:
    """All that the bits of a build depend on."""

    version: str
    cmake_args: str
    kernels: str
    python: str
    machine: str
    c_compiler: str
    cxx_compiler: str
    cmake: str

    def digest(self) -> str:
        """A short name for this build."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def pinned_version(pyproject: Path) -> str:
    """The exact version of llama-cpp-python that the project asks for. Raises StepFailed."""
    project = tomllib.loads(pyproject.read_text())["project"]
    for dependency in project["dependencies"]:
        match = _PIN.fullmatch(dependency.strip())
        if match:
            return match.group(1)
    raise StepFailed(f"{pyproject} does not name one exact version of {PACKAGE}: the build needs one.")


def canonical_flags(root: Path) -> str:
    """CMAKE_ARGS of the canonical build, as the package itself says them. Raises StepFailed."""
    return _first_line([sys.executable, str(root / "inference" / "runtime.py"), "--cmake-args"])


def kernels_digest(root: Path) -> str:
    """SHA-256 over our kernels, which the build compiles into llama.cpp."""
    digest = hashlib.sha256()
    for file in sorted((root / "inference" / "kernels").iterdir()):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def build_key(root: Path) -> BuildKey:
    """The key of the build that this clone wants on this machine. Raises StepFailed."""
    return BuildKey(
        version=pinned_version(root / "pyproject.toml"),
        # The place of the kernels is no part of the bits; their text is.
        cmake_args=" ".join(flag for flag in canonical_flags(root).split() if _INCLUDE not in flag),
        kernels=kernels_digest(root),
        python=f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}",
        machine=platform.machine(),
        c_compiler=_first_line([os.environ.get("CC", "gcc"), "--version"]),
        cxx_compiler=_first_line([os.environ.get("CXX", "g++"), "--version"]),
        cmake=_first_line(["cmake", "--version"]),
    )


def cache_directory() -> Path:
    """Where built wheels are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "p2pavs" / "wheels"


def canonical_wheel(python: Path, key: BuildKey, log: Path, *, rebuild: bool = False) -> Path:
    """The wheel for this key, from the cache or built now; `python` runs pip. Raises StepFailed.

    Two set-ups that want the same wheel at the same time build it once: the second waits.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / key.digest()
    with (cache / f"{key.digest()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if rebuild:
            shutil.rmtree(place, ignore_errors=True)
        kept = sorted(place.glob("*.whl"))
        return kept[0] if kept else _build(python, key, place, log)


def _build(python: Path, key: BuildKey, place: Path, log: Path) -> Path:
    """Build beside the final place and move it there whole, so that a cached wheel is a finished one."""
    for left_over in [place, *place.parent.glob(f"building-{place.name}-*")]:
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"building-{place.name}-") as name:
        half_made = Path(name) / "wheel"
        half_made.mkdir()
        print("  llama.cpp is built here, once, with pinned instruction sets (about 3 minutes on 2 cores):")
        print("  every node must compute the same bits, and a build tuned to one processor does not.")
        command = [str(python), "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-cache-dir"]
        command += ["--no-binary", PACKAGE, "--wheel-dir", str(half_made), f"{PACKAGE}=={key.version}"]
        run_step(
            f"building llama.cpp ({PACKAGE} {key.version})",
            command,
            log,
            env=build_environment(os.environ, canonical_flags(ROOT)),
            hint="If the compiler was killed, memory ran out: run again with CMAKE_BUILD_PARALLEL_LEVEL=1.",
        )
        (half_made / "build.json").write_text(json.dumps(asdict(key), indent=2) + "\n")
        wheels = list(half_made.glob("*.whl"))
        if len(wheels) != 1:
            raise StepFailed(f"pip left {len(wheels)} wheels of {PACKAGE} instead of one. See {log}")
        half_made.rename(place)
        return place / wheels[0].name


def build_environment(environment: Mapping[str, str], cmake_args: str) -> dict[str, str]:
    """The environment of the build: the user's, less whatever would add flags, plus ours."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _FLAG_VARIABLES and not name.startswith(_FLAG_PREFIXES)
    }
    return {**kept, "CMAKE_ARGS": cmake_args, "FORCE_CMAKE": "1"}


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", "") or error
        raise StepFailed(f"{' '.join(command)} failed: {detail}") from error
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise StepFailed(f"{' '.join(command)} printed nothing.")
    return lines[0]
