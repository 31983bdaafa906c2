"""The determinism matrix: every way of computing an answer, for many models, compared bit for bit.

This side plans and compares; ``matrix_cells`` computes, in processes of its own, because llama.cpp may crash.
For every model the reference is: one thread, one sequence in the context, token by token, nothing reused.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import IO, Any

from inference.errors import EngineError
from inference.runtime import CANONICAL, RuntimeProfile

MICRO_BATCHES = (1, 7, 8, 17, 64, 512)
THREADS = (1, 2, 3)
COMPANY = ("alone", "among 8")
PHASES = ("generation", "prefill")
CACHES = ("cold", "kept prefix", "copied prefix")
SHAPES = ("llama", "qwen2", "gemma2", "gemma3", "mixtral")
COMMON_TYPES = ("F16", "Q8_0", "Q4_0", "Q4_K_M")
OTHER_TYPES = (
    "F32", "BF16", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q2_K_S", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q5_K_S",
    "Q5_K_M", "Q6_K", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "IQ3_S",
    "IQ3_M", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "Q1_0", "Q2_0", "NVFP4",
)  # fmt: skip
PROCESSORS = ("Haswell", "Skylake-Client", "EPYC")
_PUBLISHED = Path(__file__).parent / "models" / "matrix.json"
_SILENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way of computing. The bits must not depend on it."""

    threads: int
    micro: int
    company: str
    phase: str
    cache: str

    def __str__(self) -> str:
        parts = (self.company, self.phase, self.cache)
        return f"{self.threads} threads, micro-batch {self.micro}, {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is computed: models (shape and weight type), and the ways of each."""

    models: tuple[tuple[str, str], ...]
    threads: tuple[int, ...] = THREADS
    micro: tuple[int, ...] = MICRO_BATCHES

    @property
    def ways(self) -> list[Way]:
        """Every combination."""
        return [Way(*values) for values in product(self.threads, self.micro, COMPANY, PHASES, CACHES)]


def full_plan() -> Plan:
    """All weight types that llama.cpp can make for one architecture, the common ones for all of them."""
    common = [(shape, weights) for shape in SHAPES for weights in COMMON_TYPES]
    others = [("llama", weights) for weights in OTHER_TYPES]
    return Plan((*common, *others, ("mixtral", "MXFP4_MOE")))


def reduced_plan() -> Plan:
    """Seconds instead of minutes: what a change of the build most likely breaks."""
    models = [("llama", "Q4_K_M"), ("qwen2", "Q8_0"), ("gemma3", "Q4_0"), ("mixtral", "F16")]
    return Plan(tuple(models), (1, 2), (1, 8, 64))


@dataclass(slots=True)
class Outcome:
    """What became of one model. ``differing`` names each way that gave other bits, and where first."""

    shape: str
    weights: str
    cells: int = 0
    differing: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""
    published: str | None = None
    seconds: float = 0.0
    unmade: str = ""
    """Why there is no such model: llama.cpp cannot make the type."""
    crash: str = ""

    @property
    def passed(self) -> bool:
        """Whether all bits were the published ones. A type that cannot be made is no failure."""
        if self.unmade:
            return True
        return not self.crash and not self.differing and self.published in (None, self.digest)


@dataclass(slots=True)
class Emulation:
    """All models again on an emulated processor, or why not."""

    processor: str
    models: int = 0
    differing: list[str] = field(default_factory=list)
    skipped: str = ""
    crash: str = ""

    @property
    def passed(self) -> bool:
        """Whether the bits were the same, as far as they were computed."""
        return not self.differing and not self.crash


@dataclass(frozen=True, slots=True)
class Step:
    """Progress: ``done`` of ``total`` parts of a model are computed."""

    title: str
    done: int
    total: int


def published_digests() -> dict[str, str]:
    """Reference digests that this version's models must have on every machine, by "shape type"."""
    try:
        found = json.loads(_PUBLISHED.read_text())
    except OSError:
        return {}
    return {str(name): str(digest) for name, digest in found.items()}


def run(plan: Plan, directory: Path, profile: RuntimeProfile = CANONICAL) -> Iterator[Step | Outcome]:
    """Compute the plan's cells, models one after the other; ``directory`` keeps the models.

    Raises EngineError if the computing process cannot even begin.
    """
    published = published_digests()
    left = list(plan.models)
    while left:
        child = _Child(
            [sys.executable, "-m", "inference.matrix_cells"], plan, left, directory, profile, emulated=False
        )
        outcome, blocks = None, 0
        for message in child.messages():
            if (event := message["event"]) == "begin":
                blocks = 0
                outcome = Outcome(message["shape"], message["weights"])
                outcome.published = published.get(f"{outcome.shape} {outcome.weights}")
            elif outcome is None:
                raise EngineError("the matrix process sent results of no model")
            elif event == "cells":
                blocks += 1
                outcome.cells += message["cells"]
                outcome.differing += message["differing"]
                title = f"{outcome.shape} {outcome.weights}"
                yield Step(title, blocks, len(plan.threads) * len(plan.micro))
            else:
                outcome.digest, outcome.seconds = message.get("digest", ""), message.get("seconds", 0.0)
                outcome.unmade = message.get("unmade", "")
                yield outcome
                left.pop(0)
                outcome = None
        if left:
            if outcome is None:
                raise EngineError(f"the matrix process {child.epitaph()}")
            # It died with this model: that is the model's result, and the next one gets a new process.
            outcome.crash = child.epitaph()
            yield outcome
            left.pop(0)


def emulate(
    plan: Plan, directory: Path, processor: str, profile: RuntimeProfile = CANONICAL
) -> Iterator[Step | Emulation]:
    """Compute a few positions of the models that ``run`` left in ``directory`` on an emulated processor."""
    made = [(s, w) for s, w in plan.models if (directory / f"{s}-{w}.json").exists()]
    result = Emulation(processor)
    command = ["qemu-x86_64", "-cpu", processor, sys.executable, "-m", "inference.matrix_cells"]
    child = _Child(command, plan, made, directory, profile, emulated=True)
    for message in child.messages():
        result.models += 1
        if not message["same"]:
            result.differing.append(f"{message['shape']} {message['weights']}")
        yield Step(f"{processor} (emulated)", result.models, len(made))
    if result.models < len(made):
        result.crash = child.epitaph()
    yield result


class _Child:
    """A process that computes and prints one JSON object a line."""

    def __init__(
        self,
        command: Sequence[str],
        plan: Plan,
        models: Sequence[tuple[str, str]],
        directory: Path,
        profile: RuntimeProfile,
        *,
        emulated: bool,
    ) -> None:
        work = {**asdict(plan), "models": list(models), "directory": str(directory), "emulated": emulated}
        work |= {"profile": profile.name}
        root = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._last_words = directory / "stderr.log"
        with self._last_words.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, json.dumps(work)],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                # Threads that wait must not spin: there may be more of them than free processors.
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": paths},
            )

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it says until it ends; a process that says nothing for too long is ended."""
        process = self._process
        if process.stdout is None:
            raise EngineError("the matrix process has no output")
        try:
            for line in _lines(process.stdout):
                yield json.loads(line)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def epitaph(self) -> str:
        """How it ended, in words."""
        code = self._process.wait()
        lines = self._last_words.read_text("utf-8", "replace").strip().splitlines()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{how}: {lines[-1][:300]}" if lines else how


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, until the end or ``_SILENCE_SECONDS`` without a byte."""
    unread = b""
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while selector.select(_SILENCE_SECONDS):
            data = os.read(source.fileno(), 65_536)
            if not data:
                return
            *whole, unread = (unread + data).split(b"\n")
            yield from whole


def main() -> None:
    """Print the digests that ``models/matrix.json`` publishes: those of the full plan on this machine."""
    digests = {}
    with tempfile.TemporaryDirectory() as directory:
        for event in run(full_plan(), Path(directory)):
            if isinstance(event, Outcome):
                if event.crash or event.differing:
                    sys.exit(f"{event.shape} {event.weights}: {event.crash or event.differing}")
                if event.digest:
                    digests[f"{event.shape} {event.weights}"] = event.digest
    print(json.dumps(digests, indent=1))


if __name__ == "__main__":
    main()
