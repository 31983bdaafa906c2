"""Processor, memory, disk, trusted hardware."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from inference.runtime import CANONICAL
from p2pavs.doctor.check import Check, fail, ok, skip, warn

NODE_BYTES: Final = 200 << 20
"""What a node takes besides its model workers."""

LEAST_SPACE, ENOUGH_SPACE = 1 << 30, 5 << 30
SLOW_SYNC, TOO_SLOW_SYNC = 0.02, 0.2  # seconds
SYNCS: Final = 20
LEAST_FILES: Final = 1024
NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "glusterfs", "ceph"}
)

_FLAGS: Final = {"SSE3": "pni"}  # where /proc/cpuinfo has another name than llama.cpp
_TEE: Final = {
    "sgx_enclave": "Intel SGX",
    "tdx_guest": "Intel TDX guest",
    "tdx-guest": "Intel TDX guest",
    "sev-guest": "AMD SEV-SNP guest",
    "tpmrm0": "TPM 2.0",
}


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str] | None:
    """Return the processor's features as the system names them; None where it does not tell."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return None


def processor(flags: Collection[str] | None) -> Check:
    """Whether the processor has what the runtime profile computes with."""
    name = "processor"
    if flags is None:
        return warn(name, "the system does not list its features", "See that the golden test below is ok.")
    wanted = sorted({_FLAGS.get(one, one.lower()) for one in CANONICAL.required} | {"sse4_2"})
    missing = [flag for flag in wanted if flag not in flags]
    if missing:
        return fail(
            name,
            f"lacks {', '.join(missing)}",
            "Use an x86-64 processor of 2013 or later; in a virtual machine pass the host's model through.",
        )
    return ok(name, f"{os.cpu_count()} cores with {', '.join(wanted)}")


def total_memory(
    path: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup/memory.max")
) -> int | None:
    """Return the bytes this machine, or this process's group, may use at most; None where nobody tells."""
    found: list[int] = []
    try:
        with path.open(encoding="ascii") as file:
            found += [int(line.split()[1]) * 1024 for line in file if line.startswith("MemTotal:")]
        found.append(int(group.read_text()))
    except (OSError, ValueError):
        pass  # "max" is no number: no limit
    return min(found, default=None)


def memory(needed: int, free: int | None, total: int | None, *, running: bool) -> Check:
    """Whether the models fit. ``needed`` is in bytes; ``running``: a node has loaded them already."""
    name, text = "memory", f"the node and its models take up to {_mib(needed)}"
    if free is None or total is None:
        return warn(
            name, f"{text}; the system does not tell how much there is", "Make sure that it has that."
        )
    if needed > total:
        return fail(
            name, f"{text}, and there are {_mib(total)}", "Serve fewer or smaller models, or add memory."
        )
    if needed > free and not running:
        return warn(name, f"{text}, and {_mib(free)} are free", "Stop other programs before the node starts.")
    return ok(name, f"{text}; {_mib(free)} of {_mib(total)} are free")


def disk(directory: Path) -> list[Check]:
    """Look at a directory's space and file system, and at how long a synced write takes there."""
    where = _existing(directory)
    checks = [space(where, shutil.disk_usage(where).free)]
    try:
        checks.append(sync_time(where, _measure_sync(where)))
    except OSError as error:
        checks.append(
            fail("disk sync", f"cannot write in {where}: {error.strerror}", "Make it writable for this user.")
        )
    checks.append(file_system(where, _file_system_of(where)))
    return checks


def space(where: Path, free: int) -> Check:
    """Whether there is room for the database: about 3 kB for each task that is kept."""
    name, text = "disk space", f"{_mib(free)} free at {where}"
    remedy = "Free some space: a node that cannot write signs nothing."
    if free < LEAST_SPACE:
        return fail(name, text, remedy)
    return ok(name, text) if free >= ENOUGH_SPACE else warn(name, text, remedy)


def sync_time(where: Path, seconds: float) -> Check:
    """Whether votes, each of which waits for the disk, leave in time. ``seconds`` for one synced write."""
    name, text = "disk sync", f"a synced write takes {1000 * seconds:.1f} ms at {where}"
    remedy = "Use a local SSD for --data: every signature waits for the disk."
    if seconds > TOO_SLOW_SYNC:
        return fail(name, text, remedy)
    return ok(name, text) if seconds <= SLOW_SYNC else warn(name, text, remedy)


def file_system(where: Path, kind: str | None) -> Check:
    """Whether what is written there survives a restart, and locks hold."""
    name = "file system"
    if kind is None:
        return skip(name, "the system does not tell of which kind it is")
    if kind in NETWORK_FILE_SYSTEMS:
        return fail(name, f"{where} is on {kind}", "Use a local disk: locks and synced writes must hold.")
    if kind in ("tmpfs", "ramfs"):
        return warn(
            name,
            f"{where} is on {kind}, which a restart of the machine empties",
            "Use a disk for --data: a node that has lost its sign guard risks its stake.",
        )
    return ok(name, kind)


def open_files(limit: int) -> Check:
    """Whether the process may open enough files and connections."""
    name, text = "open files", f"{limit} at once"
    if limit < LEAST_FILES:
        return warn(name, text, f"Allow {LEAST_FILES} (ulimit -n, LimitNOFILE=): each peer takes one.")
    return ok(name, text)


def trusted_hardware(devices: Path = Path("/dev")) -> Check:
    """Report which trusted hardware is there. Nothing needs it."""
    name = "trusted hardware"
    there = [device for device in _TEE if (devices / device).exists()]
    if not there:
        return ok(name, "none, and none is needed")
    closed = [device for device in there if not os.access(devices / device, os.R_OK | os.W_OK)]
    if closed:
        return warn(
            name,
            f"{', '.join(_TEE[one] for one in closed)}: this user cannot open {', '.join(closed)}",
            "Add the user to the device's group, if you want to use it. Nothing needs it.",
        )
    return ok(name, ", ".join(dict.fromkeys(_TEE[one] for one in there)))


def needed_memory(models: Sequence[int]) -> int:
    """Return the bytes of a node with models that need so many each."""
    return NODE_BYTES + sum(models)


def _existing(directory: Path) -> Path:
    """Return the directory, or the nearest one above it that is there."""
    directory = directory.absolute()
    while not directory.is_dir():
        directory = directory.parent
    return directory


def _measure_sync(directory: Path) -> float:
    """Return the median of some synced writes, in seconds."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(SYNCS):
            begin = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _file_system_of(directory: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    best: tuple[int, str] | None = None
    resolved = directory.resolve()
    try:
        for line in mounts.read_text(errors="replace").splitlines():
            _, point, kind, *_ = line.split()
            mount = Path(point.encode().decode("unicode_escape"))
            if resolved.is_relative_to(mount) and (best is None or len(point) >= best[0]):
                best = (len(point), kind)
    except (OSError, ValueError):
        return None
    return None if best is None else best[1]


def _mib(size: int) -> str:
    return f"{size >> 20:,} MiB"
