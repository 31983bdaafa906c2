"""What a worker's memory estimate is worth: ``python -m tests.bench.memory``. One process for each row."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from inference import memory
from inference.model import ModelFile, demo_model
from inference.random_model import Shape, write
from inference.request import Request
from inference.runtime import CANONICAL, prepare
from tests.bench.engine import bare_model, large_model

GEMMA = Shape("gemma3", 640, 4, 2048, 4, 1, 256, 262_144, 8192, tied=True, window=512)
EXPERTS = Shape("llama", 512, 4, 1024, 8, 2, 64, 32_000, 4096, experts=8, experts_used=2)


def peak(file: ModelFile, slots: int, batch: int) -> int:
    """Bytes that this process held at most, after it answered in every slot."""
    from inference.engine import Engine

    engine = Engine(file, slots=slots, batch=batch)
    draft = tuple(range(40))
    for slot in range(slots):
        text = bytes([65 + slot]) * min(file.manifest.context_length - 60, 400)
        engine.submit(slot, Request(text, len(draft), draft=draft))
    while not engine.idle:
        engine.step()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def row(path: Path, context: int, slots: int, batch: int) -> None:
    """One line of the table, in this process."""
    prepare(CANONICAL)
    file = bare_model(path)
    file = replace(file, manifest=replace(file.manifest, context_length=context))
    need = memory.need(file.header, context=context, slots=slots, batch=batch)
    held = peak(file, slots, batch)
    print(f"{path.stem:<14}{context:>8}{slots:>6}{batch:>6}{need.total >> 20:>10}{held >> 20:>7}")


def main() -> None:
    """Print the table; MiB."""
    if len(sys.argv) > 1:
        context, slots, batch = map(int, sys.argv[2:])
        row(Path(sys.argv[1]), context, slots, batch)
        return
    print(f"{'model':<14}{'context':>8}{'slots':>6}{'batch':>6}{'estimate':>10}{'peak':>7}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        gemma, experts = Path(directory) / "gemma3.gguf", Path(directory) / "experts.gguf"
        write(gemma, GEMMA)
        write(experts, EXPERTS)
        large = large_model().path
        for path, *numbers in (
            (demo_model(), 1024, 4, 128),
            (demo_model().with_name("micro.gguf"), 512, 4, 128),
            (large, 2048, 4, 128),
            (large, 2048, 8, 512),
            (gemma, 4096, 4, 128),
            (gemma, 4096, 4, 512),
            (experts, 4096, 4, 128),
        ):
            command = [sys.executable, "-m", "tests.bench.memory", str(path), *map(str, numbers)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
