"""Write or check the manifest of a model that an operator brings, without llama.cpp in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from inference.errors import BY_NAME, EngineError
from inference.model import Manifest, read_manifest


async def add_model(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    template: str | None = None,
    add_bos: bool = False,
    stop: Sequence[str] = (),
    stop_token_ids: Sequence[int] = (),
    context_length: int | None = None,
    prompts: Sequence[str] = (),
    threads: int = 1,
) -> Manifest:
    """Compute hashes and golden digest of the GGUF file at ``path`` and write NAME.json beside it.

    Without ``template`` the file's own chat template counts. Two nodes that give the same arguments get the
    same manifest. Raises DamagedModel, ManifestError, RuntimeMismatch, NotEnoughMemory or EngineError.
    """
    command = [f"--threads={threads}", *(f"--stop={s}" for s in stop), *(f"--prompt={p}" for p in prompts)]
    command += [f"--stop-token={t}" for t in stop_token_ids]
    command += [f"--template={template}"] if template is not None else []
    command += [f"--name={name}"] if name is not None else []
    command += [f"--context={context_length}"] if context_length is not None else []
    command += ["--add-bos"] if add_bos else []
    await _golden(path, command)
    return read_manifest(path)


async def check_model(path: str | os.PathLike[str], *, threads: int = 1) -> None:
    """Hash a model file and compute its golden digest, in odd batches too, against the manifest beside it.

    Raises DamagedModel, ManifestError, RuntimeMismatch, NotEnoughMemory or EngineError.
    """
    await _golden(path, ["--check", f"--threads={threads}"])


async def _golden(path: str | os.PathLike[str], options: list[str]) -> None:
    command = [sys.executable, "-m", "inference.golden", str(path), *options]
    root = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = await trio.run_process(
        command,
        stdout=subprocess.DEVNULL,
        capture_stderr=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode == 0:
        return
    last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1][:4000]
    kind, _, message = last.partition(": ")
    if kind in BY_NAME:
        raise BY_NAME[kind](message)
    raise EngineError(
        f"the process that computes the golden digest ended with code {done.returncode}: {last}"
    )
