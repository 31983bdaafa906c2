"""What the README promises: one command, and a certificate is on the chain; another, and all is gone."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import openai
import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


def test_up_ask_and_down(tmp_path: Path) -> None:
    directory = tmp_path / "net"
    up = subprocess.run(
        [ROOT / "testnet/up.sh", "--nodes", "4", "--detach", "--openai", "--dir", directory],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        assert "valid: task 1" in up.stdout
        binary = Path(os.environ.get("P2PAVS_VENV", ROOT / ".venv")) / "bin/p2pavs"
        again = subprocess.run(
            [binary, "request", "swap 5 ETH for USDC", "--choices", "transfer,swap,sandwich", "--json"],
            env={**os.environ, "P2PAVS_CONFIG": str(directory / "p2pavs.toml")},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout)["answer"] == "swap"
        found = re.search(r"OPENAI_BASE_URL=(\S+) OPENAI_API_KEY=(\S+)", up.stdout)
        assert found is not None
        assert found[2] not in (directory / "logs" / "commands.log").read_text()
        with openai.OpenAI(base_url=found[1], api_key=found[2], timeout=600) as client:
            said = client.chat.completions.create(
                model="demo",
                messages=[{"role": "user", "content": "swap 5 ETH for USDC"}],
                extra_body={"p2pavs": {"choices": ["transfer", "swap", "sandwich"]}},
            )
        assert said.choices[0].message.content == "swap"
    finally:
        down = subprocess.run(
            [ROOT / "testnet/down.sh", "--dir", directory],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert down.returncode == 0, down.stdout + down.stderr


def test_up_on_a_terminal(tmp_path: Path) -> None:
    """The live view: it ends with Ctrl-C, and nothing is left running."""
    ours, terminal = pty.openpty()
    up = subprocess.Popen(
        [ROOT / "testnet/up.sh", "--nodes", "4", "--dir", tmp_path / "net"],
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "60"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        said = _read_until(ours, b"certificate verified from the chain", 1800)
        _read_until(ours, b"explorer", 240)
        os.killpg(up.pid, signal.SIGINT)
        rest = _read_until(ours, b"stopped", 300)
        assert up.wait(240) == 0
    finally:
        up.kill()
        os.close(ours)
    assert b"\x1b[" in said
    assert b"stopping ..." in rest
    for phase in ("committee drawn", "one BLS signature", "checked by the contract", " treasury "):
        assert phase.encode() in said, phase


def _read_until(terminal: int, wanted: bytes, seconds: float) -> bytes:
    said = b""
    deadline = time.monotonic() + seconds
    while wanted not in said:
        assert time.monotonic() < deadline, said[-4000:].decode(errors="replace")
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # the program has ended
            piece = b""
        assert piece, said[-4000:].decode(errors="replace")
        said += piece
    return said
