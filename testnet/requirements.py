"""What the machine must have before a set-up can work, each with the Debian command that gives it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# The instruction sets of the canonical build of llama.cpp, as /proc/cpuinfo spells them.
CANONICAL_CPU_FLAGS = frozenset({"sse4_2", "avx", "avx2", "fma", "f16c", "bmi2"})
OLDEST_NODE = 18  # of Debian 12; anvil itself runs without Node


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing the machine lacks: what it is, why it is needed, and what to do."""

    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}\n      needed for {self.why}\n      {self.remedy}"


def missing_on_this_machine() -> list[Missing]:
    """Everything that is missing, in one list, so that one command can mend it all."""
    found = [_processor(), _python_venv(), _python_headers()]
    programs = (
        (os.environ.get("CC", "gcc"), "building llama.cpp", "apt install build-essential"),
        (os.environ.get("CXX", "g++"), "building llama.cpp", "apt install build-essential"),
        ("cmake", "building llama.cpp", "apt install cmake"),
        ("npm", "installing the development chain (anvil)", "apt install npm"),
    )
    for program, why, remedy in programs:
        if shutil.which(program) is None:
            found.append(Missing(program, why, remedy))
    found += [_node(), _gmp_header()]
    return [item for item in found if item is not None]


def _processor() -> Missing | None:
    why = "the canonical build of llama.cpp, whose bits all nodes share"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        this = f"{sys.platform} on {platform.machine()}"
        return Missing("Linux on x86-64", why, f"This machine is {this}: use an x86-64 Linux machine.")
    lacking = CANONICAL_CPU_FLAGS - _cpu_flags(Path("/proc/cpuinfo"))
    if lacking:
        names = ", ".join(sorted(lacking))
        return Missing(f"a processor with {names}", why, "Use an x86-64 processor of 2013 or later.")
    return None


def _cpu_flags(cpuinfo: Path) -> frozenset[str]:
    for line in cpuinfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def _python_venv() -> Missing | None:
    if all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return None
    return Missing(
        "the Python modules venv and ensurepip", "the virtual environment", "apt install python3-venv"
    )


def _python_headers() -> Missing | None:
    if (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return None
    return Missing("Python.h", "building fastecdsa, which libp2p depends on", "apt install python3-dev")


def _gmp_header() -> Missing | None:
    """libp2p pins fastecdsa 2.3.2, published as source only: it compiles against GMP."""
    compiler = os.environ.get("CC", "gcc")
    if shutil.which(compiler) is None:
        return None  # named already, and nothing can be said about headers without it
    done = subprocess.run(
        [compiler, "-E", "-x", "c", "-"],
        input="#include <gmp.h>\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return Missing("gmp.h", "building fastecdsa, which libp2p depends on", "apt install libgmp-dev")


def _node() -> Missing | None:
    why = "the Solidity compiler that the tests use"
    remedy = (
        f"apt install nodejs (version {OLDEST_NODE} or later; for an older Debian see https://nodejs.org)"
    )
    if shutil.which("node") is None:
        return Missing("node", why, remedy)
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = said.removeprefix("v").split(".")[0]
    if major.isdigit() and int(major) >= OLDEST_NODE:
        return None
    return Missing(f"node {OLDEST_NODE} or later (this is {said or 'one that does not start'})", why, remedy)
