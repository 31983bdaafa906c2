"""The systemd unit, the container file and the compose file, by the tools of those who use them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from inference.runtime import _VERSION
from p2pavs.cli.node import node
from tests.monitoring import PACKAGING

UNIT = PACKAGING / "systemd" / "p2pavs.service"
CONTAINER = PACKAGING / "container" / "Containerfile"
COMPOSE = PACKAGING / "container" / "compose.yaml"


def tool(name: str) -> str:
    """A program of the virtual environment."""
    path = Path(sys.executable).with_name(name)
    assert path.is_file(), f"{name} is missing: pip install '.[dev]'"
    return str(path)


def options_of(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def known_options(command: click.Command) -> set[str]:
    return {flag for parameter in command.params for flag in parameter.opts}


class Repeated(dict[str, Any]):
    """Values of keys that a unit may name several times."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def unit() -> RawConfigParser:
    parser = RawConfigParser(strict=False, dict_type=Repeated, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    return parser


def test_the_unit_starts_a_node_with_options_it_has() -> None:
    words = shlex.split(unit()["Service"]["ExecStart"])
    assert words[:2] == ["/opt/p2pavs/.venv/bin/p2pavs", "node"]
    assert options_of(words) <= known_options(node)


def test_the_unit_gives_the_node_no_more_than_it_needs() -> None:
    service = unit()["Service"]
    for name in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict" and service["CapabilityBoundingSet"] == ""
    assert "AF_INET6" in service["RestrictAddressFamilies"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    # The program is not where the unit expects it.
    text = UNIT.read_text().replace("/opt/p2pavs/.venv/bin/p2pavs", shutil.which("true") or "")
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(copy)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert rated.returncode == 0, rated.stdout[-300:]


def test_hadolint_takes_the_container_file() -> None:
    done = subprocess.run([tool("hadolint"), str(CONTAINER)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_container_has_the_networks_llama_cpp_and_everything_the_program_needs() -> None:
    text = CONTAINER.read_text()
    assert f"llama-cpp-python=={_VERSION}" in text
    root = PACKAGING.parent
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (root / name).exists(), name
    (words,) = re.findall(r"^CMD \[(.+)\]$", text, re.MULTILINE)
    assert options_of(re.findall(r'"([^"]+)"', words)) <= known_options(node)


def test_the_compose_file_is_one() -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_starts_a_node_with_options_it_has() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["node"]
    assert service["command"][0] == "node" and options_of(service["command"]) <= known_options(node)
    variables = {parameter.envvar for parameter in node.params if isinstance(parameter, click.Option)}
    assert set(service["environment"]) <= variables
    assert not any("4002" in str(port) for port in service["ports"]), "the API has no password"


def test_every_variable_of_the_compose_file_has_an_example() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    example = COMPOSE.with_name(".env.example").read_text()
    assert wanted == set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert os.sep not in example.partition("P2PAVS_PASSWORD_FILE=")[2].splitlines()[0].removeprefix("./")
