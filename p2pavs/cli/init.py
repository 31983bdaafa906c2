"""``p2pavs init``: a commented configuration out of a few answers."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from p2pavs import toml_file
from p2pavs.cli.config_problems import node_problem, problem
from p2pavs.cli.files import refuse_existing, write_whole
from p2pavs.cli.options import json_option
from p2pavs.cli.output import show
from p2pavs.cli.settings import SHARED, VARIABLE, Config, understand
from p2pavs.errors import UsageError


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what stands in the file if nobody answers."""

    flag: str
    text: str
    default: str
    node: bool = False
    many: bool = False


QUESTIONS = (
    Question("rpc", "Ethereum JSON-RPC endpoint", "http://127.0.0.1:8545"),
    Question("deployment", "Deployment file", "deployment.json"),
    Question("keys", "Key directory", "keys"),
    Question("password_file", "File with the keys' password", "password"),
    Question("data", "Data directory of the node", "data", node=True),
    Question("listen", "Where peers connect", "/ip4/0.0.0.0/tcp/4001", node=True),
    Question(
        "announce", "Address that peers should dial, if another (empty: none)", "", node=True, many=True
    ),
    Question("bootstrap", "A running node, with /p2p/PEER (empty: none)", "", node=True, many=True),
    Question("api", "HOST:PORT of the local API", "127.0.0.1:4002", node=True),
)


def _options(command: click.Command) -> click.Command:
    for question in reversed(QUESTIONS):
        flag = "--" + question.flag.replace("_", "-")
        help_text = f"{question.text}." + (" Repeatable." if question.many else "")
        option = click.Option([flag], multiple=question.many, help=help_text, allow_from_autoenv=False)
        command.params.insert(0, option)
    return command


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default="p2pavs.toml", show_default=True, help="File to write."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--yes", is_flag=True, help="Ask nothing: what no option says is as the defaults are.")
@json_option
def init(out: Path, force: bool, yes: bool, **given: str | tuple[str, ...] | None) -> None:
    """Write a commented configuration file for an operator, asking what no option says.

    \b
    Examples:
      p2pavs init
      p2pavs init --yes --rpc http://127.0.0.1:8545 --announce /dns4/node.example.org/tcp/4001
    """
    refuse_existing(out, replace=force)
    if not yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on.", "Give --yes, and options for what should differ.")
    answers: dict[str, list[str]] = {}
    for question in QUESTIONS:
        said = given[question.flag]
        if said is None or said == ():
            said = question.default if yes else _ask(question)
        answers[question.flag] = [said] if isinstance(said, str) else list(said)
        if wrong := _wrong(question, answers[question.flag]):
            flag = f"--{question.flag.replace('_', '-')}"
            raise UsageError(f"The value of {flag} cannot be used: {wrong}.", "Give another one.")
    raw = render(answers).encode(errors="surrogateescape")
    found = _understood(out, raw)
    write_whole(out, raw, replace=force)
    steps = _steps(out, found)
    show({"file": str(out), "next": steps}, f"{out} is written. Next:", *(f"  {step}" for step in steps))


def _understood(out: Path, raw: bytes) -> Config:
    """Read the answers as they will be read from the file. Raises ``UsageError``, before it is written."""
    try:
        return understand(out, toml_file.parse(raw))
    except ValueError:
        raise UsageError("One of the answers is not valid text.", "Give it in UTF-8.") from None


def _wrong(question: Question, values: list[str]) -> str:
    """Return what is wrong with an answer, empty where nothing is."""
    if question.node:
        present = tuple(value for value in values if value) if question.many else tuple(values)
        return node_problem(question.flag, present, None)
    return problem("rpc", values[0]) if question.flag == "rpc" else ""


def _steps(out: Path, found: Config) -> list[str]:
    """Return what is left to do, as commands."""
    steps = [f"export {VARIABLE}={shlex.quote(str(out.absolute()))}"]
    where = {name: str(found.shared[name]) for name in ("deployment", "keys", "password_file")}
    if not Path(where["deployment"]).exists():
        steps.append(f"# put the network's deployment file at {where['deployment']}")
    if not Path(where["password_file"]).exists():
        target = shlex.quote(where["password_file"])
        steps.append(f"(umask 077; head -c 24 /dev/urandom | base64 > {target})")
    if not Path(where["keys"]).exists():
        steps.append(f"p2pavs keys new --keys {shlex.quote(where['keys'])}")
    return [*steps, "p2pavs config check", "p2pavs doctor"]


def render(answers: dict[str, list[str]]) -> str:
    """Return the file's text."""
    lines = [
        "# Configuration of p2pavs: for all commands where $P2PAVS_CONFIG or --config names it.",
        "# The environment ($P2PAVS_RPC, $P2PAVS_NODE_LISTEN, ...) wins over it, and options win over both.",
        "# Paths are relative to this file. All settings: p2pavs config list. To check: p2pavs config check.",
        "",
    ]
    for question in QUESTIONS:
        if not question.node:
            lines += [f"# {SHARED[question.flag].help}", _line(question, answers[question.flag]), ""]
    api = answers["api"][0]
    lines += [f"# {SHARED['nodes'].help}", f"nodes = {json.dumps(['http://' + api])}", ""]
    lines += ["# What 'p2pavs node' runs with: its options, with _ for -.", "[node]"]
    for question in QUESTIONS:
        if question.node:
            lines += [f"# {question.text}.", _line(question, answers[question.flag]), ""]
    return "\n".join(lines)


def _line(question: Question, values: list[str]) -> str:
    present = [value for value in values if value]
    value = json.dumps(present if question.many else values[0], ensure_ascii=False)
    return f"{question.flag} = {value}".replace("\x7f", "\\u007f")  # which TOML wants escaped, JSON does not


def _ask(question: Question) -> str:
    def checked(said: str) -> str:
        if wrong := _wrong(question, [said]):
            raise click.BadParameter(wrong)  # and it is asked again
        return said

    answer = click.prompt(
        question.text,
        default=question.default,
        show_default=bool(question.default),
        value_proc=checked,
        err=True,
    )
    return str(answer)


_options(init)
