"""The command line without a chain: parsing, errors, settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from p2pavs.cli import settings
from p2pavs.cli.main import COMMANDS, root
from p2pavs.cli.options import account_address, parse_amount
from p2pavs.errors import UsageError
from p2pavs.exit_codes import ExitCode


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RPC", "DEPLOYMENT", "KEYS", "PASSWORD", "PASSWORD_FILE", "CONFIG", "TRACEBACK"):
        monkeypatch.delenv(f"P2PAVS_{name}", raising=False)
    settings.config.cache_clear()


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("1", 10**18),
        ("0.5", 5 * 10**17),
        ("32 eth", 32 * 10**18),
        ("20gwei", 20 * 10**9),
        ("1000wei", 1000),
        ("0", 0),
        ("0.000000000000000001", 1),
    ],
)
def test_amounts(text: str, wei: int) -> None:
    assert parse_amount(text) == wei


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1e3", ".5", "1.", "1.5wei", "0.0000000000000000001", "1,5", "٣", "1 2"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_amount(text)


ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def test_addresses() -> None:
    data = bytes.fromhex(ADDRESS[2:])
    for text in (ADDRESS, ADDRESS.lower(), "0x" + ADDRESS[2:].upper()):
        assert account_address(text) == data


@pytest.mark.parametrize(
    "text", ["", "0x", ADDRESS[:-1], ADDRESS[:-1] + "A", ADDRESS.replace("Fb", "fB"), "vitalik.eth"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(click.BadParameter):
        account_address(text)


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(root, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def leaves(command: click.Command) -> list[click.Command]:
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for inner in command.commands.values() for leaf in leaves(inner)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    command = root.get_command(click.Context(root), name)
    assert command is not None
    for leaf in leaves(command):
        assert leaf.help, leaf.name
        assert name == "node" or any("--json" in option.opts for option in leaf.params), leaf.name
    assert out.startswith("Usage")


def test_help_imports_no_command() -> None:
    program = (
        "import sys\nfrom p2pavs.cli.main import root\n"
        "root(['--help'], standalone_mode=False)\n"
        "heavy = {'web3', 'eth_account', 'libp2p', 'httpx', 'p2pavs.chain.rpc', 'trio'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "operator" in done.stdout


def test_an_error_is_a_sentence_and_a_remedy(tmp_path: Path) -> None:
    code, out, err = run("keys", "show", "--keys", str(tmp_path / "none"))
    assert (code, out) == (ExitCode.KEYS, "")
    assert "There is no" in err
    assert "p2pavs keys new" in err
    assert "Traceback" not in err


def test_an_error_as_json(tmp_path: Path) -> None:
    code, out, err = run("keys", "show", "--keys", str(tmp_path / "none"), "--json")
    assert (code, out) == (ExitCode.KEYS, "")
    assert json.loads(err)["error"] == "NoKeys"
    assert json.loads(err)["remedy"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "show"],
        ["epoch", "status"],
        ["operator", "status"],
        ["account", "balance", "--address", ADDRESS],
        ["account", "fund", "--to", ADDRESS, "--amount", "0", "--rpc", "http://127.0.0.1:1"],
        ["operator", "stake", "--amount", "1x"],
        ["nonsense"],
    ],
)
def test_wrong_usage_has_status_two(arguments: list[str]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert err


def test_keys_are_made_and_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("with spaces \n")
    options = ["--password-file", str(tmp_path / "password"), "--json"]
    code, out, _ = run("keys", "new", "--keys", str(tmp_path / "keys"), "--insecure-fast-kdf", *options)
    assert code == 0
    made = json.loads(out)
    code, out, _ = run("keys", "show", "--verify", "--keys", str(tmp_path / "keys"), *options)
    assert (code, json.loads(out)) == (0, made)
    (tmp_path / "password").write_text("with spaces\n")
    code, _, err = run("keys", "show", "--verify", "--keys", str(tmp_path / "keys"), *options)
    assert code == ExitCode.KEYS
    assert json.loads(err)["error"] == "WrongPassword"
    code, _, err = run("keys", "new", "--keys", str(tmp_path / "keys"), "--insecure-fast-kdf", *options)
    assert (code, json.loads(err)["error"]) == (ExitCode.KEYS, "KeysExist")


def test_without_a_terminal_there_is_no_prompt(tmp_path: Path) -> None:
    code, _, err = run("keys", "new", "--keys", str(tmp_path / "keys"), "--insecure-fast-kdf")
    assert code == 2
    assert "no password" in err
    assert not (tmp_path / "keys").exists()


def test_the_password_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PAVS_PASSWORD", "secret-word")
    code, out, err = run("keys", "new", "--keys", str(tmp_path / "keys"), "--insecure-fast-kdf")
    assert code == 0
    assert "secret-word" not in out + err


@pytest.mark.parametrize("content", ["", "zz" * 32, "0x12", "a" * 5000, "ab" * 33])
def test_a_key_file_that_holds_no_key_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    code, out, err = run(
        "account", "fund", "--to", ADDRESS, "--amount", "1", "--rpc", "http://127.0.0.1:1",
        "--key-file", str(tmp_path / "key"),
    )  # fmt: skip
    assert code == 2
    assert not content or content not in out + err


def test_a_configuration_file_gives_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text('rpc = "http://127.0.0.1:1"\ndeployment = "d.json"\nnodes = ["http://127.0.0.1:2"]\n')
    monkeypatch.setenv("P2PAVS_CONFIG", str(config))
    assert settings.text_setting("rpc") == "http://127.0.0.1:1"
    assert settings.text_setting("deployment") == str(tmp_path / "d.json")
    assert settings.list_setting("nodes") == ("http://127.0.0.1:2",)
    assert settings.text_setting("keys") is None
    code, _, err = run("epoch", "status")
    assert code == 1
    assert str(tmp_path / "d.json") in err


@pytest.mark.parametrize(
    "content", [b"rpc = 5", b"other = 'x'", b"nodes = [1]", b"= =", b"\xff", b"#" * 70_000]
)
def test_a_configuration_file_that_is_wrong_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    monkeypatch.setenv("P2PAVS_CONFIG", str(tmp_path / "config.toml"))
    with pytest.raises(UsageError, match=r"config\.toml"):
        settings.text_setting("rpc")


def test_an_unexpected_failure_shows_no_traceback(tmp_path: Path) -> None:
    program = (
        "from p2pavs.cli import main\n"
        "main.COMMANDS['keys'] = ('p2pavs.nothing:x', '')\n"
        "import sys\nsys.argv = ['p2pavs', 'keys']\nmain.run()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "P2PAVS_TRACEBACK" in done.stderr
    assert "Traceback (most" not in done.stderr
