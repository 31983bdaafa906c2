"""The canonical runtime: which build of llama.cpp, in which settings, gives the network's bits.

``python -m inference.runtime --check`` tells whether this installation is it, and what to do if not.
``--cmake-args`` prints the build flags; it needs nothing but the standard library, also as a plain
file before anything is installed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

_VERSION = "0.3.36"  # of llama-cpp-python
_KERNELS = Path(__file__).resolve().parent / "kernels"
KERNELS_FLAG = "-DCMAKE_PROJECT_llama_cpp_INCLUDE="
"""Beginning of the build flag that names where our kernels lie; all other flags are the same everywhere."""


@dataclass(frozen=True, slots=True)
class RuntimeProfile:
    """One way to compute that is bit-exact between machines. A second one would be a second value."""

    name: str
    llama_cpp: str
    """What ``llama_version()`` says, with the package's version."""
    cmake_args: tuple[str, ...]
    """Besides the one that ``build_flags`` adds."""
    environment: tuple[tuple[str, str], ...]
    """Must be set before the library loads."""
    required: frozenset[str]
    """Features that ``llama_print_system_info()`` must show as on."""
    tolerated: frozenset[str]
    """Features that do not change a bit; every other one must be off."""
    golden_digest: bytes
    """Golden digest of ``models/micro.gguf``."""

    def identifier(self) -> bytes:
        """32 bytes that name the profile on the chain."""
        parts = (self.name.encode(), self.llama_cpp.encode(), self.golden_digest)
        return sha256(b"p2pavs/runtime/1" + b"".join(len(p).to_bytes(4, "big") + p for p in parts)).digest()

    def build_flags(self) -> str:
        """The value of CMAKE_ARGS that builds llama.cpp with the exact kernels of this installation."""
        return " ".join((*self.cmake_args, shlex.quote(f"{KERNELS_FLAG}{_KERNELS / 'kernels.cmake'}")))

    def remedy(self) -> str:
        """The command that installs the build."""
        return (
            f'CMAKE_ARGS="{self.build_flags()}" {sys.executable} -m pip install '
            "--force-reinstall --no-cache-dir --no-deps --no-binary llama-cpp-python "
            f"llama-cpp-python=={_VERSION}"
        )


CANONICAL = RuntimeProfile(
    name="x86-64-avx2",
    llama_cpp=f"llama-cpp-python {_VERSION}, llama.cpp 0.5.0-dev",
    cmake_args=(
        "-DGGML_NATIVE=OFF",
        "-DGGML_SSE42=ON",
        "-DGGML_AVX=ON",
        "-DGGML_AVX2=ON",
        "-DGGML_FMA=ON",
        "-DGGML_F16C=ON",
        "-DGGML_BMI2=ON",
        "-DGGML_LLAMAFILE=ON",
        "-DGGML_CPU_REPACK=OFF",
    ),
    environment=(("GGML_CPU_TILED_MM", "0"),),
    required=frozenset({"SSE3", "SSSE3", "AVX", "AVX2", "F16C", "FMA", "BMI2"}),
    tolerated=frozenset({"OPENMP"}),
    golden_digest=bytes.fromhex("6c2def6922d7dffd0606a10ab892e17885c6e8a9dca2a9cbfac12de2c7a4a9c0"),
)
PROFILES = {profile.name: profile for profile in (CANONICAL,)}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked."""

    name: str
    passed: bool
    detail: str
    costly: bool = False
    """The bits are right, and cost more than they need to; the remedy is the same."""


def runtime_profile(profile: RuntimeProfile = CANONICAL) -> bytes:
    """32 bytes that name the profile on the chain."""
    return profile.identifier()


def prepare(profile: RuntimeProfile) -> None:
    """Set the environment the profile needs, in the process that loads llama.cpp, before it does."""
    for name in [name for name in os.environ if name.startswith(("GGML_", "LLAMA_"))]:
        del os.environ[name]  # llama.cpp's own switches, some of which change the bits
    os.environ.update(profile.environment)
    # On an abort llama.cpp would start a debugger, and its output would hide the reason.
    os.environ["GGML_NO_BACKTRACE"] = "1"


def features(info: str) -> set[str]:
    """What llama.cpp says is on. ``info`` reads "CPU : AVX = 1 | ..."."""
    on: set[str] = set()
    for part in info.replace("CPU :", "|").split("|"):
        name, _, value = part.partition("=")
        if value.strip() not in ("", "0"):
            on.add(name.strip())
    return on


def check_system_info(
    info: str, profile: RuntimeProfile = CANONICAL, kernels: str | None = None
) -> str | None:
    """What is wrong with llama.cpp's own list of features, or None.

    ``kernels`` is what ours say of themselves, if the library has them. llama.cpp takes them for llamafile's.
    """
    on = features(info) - ({"LLAMAFILE"} if kernels else set())
    if missing := sorted(profile.required - on):
        return f"built without {', '.join(missing)}"
    if surplus := sorted(on - profile.required - profile.tolerated):
        return f"built with {', '.join(surplus)}, which changes the bits"
    return None


def check_build(profile: RuntimeProfile = CANONICAL) -> list[Check]:
    """Check the installation in this process (which loads llama.cpp; see ``run_check`` for a safe way)."""
    checks = [Check("byte order", sys.byteorder == "little", sys.byteorder)]
    prepare(profile)
    try:
        import llama_cpp
        import llama_cpp.llama_cpp as lib
    except (ImportError, OSError, RuntimeError) as error:
        return [*checks, Check("llama.cpp", False, f"cannot be loaded: {error}")]
    version = f"llama-cpp-python {llama_cpp.__version__}, llama.cpp {lib.llama_version().decode()}"
    checks.append(
        Check("llama.cpp", version == profile.llama_cpp, f"{version} (wanted: {profile.llama_cpp})")
    )
    kernels = exact_kernels(lib._lib)
    problem = check_system_info(lib.llama_print_system_info().decode(), profile, kernels)
    checks.append(Check("build", problem is None, problem or "only the profile's instructions"))
    said = f"exact batches, {kernels}" if kernels else "none: the same bits, but batches cost more"
    checks.append(Check("kernels", True, said, costly=kernels is None))
    if all(check.passed for check in checks):
        checks.append(_golden(profile))
    return checks


def exact_kernels(library: ctypes.CDLL) -> str | None:
    """Which instructions our kernels use in a loaded llama.cpp; None if it was built without them."""
    try:
        said = library.p2pavs_kernels
    except AttributeError:
        return None
    said.restype = ctypes.c_char_p
    return bytes(said()).decode()


def _golden(profile: RuntimeProfile) -> Check:
    from inference.errors import InferenceError
    from inference.golden import golden_digest
    from inference.model import ModelFile

    try:
        found = golden_digest(ModelFile.open(Path(__file__).parent / "models" / "micro.gguf"), thorough=True)
    except InferenceError as error:
        return Check("golden test", False, str(error))
    same = found == profile.golden_digest
    return Check(
        "golden test", same, f"{found.hex()}" + ("" if same else f", and not {profile.golden_digest.hex()}")
    )


def run_check(profile: RuntimeProfile = CANONICAL) -> list[Check]:
    """Check the installation in a subprocess: a build for another machine may crash instead of answering."""
    command = [sys.executable, "-m", "inference.runtime", "--check-here", "--profile", profile.name]
    root = str(Path(__file__).resolve().parent.parent)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
    }
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        return [
            Check(str(c["name"]), c["passed"] is True, str(c["detail"]), c["costly"] is True)
            for c in json.loads(done.stdout)
        ]
    except subprocess.TimeoutExpired:
        return [Check("llama.cpp", False, "the check did not end within 300 s")]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return [Check("llama.cpp", False, f"the check crashed (exit code {done.returncode}): {last[:300]}")]


def main() -> None:
    """Command line: ``--check [--json]`` (exit code 1 if it fails) or ``--cmake-args``."""
    parser = argparse.ArgumentParser(prog="python -m inference.runtime", description="The canonical runtime.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--check", action="store_true", help="tell whether this installation computes the network's bits"
    )
    what.add_argument("--check-here", action="store_true", help=argparse.SUPPRESS)
    what.add_argument("--cmake-args", action="store_true", help="print the value for CMAKE_ARGS")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    parser.add_argument("--profile", choices=sorted(PROFILES), default=CANONICAL.name)
    options = parser.parse_args()
    profile = PROFILES[options.profile]
    if options.cmake_args:
        print(profile.build_flags())
        return
    if options.check_here:
        print(json.dumps([asdict(check) for check in check_build(profile)]))
        return
    checks = run_check(profile)
    passed = all(check.passed for check in checks)
    remedy = profile.remedy() if any(not check.passed or check.costly for check in checks) else None
    if options.json:
        listed = [asdict(check) for check in checks]
        identifier = profile.identifier().hex()
        print(
            json.dumps(
                {
                    "profile": profile.name,
                    "runtimeProfile": identifier,
                    "passed": passed,
                    "checks": listed,
                    "remedy": remedy,
                }
            )
        )
    else:
        for check in checks:
            mark = "FAIL" if not check.passed else "warn" if check.costly else "ok  "
            print(f"{mark} {check.name}: {check.detail}")
        if passed:
            print(f"runtime profile {profile.name} 0x{profile.identifier().hex()}")
        if remedy:
            print(f"To mend it, run:\n  {remedy}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
