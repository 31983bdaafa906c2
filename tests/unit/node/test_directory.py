"""The data directory: one process, one chain, one key."""

from __future__ import annotations

import fcntl
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from p2pavs.errors import P2pavsError
from p2pavs.storage import DataDirectory, DirectoryInUse, ForeignData, StorageError
from tests.unit.open_files import open_below

IDENTITY = {"chain": "31337", "gateway": "0x11", "operator": "0xaa", "genesis": "cc"}

HOLDER = """
import sys, time
from pathlib import Path
from p2pavs.storage import DataDirectory
with DataDirectory(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"
            with pytest.raises(DirectoryInUse, match="another node is running"):
                DataDirectory(tmp_path)
        finally:
            holder.send_signal(signal.SIGKILL)
    with DataDirectory(tmp_path) as directory:  # a lock of a dead process is no lock
        directory.bind(IDENTITY)


def test_the_lock_is_released_at_the_end(tmp_path: Path) -> None:
    for _ in range(2):
        with DataDirectory(tmp_path), pytest.raises(DirectoryInUse):
            DataDirectory(tmp_path)


def test_the_lock_is_not_kept_by_children(tmp_path: Path) -> None:
    with DataDirectory(tmp_path):
        child = subprocess.Popen(["sleep", "600"], close_fds=False)
    try:
        with DataDirectory(tmp_path):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_the_same_identity_is_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with DataDirectory(tmp_path) as directory:
            directory.bind(IDENTITY)


@pytest.mark.parametrize("name", IDENTITY)
def test_anything_foreign_is_refused(tmp_path: Path, name: str) -> None:
    with DataDirectory(tmp_path) as directory:
        directory.bind(IDENTITY)
    with DataDirectory(tmp_path) as directory:
        with pytest.raises(ForeignData, match=f"belongs to {name} {IDENTITY[name]}, not other"):
            directory.bind(IDENTITY | {name: "other"})
        directory.bind(IDENTITY)  # the refused one changed nothing


def test_a_refused_identity_leaves_nothing_behind(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        directory.bind({"chain": "31337"})
        with pytest.raises(ForeignData):
            directory.bind({"gateway": "0x99", "chain": "1"})
        directory.bind({"gateway": "0x11", "chain": "31337"})


def test_a_damaged_database_is_named_and_the_lock_is_free_again(tmp_path: Path) -> None:
    (tmp_path / "node.sqlite").write_bytes(b"garbage" * 1000)
    for _ in range(2):
        with pytest.raises(StorageError, match="cannot open the node's database"):
            DataDirectory(tmp_path)


def test_a_file_in_its_place_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(P2pavsError, match="cannot use the data directory"):
        DataDirectory(tmp_path / "data")


def test_a_disk_without_locks_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(P2pavsError, match=r"cannot lock the data directory .*No locks available"):
        DataDirectory(tmp_path)
    assert open_below(tmp_path) == []


def test_a_new_directory_is_its_owners_alone(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "a" / "b") as directory:
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
