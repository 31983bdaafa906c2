"""Which directories a test network takes, cleans and refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from testnet.layout import DirectoryRefused, Layout, claim, load_state
from testnet.processes import Known, start_time


def test_a_new_directory_is_made_and_marked(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "a" / "net")
    state, lock = claim(layout)
    with lock:
        assert load_state(layout) == state
        assert layout.marker.stat().st_mode & 0o077 == 0, "the token is for the owner only"


def test_a_directory_of_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "logs").mkdir()
    with pytest.raises(DirectoryRefused, match="something else"):
        claim(Layout(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "thesis.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("")
    with pytest.raises(DirectoryRefused, match="not a directory"):
        claim(Layout(tmp_path / "net"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "token": "short"}'])
def test_a_marker_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    layout = Layout(tmp_path)
    layout.marker.write_text(text)
    (tmp_path / "logs").mkdir()
    with pytest.raises(DirectoryRefused, match="cannot be read"):
        claim(layout)
    assert (tmp_path / "logs").is_dir()


def test_a_second_claim_is_refused_while_the_first_is_held(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _, lock = claim(layout)
    with lock, pytest.raises(DirectoryRefused, match=r"running.*\n.*down\.sh"):
        claim(layout)


def test_a_claim_is_refused_while_a_process_of_the_network_runs(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    state, lock = claim(layout)
    lock.close()
    started = start_time(os.getpid())
    assert started is not None
    state.processes["node-0"] = Known("node-0", os.getpid(), started)
    state.save(layout)
    with pytest.raises(DirectoryRefused, match="running"):
        claim(layout)
    # The same number with another start time is a stranger's, and the network is over.
    state.processes["node-0"] = Known("node-0", os.getpid(), started - 1)
    state.save(layout)
    claim(layout)[1].close()


def test_only_the_remains_of_a_network_are_cleaned(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    first, lock = claim(layout)
    lock.close()
    layout.data(0).mkdir(parents=True)
    layout.deployer_key.parent.mkdir()
    layout.deployer_key.write_text("0x01")
    (tmp_path / "notes.txt").write_text("keep me")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("years of work")
    (tmp_path / "operators").symlink_to(elsewhere)
    second, lock = claim(layout)
    lock.close()
    assert first.token != second.token
    assert not layout.data(0).exists()
    assert not layout.deployer_key.exists()
    assert (tmp_path / "notes.txt").exists()
    assert (elsewhere / "thesis.txt").exists()
    assert json.loads(layout.marker.read_text())["processes"] == []


def test_without_a_network_there_is_nothing_to_stop(tmp_path: Path) -> None:
    with pytest.raises(DirectoryRefused, match=r"no test network.*up\.sh"):
        load_state(Layout(tmp_path))
