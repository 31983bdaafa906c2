"""What a worker's memory estimate is worth: ``python -m tests.bench.memory``. One process for each row."""

from __future__ import annotations

import argparse
import json
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
from p2pavs.bench.part import run, say
from p2pavs.bench.result import Cell, Result
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
    """The estimate and the peak in MiB, printed as JSON: in a process of its own."""
    prepare(CANONICAL)
    file = bare_model(path)
    file = replace(file, manifest=replace(file.manifest, context_length=context))
    need = memory.need(file.header, context=context, slots=slots, batch=batch)
    held = peak(file, slots, batch)
    print(json.dumps([need.total >> 20, held >> 20]))


def measure(options: argparse.Namespace) -> Result:
    """Every model in a process of its own."""
    rows: list[tuple[Cell, ...]] = []
    demo = demo_model()
    small = [(demo, 1024, 4, 128), (demo.with_name("micro.gguf"), 512, 4, 128)]
    with tempfile.TemporaryDirectory() as directory:
        for path, *numbers in small if options.quick else [*small, *large(Path(directory))]:
            context, slots, batch = numbers
            say(f"{path.stem}, context {context}, {slots} slots, batch {batch}")
            command = [sys.executable, "-m", "tests.bench.memory", "--one", str(path), *map(str, numbers)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            estimate, held = json.loads(done.stdout)
            rows.append((path.stem, context, slots, batch, estimate, held))
    result = Result()
    result.table(("model", "context", "slots", "batch", "estimate MiB", "peak MiB"), rows)
    return result


def large(directory: Path) -> list[tuple[Path, int, int, int]]:
    """Models that have to be made first, with random weights."""
    say("making models of random weights")
    gemma, experts = directory / "gemma3.gguf", directory / "experts.gguf"
    write(gemma, GEMMA)
    write(experts, EXPERTS)
    half_billion = large_model().path
    return [
        (half_billion, 2048, 4, 128),
        (half_billion, 2048, 8, 512),
        (gemma, 4096, 4, 128),
        (gemma, 4096, 4, 512),
        (experts, 4096, 4, 128),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        row(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        sys.exit(run(measure, repeats=None, description=__doc__))
