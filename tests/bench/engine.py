"""What answers cost, and what it saves to compute several together: ``python -m tests.bench.engine``.

The engine in this process, without pipes. Models: the demo model, and one of random weights of the size of
Qwen2-0.5B (Q8_0, 528 MB, kept in the cache directory). Processor time is of the whole process, all threads.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from inference.gguf_header import read_header
from inference.model import FORMAT, Golden, Manifest, ModelFile, demo_model
from inference.random_model import SHAPES, write
from inference.request import Generation, Request
from inference.runtime import CANONICAL, prepare
from p2pavs.bench.part import run, say
from p2pavs.bench.result import Cell, Result

LARGE = "qwen2-0.5b"
CONCURRENT = (1, 4, 8)


def large_model() -> ModelFile:
    """The model of 0.5 billion parameters, written once."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "p2pavs"
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{LARGE}.gguf"
    if not path.exists():
        write(path, SHAPES[LARGE], quantized=True)
    return bare_model(path)


def bare_model(path: Path) -> ModelFile:
    """A model with a manifest that is good for measuring only: nothing in it is checked."""
    golden = Golden(("-",), 1, "0" * 64)
    size = path.stat().st_size
    template = "<|user|>{input}<|answer|>"
    manifest = Manifest(FORMAT, path.stem, "0" * 64, size, template, False, (), (), 1024, golden)
    return ModelFile(path, manifest, read_header(path))


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: tokens of all answers, seconds of the clock and of the processor, seconds in llama.cpp."""

    tokens: int
    clock: float
    processor: float
    library: float
    steps: int


def requests(count: int, tokens: int, temperature: int) -> list[Request]:
    """Requests with different short prompts, so that nearly all the work is for the answers."""
    seed = sha256(b"benchmark").digest()
    text = b"Task %d:"
    return [
        Request(text % number, tokens, temperature_milli=temperature, seed=number, task_seed=seed)
        for number in range(1, count + 1)
    ]


class Bench:
    """One loaded model."""

    def __init__(self, file: ModelFile, threads: int) -> None:
        from inference import llama
        from inference.engine import Engine

        self.engine = Engine(file, slots=max(CONCURRENT), threads=threads)
        self._library = 0.0
        decode = llama.lib.llama_decode

        def timed(*arguments: object) -> int:
            begin = time.perf_counter()
            code = decode(*arguments)
            self._library += time.perf_counter() - begin
            return code

        llama.lib.llama_decode = timed

    def together(self, some: Sequence[Request]) -> tuple[Cost, list[Generation]]:
        """Answer requests at the same time; prompts are read in the first steps and count."""
        for slot in range(max(CONCURRENT)):
            self.engine._slots.cut(slot, 0)  # else the prompts would be known from the run before
        library, steps = self._library, 0
        begin, processor = time.perf_counter(), time.process_time()
        answers: dict[int, Generation] = {}
        for key, request in enumerate(some):
            answer = self.engine.submit(key, request)
            if answer is not None:
                raise RuntimeError("a request of the benchmark was rejected")
        while not self.engine.idle:
            answers.update(self.engine.step())
            steps += 1
        clock, processor = time.perf_counter() - begin, time.process_time() - processor
        found = [answers[key] for key in range(len(some))]
        tokens = sum(answer.token_count for answer in found)
        return Cost(tokens, clock, processor, self._library - library, steps), found


def best(bench: Bench, some: Sequence[Request], runs: int) -> tuple[Cost, list[Generation]]:
    """The run that took least processor time: what else runs on the machine only adds."""
    return min((bench.together(some) for _ in range(runs)), key=lambda found: found[0].processor)


def row(title: str, cost: Cost) -> tuple[Cell, ...]:
    """One line of the table."""
    python = 100 * (1 - cost.library / cost.clock)
    each = 1000 * cost.processor / cost.tokens
    return title, cost.tokens, cost.tokens / cost.clock, each, round(python), cost.steps


def one_model(
    file: ModelFile, tokens: int, threads: int, runs: int, temperature: int
) -> list[tuple[Cell, ...]]:
    """The table of one model, at a temperature (thousandths) at which answers go on."""
    bench = Bench(file, threads)
    bench.together(requests(1, 4, 0))  # the file comes into memory
    rows = []
    for count in CONCURRENT:
        say(f"generate {count} at once")
        some = requests(count, tokens, temperature)
        cost, answers = best(bench, some, runs)
        rows.append(row(f"generate {count} at once", cost))
    drafts = [replace(r, draft=a.token_ids) for r, a in zip(some, answers, strict=True)]
    for count in CONCURRENT:
        say(f"check {count} at once")
        checked, again = best(bench, drafts[:count], runs)
        if [replace(a, draft_accepted=0) for a in again] != answers[:count]:
            raise RuntimeError("checking gave other bits than generating")
        rows.append(row(f"check {count} at once", checked))
    half = CONCURRENT[-1] // 2
    cost, _ = best(bench, [*some[:half], *drafts[half:]], runs)
    rows.append(row(f"generate {half} and check {half} at once", cost))
    bench.engine.close()
    return rows


def measure(options: argparse.Namespace) -> Result:
    """A table for each model."""
    prepare(CANONICAL)
    result = Result()
    columns = ("", "tokens", "tokens/s", "CPU ms each", "% Python", "steps")
    which = "demo" if options.quick else options.model
    if which != "large":
        tokens = 50 if options.quick else 200
        rows = one_model(ModelFile.open(demo_model()), tokens, options.threads, options.repeats, 20_000)
        result.table(columns, rows, f"demo model, {options.threads} thread(s), up to {tokens} tokens")
    if which != "demo":
        say("the model of 0.5 billion parameters")
        rows = one_model(large_model(), 24, options.threads, 1, 800)
        result.table(columns, rows, f"0.5 B parameters, Q8_0, {options.threads} thread(s), 24 tokens")
    result.notes.append(
        f"Best of {options.repeats} by processor time (the large model: one run). The engine runs in this "
        "process, without pipes."
    )
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", choices=("demo", "large", "both"), default="both")
    parser.add_argument("--threads", type=int, default=1)


if __name__ == "__main__":
    sys.exit(run(measure, add_options=add_options, description=__doc__))
