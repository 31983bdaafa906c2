"""The configuration file, ``init``, completion, and what holds for every command."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from p2pavs.cli import settings
from p2pavs.cli.main import COMMANDS, root
from p2pavs.cli.node import node
from p2pavs.cli.node_table import default_map, options_of
from p2pavs.errors import UsageError
from p2pavs.exit_codes import MEANING, ExitCode

PEER = "12D3KooWFj69gKQLdohVxzxFh68vkZJSf1FeJnDNUdN4u8Nz2Qyg"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("P2PAVS_"):
            monkeypatch.delenv(name)
    settings.config.cache_clear()


def run(*arguments: str, status: int = 0, **environment: str) -> str:
    settings.config.cache_clear()
    done = CliRunner(env=environment).invoke(root, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return done.output if status else done.stdout


def configured(text: str) -> settings.Config:
    Path("c.toml").write_text(text)
    return settings.read_config(Path("c.toml"))


def test_the_table_gives_defaults_of_the_node() -> None:
    found = configured('[node]\ndata = "d"\nbootstrap = ["/a", "/b"]\nthreads = 4\nmodel = ["demo"]\n')
    values = default_map(found, node)
    assert values == {"data": "d", "bootstrap": ["/a", "/b"], "threads": 4, "served": ["demo"]}


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/c.toml").write_text('keys = "k"\n[node]\ndata = "d"\n')
    found = settings.read_config(tmp_path / "etc/c.toml")
    assert found.shared["keys"] == str(tmp_path / "etc/k")
    assert default_map(found, node)["data"] == str(tmp_path / "etc/d")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("nothing = 1", "unknown"),
        ("rpc = 'x'", "top of the file"),
        ("threads = 0", "cannot be used"),
        ("threads = 'many'", "a whole number"),
        ("threads = true", "a whole number"),
        ("threads = 2.5", "a whole number"),
        ("threads = inf", "a whole number"),
        ("poster_delay = nan", "not a number"),
        ("mdns = 'yes'", "true or false"),
        ("data = ''", "empty"),
        ("bootstrap = '/a'", "a list of texts"),
        ("data = ['a']", "one text"),
        ("supplement = 'sometimes'", "cannot be used"),
    ],
)
def test_what_the_table_may_not_have(table: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"c\.toml") as refused:
        default_map(configured(f"[node]\n{table}\n"), node)
    assert said in str(refused.value)
    text = run("--config", "c.toml", "node", status=ExitCode.USAGE)
    assert "c.toml" in text


def test_the_command_line_wins_over_the_environment_and_that_over_the_file() -> None:
    Path("c.toml").write_text('rpc = "http://file"\n[node]\ndata = "d"\napi = "file:1"\n')
    seen: list[Any] = []
    original = node.callback

    def remember(**given: Any) -> None:
        seen.append(given)

    node.callback = remember
    try:
        run("node", P2PAVS_CONFIG="c.toml")
        run("node", P2PAVS_CONFIG="c.toml", P2PAVS_NODE_API="environment:1", P2PAVS_RPC="http://environment")
        run("node", "--api", "option:1", P2PAVS_CONFIG="c.toml", P2PAVS_NODE_API="environment:1")
    finally:
        node.callback = original
    assert [one["api"] for one in seen] == ["file:1", "environment:1", "option:1"]
    assert [one["data"] for one in seen] == [Path("d")] * 3
    assert seen[0]["listen"] == "/ip4/0.0.0.0/tcp/4001"


def test_check_shows_where_settings_come_from() -> None:
    Path("c.toml").write_text('rpc = "http://user:secret@host/key"\n[node]\nthreads = 2\n')
    content = json.loads(run("config", "check", "--json", P2PAVS_CONFIG="c.toml", P2PAVS_NODE_DATA="here"))
    assert content["ok"] is True
    by_name = {one["name"]: one for one in content["settings"]}
    assert by_name["node.threads"] == {
        "name": "node.threads",
        "value": "2",
        "source": "file",
        "problem": None,
    }
    assert by_name["node.data"]["source"] == "$P2PAVS_NODE_DATA"
    assert "secret" not in json.dumps(content) and "key" not in by_name["rpc"]["value"]


def test_check_names_what_cannot_be_used() -> None:
    Path("pw").write_text("x")
    os.chmod("pw", 0o644)
    Path("c.toml").write_text('rpc = "host"\ndeployment = "none"\nkeys = "none"\npassword_file = "pw"\n')
    text = run("config", "check", "c.toml", status=ExitCode.USAGE)
    for said in ("no http URL", "none", "There is no", "chmod 600", "4 settings"):
        assert said in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('rpc = "ws://x"', "http"),
        ('nodes = ["http://x", "y"]', "http"),
        ('models = "c.toml"', "no directory"),
        ('[node]\nlisten = "/dns4/x/tcp/1"', "not an interface"),
        ('[node]\nannounce = ["/ip4/0.0.0.0/tcp/1"]', "cannot be dialled"),
        ('[node]\nbootstrap = ["/ip4/192.0.2.7/tcp/4001"]', "who answers there"),
        ('[node]\napi = "4002"', "HOST:PORT"),
        ('[node]\nmodel = ["nowhere.gguf"]', "no file"),
        ('[node]\nmodel = ["nothing"]', "nothing"),
        ('[node]\nopenai = "none"', "none"),
    ],
)
def test_check_reads_values_as_the_node_does(line: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(Path.cwd()))
    Path("c.toml").write_text(line)
    text = run("config", "check", "c.toml", status=ExitCode.USAGE)
    assert said in text and "Cannot be used" in text


def test_a_models_path_is_relative_to_the_file_and_a_name_is_none() -> None:
    Path("etc").mkdir()
    Path("etc/c.toml").write_text('[node]\nmodel = ["demo", "models/x.gguf"]\n')
    assert default_map(settings.read_config(Path("etc/c.toml")), node)["served"] == [
        "demo",
        "etc/models/x.gguf",
    ]


@pytest.mark.parametrize("content", [b"\xff", b"a = [", b"a = " + b"[" * 60_000, b"#" * 70_000, b'rpc = ""'])
def test_a_file_that_is_no_configuration(content: bytes) -> None:
    Path("c.toml").write_bytes(content)
    assert "c.toml" in run("config", "check", "c.toml", status=ExitCode.USAGE)


def test_without_a_file_check_says_how_to_begin() -> None:
    assert "p2pavs init" in run("config", "check")
    listed = json.loads(run("config", "list", "--json"))["settings"]
    assert {"rpc", "node.data", "node.doppelganger_wait"} <= {one["name"] for one in listed}
    assert set(options_of(node)) == {one["name"].removeprefix("node.") for one in listed} - set(
        settings.SHARED
    )


def test_init_writes_what_config_reads() -> None:
    peers = [f"/ip4/192.0.2.{n}/tcp/4001/p2p/{PEER}" for n in (1, 2)]
    said = run(
        "init",
        "--yes",
        "--out",
        "p.toml",
        "--rpc",
        "http://x",
        "--bootstrap",
        peers[0],
        "--bootstrap",
        peers[1],
    )
    for step in ("> password", "keys new --keys keys", "deployment.json", "config check"):
        assert step in said
    found = settings.read_config(Path("p.toml"))
    assert found.shared["rpc"] == "http://x" and found.shared["nodes"] == ("http://127.0.0.1:4002",)
    values = default_map(found, node)
    assert values["bootstrap"] == peers and values["announce"] == [] and values["data"] == "data"
    assert Path("p.toml").read_text().count("#") > 10
    assert oct(Path("p.toml").stat().st_mode & 0o777) == "0o600"
    assert "exists" in run("init", "--yes", "--out", "p.toml", status=ExitCode.USAGE)
    for strange in ('quo"te\\ü', "a\x7fb\nc"):
        run("init", "--yes", "--out", "p.toml", "--force", "--data", strange)
        assert settings.read_config(Path("p.toml")).node["data"] == strange


@pytest.mark.parametrize(
    ("option", "value"),
    [("--data", "\udcff"), ("--listen", "here"), ("--api", "x"), ("--rpc", "x"), ("--announce", "/a"),
     ("--keys", "")],
)  # fmt: skip
def test_init_writes_nothing_where_an_answer_cannot_be_used(option: str, value: str) -> None:
    run("init", "--yes", option, value, status=ExitCode.USAGE)
    assert list(Path().iterdir()) == []
    Path("p2pavs.toml").write_text("mine")
    run("init", "--yes", "--force", option, value, status=ExitCode.USAGE)
    assert Path("p2pavs.toml").read_text() == "mine"


def test_init_asks_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--yes" in run("init", status=ExitCode.USAGE)
    from p2pavs.cli import init

    monkeypatch.setattr(init.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    asked: list[str] = []

    def answer(text: str, default: str, value_proc: Callable[[str], str], **_: Any) -> str:
        asked.append(text)
        if "endpoint" not in text:
            return value_proc(default)
        with pytest.raises(click.BadParameter):
            value_proc("no URL")
        return value_proc("http://answer")

    monkeypatch.setattr(init.click, "prompt", answer)
    init.init.main(["--out", "p.toml", "--data", "given"], standalone_mode=False)
    assert len(asked) == len(init.QUESTIONS) - 1, "what an option says is not asked"
    assert settings.read_config(Path("p.toml")).shared["rpc"] == "http://answer"


def test_options_come_from_variables_of_their_names() -> None:
    for path, command in everything():
        for option in command.params:
            if isinstance(option, click.Option) and option.envvar is None:
                assert path == "init" and not option.allow_from_autoenv
            elif isinstance(option, click.Option) and option.allow_from_autoenv:
                assert str(option.envvar).startswith("P2PAVS_")  # shared by commands
    Path("c.toml").write_text("")
    found = json.loads(
        run("config", "check", "c.toml", P2PAVS_CONFIG_CHECK_JSON="1", P2PAVS_NODE_MODEL="nowhere.gguf",
            status=ExitCode.USAGE).splitlines()[0]
    )  # fmt: skip
    assert found["settings"][0]["source"] == "$P2PAVS_NODE_MODEL"
    assert "'x' is no node's API" in run("status", P2PAVS_STATUS_NODE="x", status=ExitCode.USAGE)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["request", "--bogus"], 2, "--bogus"),
        (["request"], 2, "PROMPT"),
        (["nonsense"], 2, "nonsense"),
        (["task", "show", "x"], 2, "NUMBER"),
        (["status", "--node", "x"], 2, "http"),
        (["model", "remove", "nothing"], 1, "nothing"),
    ],
)
def test_every_error_is_json_where_json_is_wanted(words: list[str], status: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "p2pavs", *words, "--json"], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    told = json.loads(done.stderr)
    assert done.returncode == status == told["exitCode"] and done.stdout == ""
    assert set(told) == {"error", "exitCode", "message", "remedy"} and said in told["message"]


def test_a_node_that_is_down_is_in_the_table_and_in_the_exit_status() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        said = run("status", "--node", url, status=ExitCode.UNREACHABLE)
    assert f"{url}  down" in said and f"1 of 1 nodes do not answer: {url}." in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    assert "_P2PAVS_COMPLETE" in run("completion", shell)


def test_completion_loads_no_command() -> None:
    program = (
        "import sys\nfrom p2pavs.cli.main import root\n"
        "try:\n    root(prog_name='p2pavs')\nexcept SystemExit:\n    pass\n"
        "heavy = {'web3', 'eth_account', 'libp2p', 'httpx', 'p2pavs.chain.rpc', 'trio'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    environment = {
        **os.environ,
        "_P2PAVS_COMPLETE": "bash_complete",
        "COMP_WORDS": "p2pavs ke",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "plain,keys\n"), done.stderr


def leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(" ".join(path), command)]
    return [leaf for name, inner in command.commands.items() for leaf in leaves(inner, (*path, name))]


def everything() -> list[tuple[str, click.Command]]:
    found = []
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        found += leaves(command, (name,))
    return found


@pytest.mark.parametrize(("path", "command"), everything(), ids=[path for path, _ in everything()])
def test_every_command_teaches_by_example(path: str, command: click.Command) -> None:
    assert command.help is not None and "Example" in command.help
    assert f"p2pavs {path}" in command.help.split("Example", 1)[1]


def groups(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, click.Group]]:
    if not isinstance(command, click.Group):
        return []
    inner = [found for name, one in command.commands.items() for found in groups(one, (*path, name))]
    return [(" ".join(path), command), *inner]


def test_the_lines_of_a_groups_commands_fit_80_columns() -> None:
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        for path, group in groups(command, (name,)):
            room = 80 - 6 - max(map(len, group.commands))
            for inner, one in group.commands.items():
                line = one.get_short_help_str(room)
                assert line and not line.endswith("..."), f"{path} {inner}: {line}"


def test_what_is_missing_can_be_said_in_three_ways() -> None:
    said = run("task", "show", "1", status=2)
    assert "--deployment" in said and "$P2PAVS_DEPLOYMENT" in said and "'deployment'" in said


def test_a_key_directory_is_named_by_one_option() -> None:
    for path, command in everything():
        names = {name for param in command.params for name in param.opts}
        assert "--dir" not in names, path
        if path.startswith("keys ") and not path.startswith("keys protection"):
            assert "--keys" in names, path


def test_a_configuration_that_is_not_there_can_be_written() -> None:
    said = run("config", "check", "nowhere.toml", status=2)
    assert "There is no configuration nowhere.toml" in said
    assert "p2pavs init --out nowhere.toml" in said and "config check" not in said


def test_the_root_tells_exit_statuses() -> None:
    text = run("--help")
    for code, meaning in MEANING.items():
        assert str(int(code)) in text and meaning.split()[0] in text
    assert set(MEANING) == set(ExitCode)


def test_operators_read_the_same_exit_statuses() -> None:
    """The table in the manual is that of the code."""
    manual = (Path(__file__).parents[2] / "docs/operators.md").read_text()
    for code, meaning in MEANING.items():
        assert f"| {int(code)} | {meaning} |" in manual


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    from p2pavs.cli.output import note, progress

    @click.command()
    def speak() -> None:
        progress("busy")
        note("important")

    assert CliRunner().invoke(speak).stderr == "important\n"
    assert CliRunner(env={"P2PAVS_PROGRESS": "always"}).invoke(speak).stderr == "busy\nimportant\n"
