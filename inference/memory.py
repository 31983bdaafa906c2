"""How much memory a model will need, by its header, before it is loaded; and how much there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inference.errors import NotEnoughMemory
from inference.gguf_header import GgufHeader

_PROGRAM = 96 << 20  # Python, NumPy, llama.cpp's code, buffers of fixed size
_TOKEN = 400  # bytes of Python's tables for each entry of the vocabulary
_CGROUP = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes, each an upper bound as far as the header tells."""

    weights: int
    cache: int
    """F16 keys and values of every slot's full context."""
    work: int
    """Logits, attention scores and activations of one batch; the program itself."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.work

    def __str__(self) -> str:
        parts = (self.weights, self.cache, self.work)
        weights, cache, work = (part >> 20 for part in parts)
        return f"{self.total >> 20} MiB ({weights} weights, {cache} cache, {work} work)"


def need(header: GgufHeader, *, context: int, slots: int, batch: int) -> Need:
    """What a model needs: ``context`` positions in each of ``slots`` sequences, ``batch`` rows at a time."""
    positions = -(-context // 256) * 256  # what llama.cpp rounds a sequence to
    heads = header.whole("attention.head_count") or 0
    width = header.whole("embedding_length") or 0
    hidden = header.whole("feed_forward_length") or 0
    experts = header.whole("expert_used_count") or 1
    # Twice: llama.cpp computes logits in one buffer and hands them out from another.
    logits = 2 * 4 * batch * header.vocabulary
    # Scores before and after softmax, and the mask.
    scores = 4 * batch * positions * (2 * heads + 1)
    activations = 4 * batch * (4 * width + 3 * experts * hidden)
    work = _PROGRAM + _TOKEN * header.vocabulary + logits + scores + activations
    return Need(header.needed_bytes, header.cache_bytes(slots * positions), work)


def check(path: Path, header: GgufHeader, *, context: int, slots: int, batch: int) -> None:
    """Raise NotEnoughMemory, with numbers and a remedy, if the model does not fit in what is free."""
    wanted = need(header, context=context, slots=slots, batch=batch)
    free = available()
    if free is not None and wanted.total > free:
        raise NotEnoughMemory(
            f"{path.name} with {slots} requests of {context} tokens at once needs about {wanted}, and "
            f"{free >> 20} MiB are free; stop other programs, choose a smaller model or context, or serve "
            "fewer requests at once"
        )


def available() -> int | None:
    """Bytes that can be had without swapping, by the machine and by the limits on this process's groups."""
    limits = (_machine(), *map(_group, _groups()))
    return min((limit for limit in limits if limit is not None), default=None)


def _machine() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    return None


def _groups() -> list[Path]:
    """The control groups (version 2) of this process: a container's root, and a service's below it."""
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        lines = []
    parts = Path(next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")).parts
    return [_CGROUP.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _group(root: Path) -> int | None:
    """What a group may still use: its limit less what it holds and the system cannot take back."""
    try:
        most = int((root / "memory.max").read_text())
        used = int((root / "memory.current").read_text())
        stats = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
        return max(0, most - used + int(stats.get("inactive_file", "0")))
    except (OSError, ValueError):
        return None  # "max" is no number: no limit
