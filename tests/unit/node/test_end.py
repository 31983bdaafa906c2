"""What the log says of a node that ended by itself. In processes of their own: the log is set up for good."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import sys
from contextlib import asynccontextmanager
import trio
from p2pavs.cli.node import run_node
from p2pavs.errors import P2pavsError
from p2pavs.node import Node

class Broken:
    async def run(self, **_):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise eval(sys.argv[1])

@asynccontextmanager
async def opened(config, parts):
    yield Broken()

Node.open = opened
run_node(None, 1.0)
"""


def end(error: str) -> tuple[int, list[dict[str, Any]]]:
    """Let a node end with an error; the exit status and the log."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, error], capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"')]


def test_a_fault_that_ends_a_node_is_logged_with_its_traceback() -> None:
    status, log = end("ValueError('nobody foresaw this')")
    assert status != 0
    (line,) = log
    assert (line["event"], line["level"]) == ("node_failed", "critical")
    assert "nobody foresaw this" in line["exception"] and "in run" in line["exception"]


@pytest.mark.parametrize(
    "error", ["P2pavsError('the chain is another one')", "ExceptionGroup('', [P2pavsError('so')])"]
)
def test_a_named_error_is_the_command_lines_to_tell(error: str) -> None:
    status, log = end(error)
    assert status != 0
    assert log == []
