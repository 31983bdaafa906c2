"""``p2pavs keys``: words, imports, backups and slashing protection, as an operator types them."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from p2pavs import keystore
from p2pavs.cli import settings
from p2pavs.cli.main import root
from p2pavs.exit_codes import ExitCode
from p2pavs.keystore import Secret
from p2pavs.storage import DataDirectory
from tests.unit.node.test_protection import BINDING


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RPC", "DEPLOYMENT", "KEYS", "PASSWORD_FILE", "CONFIG"):
        monkeypatch.delenv(f"P2PAVS_{name}", raising=False)
    monkeypatch.setenv("P2PAVS_PASSWORD", "pw")
    monkeypatch.setenv("P2PAVS_INSECURE_FAST_KDF", "1")
    settings.config.cache_clear()


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(root, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return done.output if status else done.stdout


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_words_bring_keys_back() -> None:
    made = run_json("keys", "new", "--keys", "a", "--mnemonic-out", "words", "--index", "2")
    words = Path("words")
    assert len(words.read_text().split()) == 24
    assert stat.S_IMODE(words.stat().st_mode) == 0o600
    assert words.read_text().split()[3] not in json.dumps(made).split()
    back = run_json("keys", "recover", "--keys", "b", "--mnemonic-file", "words", "--index", "2")
    assert back == {**made, "directory": "b"}
    assert run_json("keys", "show", "--verify", "--keys", "b") == back
    other = run_json("keys", "recover", "--keys", "c", "--mnemonic-file", "words")
    assert other["address"] != made["address"]


def test_wrong_words_make_nothing() -> None:
    Path("words").write_text("abandon " * 12)
    said = run("keys", "recover", "--keys", "b", "--mnemonic-file", "words", status=ExitCode.USAGE)
    assert "no mnemonic" in said and "abandon" not in said
    assert not Path("b").exists()


def test_words_are_not_written_over_a_file() -> None:
    Path("words").write_text("mine")
    run("keys", "new", "--keys", "a", "--mnemonic-out", "words", status=ExitCode.USAGE)
    assert Path("words").read_text() == "mine" and not Path("a").exists()


def test_key_files_of_other_programs_are_imported() -> None:
    first = keystore.create(Path("first"), "theirs", Secret(bytes(31) + b"\x07"), insecure_fast_kdf=True)
    Path("their-password").write_text("theirs\n")
    options = ["--account", "first/account.json", "--consensus", "first/consensus.json"]
    run("keys", "import", "--keys", "second", *options, status=ExitCode.KEYS)
    assert not Path("second").exists()
    run("keys", "import", "--keys", "second", *options, "--their-password-file", "their-password")
    second = keystore.load(Path("second"), "pw")
    assert second.account_secret == first.account_secret
    assert second.consensus_secret == first.consensus_secret
    assert second.peer_seed != first.peer_seed
    run("keys", "import", "--keys", "third", status=ExitCode.USAGE)


def test_a_backup_is_restored() -> None:
    made = run_json("keys", "new", "--keys", "a")
    run("keys", "backup", "--keys", "a", "--out", "backup.json")
    run("keys", "backup", "--keys", "a", "--out", "backup.json", status=ExitCode.USAGE)
    assert run_json("keys", "restore", "backup.json", "--keys", "b") == {**made, "directory": "b"}
    run("keys", "restore", "backup.json", "--keys", "b", status=ExitCode.KEYS)


def test_protection_moves_to_another_directory() -> None:
    with DataDirectory(Path("old")) as directory:
        directory.bind(BINDING)
        directory.database.transaction(
            lambda connection: connection.execute(
                "INSERT INTO signatures VALUES (7,0,?,2,0,?,?)", (b"r" * 32, b"s" * 32, b"x" * 96)
            )
        )
        assert "another node is running" in run(
            "keys", "protection", "export", "--data", "old", "--out", "p.json", status=ExitCode.IN_USE
        )
    assert run_json("keys", "protection", "export", "--data", "old", "--out", "p.json")["statements"] == 1
    assert run_json("keys", "protection", "import", "--data", "new", "p.json")["added"] == 1
    assert run_json("keys", "protection", "import", "--data", "new", "p.json")["added"] == 0
    options = ["--data", "new", "--out", "minimal.json", "--minimal"]
    assert run_json("keys", "protection", "export", *options)["signNothingBelow"] == 8
    Path("p.json").write_text(Path("p.json").read_text().replace("31337", "1"))
    said = run("keys", "protection", "import", "--data", "new", "p.json", status=1)
    assert "chain 1" in said
    run("keys", "protection", "export", "--data", "nowhere", "--out", "x", status=ExitCode.USAGE)
    assert not Path("nowhere").exists()
