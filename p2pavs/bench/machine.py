"""The machine, and what else was on it: without that a time says nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Processor, cores, memory and software, as the report of a benchmark names them."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "software": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("llama-cpp-python", "libp2p", "ckzg")},
        },
    }


def load() -> float:
    """Processes that ran or wanted to, the mean of the last minute."""
    return round(os.getloadavg()[0], 2)


def described(found: Mapping[str, Any]) -> str:
    """The machine in one sentence."""
    software = ", ".join(f"{name} {number}" for name, number in found["software"].items() if number)
    return (
        f"{found['cores']} cores of {found['processor']}, {found['memory_gb']:.0f} GB of memory, "
        f"{found['system']}; {software}"
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
