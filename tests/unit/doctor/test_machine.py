"""Processor, memory, disk: what is good, and what makes each check fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2pavs.doctor import machine
from p2pavs.doctor.check import Status

OLD = {"pni", "ssse3", "sse4_2", "avx"}
NEW = OLD | {"avx2", "f16c", "fma", "bmi2"}
GIB = 1 << 30


def test_this_machine_tells_its_features() -> None:
    flags = machine.cpu_flags()
    assert flags is not None and machine.processor(flags).status is Status.OK


@pytest.mark.parametrize(
    ("flags", "status", "text"),
    [
        (NEW, Status.OK, "avx2"),
        (OLD, Status.FAIL, "lacks avx2, bmi2, f16c, fma"),
        (NEW - {"pni"}, Status.FAIL, "lacks pni"),
        (None, Status.WARN, "does not list"),
    ],
)
def test_processor(flags: set[str] | None, status: Status, text: str) -> None:
    found = machine.processor(flags)
    assert found.status is status and text in found.detail and bool(found.remedy) == (status is not Status.OK)


def test_features_that_cannot_be_read(tmp_path: Path) -> None:
    assert machine.cpu_flags(tmp_path / "none") is None
    (tmp_path / "cpuinfo").write_text("processor : 0\n")
    assert machine.cpu_flags(tmp_path / "cpuinfo") is None


@pytest.mark.parametrize(
    ("needed", "free", "total", "running", "status"),
    [
        (GIB, 2 * GIB, 4 * GIB, False, Status.OK),
        (3 * GIB, 2 * GIB, 4 * GIB, False, Status.WARN),
        (3 * GIB, 2 * GIB, 4 * GIB, True, Status.OK),
        (5 * GIB, 6 * GIB, 4 * GIB, True, Status.FAIL),
        (GIB, None, None, False, Status.WARN),
    ],
)
def test_memory(needed: int, free: int | None, total: int | None, running: bool, status: Status) -> None:
    assert machine.memory(needed, free, total, running=running).status is status


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    info, group = tmp_path / "meminfo", tmp_path / "memory.max"
    info.write_text("MemTotal:        4096 kB\nMemFree: 1 kB\n")
    assert machine.total_memory(info, group) == 4096 * 1024
    group.write_text("max\n")
    assert machine.total_memory(info, group) == 4096 * 1024
    group.write_text("1048576\n")
    assert machine.total_memory(info, group) == 1048576
    assert machine.total_memory(tmp_path / "none", group) is None


@pytest.mark.parametrize(
    ("free", "status"), [(6 * GIB, Status.OK), (2 * GIB, Status.WARN), (GIB // 2, Status.FAIL)]
)
def test_disk_space(free: int, status: Status) -> None:
    assert machine.space(Path("/data"), free).status is status


@pytest.mark.parametrize(("seconds", "status"), [(0.001, Status.OK), (0.05, Status.WARN), (0.5, Status.FAIL)])
def test_disk_sync(seconds: float, status: Status) -> None:
    assert machine.sync_time(Path("/data"), seconds).status is status


@pytest.mark.parametrize(
    ("kind", "status"),
    [("ext4", Status.OK), ("tmpfs", Status.WARN), ("nfs4", Status.FAIL), (None, Status.SKIP)],
)
def test_file_system(kind: str | None, status: Status) -> None:
    assert machine.file_system(Path("/data"), kind).status is status


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    inner = tmp_path / "with space"
    inner.mkdir()
    escaped = str(inner).replace(" ", "\\040")
    mounts.write_text(f"a / ext4 rw 0 0\nb {escaped} nfs4 rw 0 0\nc {tmp_path}/other tmpfs rw 0 0\n")
    assert machine._file_system_of(inner, mounts) == "nfs4"
    assert machine._file_system_of(tmp_path, mounts) == "ext4"
    mounts.write_text("nonsense\n")
    assert machine._file_system_of(inner, mounts) is None


def test_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    found = machine.disk(tmp_path / "a" / "b")
    assert {check.name for check in found} == {"disk space", "disk sync", "file system"}
    assert str(tmp_path) in found[1].detail and list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> float:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine, "_measure_sync", refuse)
    found = machine.disk(tmp_path)[1]
    assert found.status is Status.FAIL and "cannot write" in found.detail


def test_open_files() -> None:
    assert machine.open_files(20_000).status is Status.OK
    assert machine.open_files(256).status is Status.WARN


def test_trusted_hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.trusted_hardware(tmp_path).detail == "none, and none is needed"
    (tmp_path / "sgx_enclave").touch()
    (tmp_path / "tpmrm0").touch()
    found = machine.trusted_hardware(tmp_path)
    assert (found.status, found.detail) == (Status.OK, "Intel SGX, TPM 2.0")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("tpmrm0"))
    found = machine.trusted_hardware(tmp_path)
    assert found.status is Status.WARN and "cannot open tpmrm0" in found.detail
