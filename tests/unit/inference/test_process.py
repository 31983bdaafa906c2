"""A worker process that cannot be started, or that says something else than being ready."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from inference.errors import WorkerStartFailed
from inference.process import Settings, WorkerProcess
from inference.runtime import CANONICAL
from inference.stats import Meter


@dataclass(frozen=True, slots=True)
class Another(Settings):
    """Starts another program."""

    program: str = ""

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.program]


def another(program: str) -> Settings:
    return Another(Path("model.gguf"), CANONICAL, 1, 1, 1, 600.0, 600.0, program)


@pytest.mark.parametrize("program", ["print('loading the model')", "print('\\0\\0\\0\\1x')"])
async def test_nonsense_is_a_start_that_failed(program: str) -> None:
    with pytest.raises(WorkerStartFailed, match="nonsense"):
        await WorkerProcess.start(another(program), Meter())


async def test_a_machine_that_starts_no_more_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_process(*_: Any, **__: Any) -> trio.Process:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    with pytest.raises(WorkerStartFailed, match="cannot be started"):
        await WorkerProcess.start(another(""), Meter())
