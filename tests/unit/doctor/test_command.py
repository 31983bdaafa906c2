"""What the command prints, and how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from inference.runtime import Check as RuntimeCheck
from p2pavs.cli.main import root
from p2pavs.doctor import examination, machine, runtime

NOBODY = ["--rpc", "http://127.0.0.1:1", "--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime has tests of its own, and neither the shell nor a busy or full machine counts."""
    monkeypatch.setattr(
        runtime, "run_check", lambda profile: [RuntimeCheck("llama.cpp", True, "as it should be")]
    )
    for name in ("CONFIG", "RPC", "DEPLOYMENT", "KEYS", "PASSWORD", "PASSWORD_FILE"):
        monkeypatch.delenv(f"P2PAVS_{name}", raising=False)
    monkeypatch.setattr(machine, "_measure_sync", lambda directory: 0.001)
    monkeypatch.setattr(machine, "_file_system_of", lambda directory: "ext4")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda directory: SimpleNamespace(free=10 << 30))
    monkeypatch.setattr(machine, "total_memory", lambda: 8 << 30)
    monkeypatch.setattr(examination, "available", lambda: 8 << 30)


def doctor(*options: str) -> Result:
    return CliRunner().invoke(root, ["doctor", *options])


def test_a_machine_without_a_node() -> None:
    found = doctor("--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0")
    assert found.exit_code == 0, found.output
    assert "  ok    llama.cpp: as it should be" in found.stdout
    assert "  -     chain: give --rpc" in found.stdout
    assert " 0 failed, 4 not looked at" in found.stdout


def test_each_failure_has_its_remedy_and_the_status_says_so() -> None:
    found = doctor(*NOBODY)
    assert found.exit_code == 8
    lines = found.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  FAIL  chain: "))
    assert lines[at + 1].startswith("        ") and lines[at + 1].strip()
    assert "checks failed: chain." in found.stderr


def test_json() -> None:
    found = doctor("--json", *NOBODY)
    content = json.loads(found.stdout)
    assert found.exit_code == 8 and content["passed"] is False
    (failed,) = [check for check in content["checks"] if check["status"] == "fail"]
    assert set(failed) == {"section", "name", "status", "detail", "remedy"}
    assert (failed["section"], failed["name"]) == ("chain", "chain")
    assert json.loads(found.stderr)["exitCode"] == 8


def test_what_is_broken_is_a_line_and_no_traceback(tmp_path: Path) -> None:
    broken = tmp_path / "deployment.json"
    broken.write_text("{")
    (tmp_path / "password").write_text("")
    found = doctor(
        *NOBODY,
        "--deployment",
        str(broken),
        "--keys",
        str(tmp_path),
        "--password-file",
        str(tmp_path / "password"),
    )
    assert found.exit_code == 8
    for name in ("deployment", "keys", "password file", "chain"):
        assert f"  FAIL  {name}: " in found.stdout, found.stdout


def test_a_data_directory_that_cannot_be_read_is_of_no_node_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "node.json"
    node.write_text(json.dumps({"pid": os.getpid(), "addresses": ["/ip4/192.0.2.1/tcp/4001"]}))
    assert examination._running(tmp_path) == ("/ip4/192.0.2.1/tcp/4001",)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as others:
        others.setattr(os, "kill", refuse)
        assert examination._running(tmp_path) == ("/ip4/192.0.2.1/tcp/4001",), "another user's node runs too"
    for content in ("{}", "[]", '{"pid": 1e400, "addresses": []}', '{"pid": 99999999999, "addresses": []}'):
        node.write_text(content)
        assert examination._running(tmp_path) == ()
    monkeypatch.setattr(Path, "open", refuse)
    assert examination._running(tmp_path) == ()


def test_quick_belongs_to_the_matrix() -> None:
    assert doctor("--quick").exit_code == 2


def test_it_takes_what_the_configuration_says_of_the_node(tmp_path: Path) -> None:
    config = tmp_path / "p2pavs.toml"
    config.write_text(
        '[node]\ndata = "data"\nlisten = "/ip4/192.0.2.1/tcp/4001"\napi = "127.0.0.1:0"\nthreads = 2\n'
        'model_directory = "files"\n'
    )
    (tmp_path / "files").mkdir()
    (tmp_path / "files/other.gguf").write_bytes(b"no model")
    (tmp_path / "files/other.json").write_text("{}")
    found = CliRunner().invoke(root, ["--config", str(config), "doctor"])
    assert found.exit_code == 8
    assert "FAIL  port: 192.0.2.1 port 4001" in found.stdout
    assert "FAIL  model other" in found.stdout and "model demo" not in found.stdout
    assert f"sign guard: {tmp_path / 'data'} is new" in found.stdout
