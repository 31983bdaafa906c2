"""The computing side of the determinism matrix: ``python -m inference.matrix_cells JSON``, one process.

Loads llama.cpp. Prints one JSON object a line. Models are made as they are needed and kept in a directory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from inference.errors import EngineError
from inference.matrix import CACHES, COMPANY, PHASES, Way
from inference.runtime import PROFILES, prepare
from inference.trace import logits_digest

SLOTS = 8
COMMON = 16  # tokens that all lines begin with: what is kept or copied
PROMPT = 26  # a generation reads so many,
GENERATED = 34  # and the rest one by one up to here: behind the sliding windows
LENGTH = 66  # tokens of a line: eight of them fill a micro-batch of 512
LONG = 528  # the first line goes on, so that it fills one alone
_EMULATED = 12  # positions of a line on an emulated processor, which is slow

Lines = list[list[int]]
Digests = list[dict[int, bytes]]  # by position, for each line


def lines(vocabulary: int) -> Lines:
    """Eight lines of random tokens with a common beginning; the first one is the long one."""
    words = np.random.PCG64(7).random_raw(LONG + SLOTS * LENGTH) % np.uint64(vocabulary - 3)
    tokens = [int(word) for word in words]
    long = tokens[:LONG]
    own = [tokens[LONG + i * LENGTH :][: LENGTH - COMMON] for i in range(1, SLOTS)]
    return [long, *(long[:COMMON] + part for part in own)]


class _Context:
    """One context of a model, and the ways to fill its caches."""

    def __init__(self, path: Path, slots: int, micro: int) -> None:
        from inference.llama import Llama

        self._llama = Llama(path, LONG, slots, threads=1, batch=LONG, micro=micro)
        self.vocabulary = self._llama.vocabulary
        self.threads = self._llama.use_threads
        self.forget = self._llama.forget
        self.close = self._llama.close

    def read(self, parts: Sequence[tuple[int, int, Sequence[int], bool]]) -> Digests:
        """Decode parts of lines as one batch: slot, first position, tokens, all wanted or only the last."""
        rows: list[tuple[int, int, int, bool]] = []
        for slot, start, tokens, every in parts:
            last = len(tokens) - 1
            rows += [(token, start + i, slot, every or i == last) for i, token in enumerate(tokens)]
        found: dict[int, dict[int, bytes]] = {part[0]: {} for part in parts}
        for row, logits in zip(*self._llama.decode(rows), strict=True):
            found[rows[row][2]][rows[row][1]] = logits_digest(logits.data)
        return list(found.values())

    def compute(self, some: Lines, way: Way) -> Digests:
        """The logits of the lines, one in each slot from 0 on."""
        for slot in range(SLOTS):
            self.forget(slot)
        start = 0
        if way.cache != "cold":
            start = COMMON
            self._reuse(some, copied=way.cache == "copied prefix")
        if way.phase == "prefill":
            return self.read([(slot, start, line[start:], True) for slot, line in enumerate(some)])
        prompt = [(slot, start, line[start:PROMPT], False) for slot, line in enumerate(some)]
        found = self.read(prompt)
        for at in range(PROMPT, len(some[0])):
            step = self.read([(slot, at, line[at : at + 1], True) for slot, line in enumerate(some)])
            for known, new in zip(found, step, strict=True):
                known |= new
        return found

    def _reuse(self, some: Lines, *, copied: bool) -> None:
        """Leave the common beginning in each cache, out of one that went on in another way."""
        other = some[0][:COMMON] + some[0][COMMON + 1 : COMMON + 9]
        if copied:
            source = SLOTS - 1
            self.read([(source, 0, other, False)])
            for slot in range(len(some)):
                if slot != source:
                    self._llama.copy(source, slot)
        else:
            self.read([(slot, 0, other, False) for slot in range(len(some))])
        for slot in range(len(some)):
            if not self.forget(slot, COMMON):
                raise EngineError("this architecture cannot keep a part of a cache")


def reference(path: Path) -> Digests:
    """One thread, one sequence, one token at a time."""
    context = _Context(path, slots=1, micro=1)
    try:
        found: Digests = []
        for line in lines(context.vocabulary):
            context.forget(0)
            found.append({})
            for at, token in enumerate(line):
                found[-1] |= context.read([(0, at, [token], True)])[0]
        return found
    finally:
        context.close()


def first_difference(found: Digests, expected: Digests) -> dict[str, int] | None:
    """The first position whose bits differ, and in how many positions they do."""
    wrong = [
        (position, line)
        for line, digests in enumerate(found)
        for position, digest in digests.items()
        if digest != expected[line][position]
    ]
    if not wrong:
        return None
    position, line = min(wrong)
    return {"position": position, "line": line, "differing": len(wrong), "of": sum(map(len, found))}


def cells(path: Path, expected: Digests, threads: Sequence[int], micros: Sequence[int]) -> None:
    """Compute every way and print what differs, a block of ways at a time."""
    for micro in micros:
        context = _Context(path, SLOTS, micro)
        all_lines = lines(context.vocabulary)
        for count in threads:
            context.threads(count)
            ways = [Way(count, micro, *values) for values in product(COMPANY, PHASES, CACHES)]
            differing = []
            for way in ways:
                some = all_lines if way.company == COMPANY[1] else all_lines[:1]
                found = context.compute([line[: _length(way)] for line in some], way)
                if (where := first_difference(found, expected)) is not None:
                    differing.append({"way": str(way), **where})
            say(event="cells", cells=len(ways), differing=differing)
        context.close()


def _length(way: Way) -> int:
    """Tokens of each line: enough for more than one micro-batch."""
    if way.phase == "generation":
        return GENERATED
    rows = way.micro + SLOTS * 2
    return max(GENERATED, rows if way.company == COMPANY[0] else rows // SLOTS)


def make(directory: Path, shape: str, weights: str) -> Path:
    """The model's file, written if it is not there. Raises EngineError if llama.cpp cannot make the type."""
    from inference.quantize import quantize
    from inference.random_model import SHAPES, write

    base = directory / f"{shape}-F16.gguf"
    if not base.exists():
        write(base, SHAPES[shape])
    path = directory / f"{shape}-{weights}.gguf"
    if not path.exists():
        quantize(base, path, weights)
    return path


def compute(directory: Path, shape: str, weights: str, threads: Sequence[int], micros: Sequence[int]) -> None:
    """All cells of one model."""
    begun = time.monotonic()
    say(event="begin", shape=shape, weights=weights)
    try:
        path = make(directory, shape, weights)
    except EngineError as error:
        say(event="end", unmade=str(error))
        return
    expected = reference(path)
    total = sha256()
    for digests in expected:
        for position in sorted(digests):
            total.update(digests[position])
    cells(path, expected, threads, micros)
    sample = [digests[position].hex() for digests in expected[:1] for position in range(_EMULATED)]
    path.with_suffix(".json").write_text(json.dumps(sample))
    say(event="end", digest=total.hexdigest(), seconds=time.monotonic() - begun)


def emulated(directory: Path, shape: str, weights: str) -> None:
    """A few positions of one model, read and generated, against what the real processor computed."""
    path = directory / f"{shape}-{weights}.gguf"
    expected = [bytes.fromhex(digest) for digest in json.loads(path.with_suffix(".json").read_text())]
    context = _Context(path, slots=1, micro=64)
    line = lines(context.vocabulary)[0][:_EMULATED]
    found = context.read([(0, 0, line, True)])[0]
    context.forget(0)
    context.read([(0, 0, line[:-2], False)])
    for at in (_EMULATED - 2, _EMULATED - 1):
        step = context.read([(0, at, [line[at]], True)])[0]
        found |= {at: found[at] if found[at] == step[at] else b""}
    context.close()
    say(shape=shape, weights=weights, same=[found[at] for at in range(_EMULATED)] == expected)


def say(**message: Any) -> None:
    """One line to the other side."""
    print(json.dumps(message), flush=True)


def main() -> None:
    """Compute what the one argument, a JSON object, asks for."""
    work = json.loads(sys.argv[1])
    prepare(PROFILES[work["profile"]])
    directory = Path(work["directory"])
    for shape, weights in work["models"]:
        if work["emulated"]:
            emulated(directory, shape, weights)
        else:
            compute(directory, shape, weights, work["threads"], work["micro"])


if __name__ == "__main__":
    main()
