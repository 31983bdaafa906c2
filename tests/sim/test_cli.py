"""``p2pavs sim`` as its users see it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from p2pavs.cli.main import root
from p2pavs.exit_codes import ExitCode


def sim(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["sim", *arguments])


def content(*arguments: str) -> dict[str, Any]:
    result = sim(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_small_network_decides_every_task() -> None:
    result = sim("--nodes", "7", "--tasks", "5")
    assert result.exit_code == 0
    assert "5 of 5" in result.output
    assert "safety violations" in result.output


def test_ten_thousand_nodes_and_a_drawn_committee() -> None:
    options = (
        "--nodes",
        "10000",
        "--committee",
        "16",
        "--byzantine",
        "0.2",
        "--tasks",
        "3",
        "--stake",
        "zipf",
    )
    found = content(*options, "--adversary", "equivocate,lazy")
    assert found["tasks"] == found["decided"] == 3
    assert found["safetyViolations"] == 0
    assert 1 <= found["members"]["max"] <= 16
    assert found["bytesPerMember"]["published"]["p50"] > 500


def test_the_same_seed_gives_the_same_numbers() -> None:
    options = ("--nodes", "20", "--committee", "7", "--byzantine", "0.3", "--tasks", "4", "--loss", "0.2")
    one, same, other = (content(*options, "--seed", seed) for seed in ("5", "5", "6"))
    for found in (one, same, other):
        del found["seconds"], found["settings"]
    assert one == same != other


@pytest.mark.parametrize("latency", ["constant:30", "uniform:5:60", "lognormal:60:0.8", "regions:0.2"])
def test_latency_models(latency: str) -> None:
    found = content("--nodes", "5", "--tasks", "2", "--latency", latency, "--crash", "1", "--gst", "1000")
    assert found["decided"] == 2


def test_a_run_that_breaks_an_invariant_says_how_to_replay_it(tmp_path: Path) -> None:
    """Liars with more than two thirds get their lie certified; the command printed shows the same again."""
    options = ["--nodes", "10", "--byzantine", "0.8", "--adversary", "wrong_output", "--tasks", "3"]
    result = sim(*options, "--seeds", "3:5")
    assert result.exit_code == ExitCode.CHECK_FAILED
    assert "no honest member's own" in result.output
    line = next(line for line in result.output.splitlines() if "p2pavs sim" in line)
    command = shlex.split(line[line.index("p2pavs sim") :])
    trace = tmp_path / "trace.jsonl"
    command[command.index("--trace") + 1] = str(trace)
    again = sim(*command[2:])
    assert again.exit_code == ExitCode.CHECK_FAILED
    assert "1 of 1 runs broke an invariant" in again.output
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert "begin" in lines[0]
    assert "no honest member's own" in lines[-1]["end"]
    steps = lines[1:-1]
    assert {"ms", "node", "member", "input", "effects"} == set(steps[0])
    assert any("SignVote" in effect for step in steps for effect in step["effects"])


def test_violations_are_in_the_json(tmp_path: Path) -> None:
    result = sim(
        "--nodes", "10", "--byzantine", "0.8", "--adversary", "wrong-output", "--tasks", "1", "--json"
    )
    assert result.exit_code == ExitCode.CHECK_FAILED
    found = json.loads(result.stdout)
    assert found["safetyViolations"] == 1
    assert "Replay it with" in json.loads(result.stderr)["remedy"]


def test_stakes_from_a_file(tmp_path: Path) -> None:
    table = tmp_path / "stakes.csv"
    table.write_text("operator,stake\n0x01,300\n0x02,200\n0x03,100\n0x04,100\n")
    assert content("--stake", str(table), "--tasks", "2")["members"]["max"] == 4


@pytest.mark.parametrize(
    "text", ["", "stake\n", "stake\n1\n-2\n", "stake\n1\n0\n", "1\nx\n", f"1\n{'9' * 60}\n"]
)
def test_a_file_that_is_no_stake_table_is_refused(tmp_path: Path, text: str) -> None:
    table = tmp_path / "stakes.csv"
    table.write_text(text)
    result = sim("--stake", str(table))
    assert result.exit_code == 2
    assert str(table) in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--adversary", "nobody", "--byzantine", "0.1"),
        ("--latency", "slow"),
        ("--latency", "uniform:9:1"),
        ("--latency", "constant:nan"),
        ("--seeds", "5"),
        ("--seeds", "5:5"),
        ("--seeds", "a:b"),
        ("--nodes", "1000"),
        ("--stake", "/no/such/file"),
        ("--trace", "/no/such/folder/trace"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...]) -> None:
    result = sim(*arguments)
    assert result.exit_code == 2, result.output
    assert "Error" in result.output


def test_real_signatures() -> None:
    assert content("--nodes", "4", "--tasks", "1", "--real-signatures")["decided"] == 1
