"""The examples as the README and their own pages show them, all on one network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Testnet

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
NODES = 4


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    with Testnet.start(tmp_path_factory.mktemp("e2e") / "net", NODES) as running:
        yield running


Run = Callable[..., str]


@pytest.fixture
def run(net: Testnet) -> Run:
    def example(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", f"examples.{name}", *arguments],
            cwd=ROOT,
            env={**os.environ, "P2PAVS_CONFIG": str(net.network.layout.config)},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        print(done.stdout)
        return done.stdout

    return example


def _line(said: str, name: str) -> str:
    """The last line that begins with a word."""
    return [line for line in said.splitlines() if line.split()[0] == name][-1].removeprefix(name).strip()


def test_proposal_triage(run: Run) -> None:
    said = run("proposal_triage", "raise the swap fee from 0.25% to 0.3%")
    assert _line(said, "answer") == "parameter"
    assert _line(said, "contract").startswith("parameter: votes stay open until ")
    task = re.search(r"task (\d+)", said)
    assert task is not None
    read = run("read_certificate", task[1])
    assert "raise the swap fee" in _line(read, "question") and _line(read, "answer") == "parameter"


def test_sandwich_watch(run: Run) -> None:
    said = run("sandwich_watch", "buys TOKEN right before a large swap and sells it right after")
    assert (_line(said, "answer"), _line(said, "contract")) == (
        "sandwich",
        "answered: True, a sandwich: True",
    )


def test_fact_check(run: Run) -> None:
    ask = ("fact_check", "pay 20,000 USDC to the audit team for Q3", "--question")
    said = run(*ask, "Is this proposal about treasury?")
    assert (_line(said, "answer"), _line(said, "voted")) == ("yes", "1 for it, 0 against it")
    said = run(*ask, "Is this proposal about membership?")
    assert (_line(said, "answer"), _line(said, "contract")) == ("no", "the vote on proposal 1 is refused")


def test_loan_desk(run: Run) -> None:
    """The demo model knows nothing of loans: only the form of the answer is certain."""
    said = run("loan_desk", "5,000 USDC for a year, 8,000 USDC of ETH as collateral")
    score = json.loads(_line(said, "answer"))["score"]
    assert 1 <= score <= 100
    assert _line(said, "contract") == f"score {score}, so {(300 + 20 * score) / 100:.1f}% a year"


def test_innkeeper(run: Run) -> None:
    """Here too: one of the six lines, and the mood that belongs to it."""
    said = run("innkeeper", "Good evening! Have you got a room?")
    assert (
        _line(said, "contract")
        == {
            "A room? Of course, friend.": "friendly: a room costs 5 coins",
            "Sit down, the soup is hot.": "friendly: a room costs 5 coins",
            "Coins first, then we talk.": "wary: a room costs 10 coins",
            "I have seen you before.": "wary: a room costs 10 coins",
            "Get out of my inn!": "angry: no room for you",
            "No room for the likes of you.": "angry: no room for you",
        }[_line(said, "answer")]
    )


def test_a_refusal_names_the_remedy(net: Testnet) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.loan_desk", "me"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("P2PAVS_")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "export P2PAVS_CONFIG=" in done.stderr
