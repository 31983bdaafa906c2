"""What is asked of a model and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TypeVar

from inference.errors import RequestError
from inference.json_schema import grammar_of
from inference.trace import Trace, trace_commit

MAX_INPUT_BYTES = 16_384
MAX_OUTPUT_BYTES = 8_192
MAX_TOKENS = 4_096
MAX_STOPS, MAX_STOP_BYTES = 8, 64
MAX_CHOICES, MAX_CHOICE_BYTES = 64, 256
MAX_SCHEMA_BYTES = 4_096
LEAST_PENALTY_MILLI, MOST_PENALTY_MILLI = 1_000, 10_000


@unique
class Status(IntEnum):
    """How a computation ended. Both are deterministic."""

    COMPLETED = 1
    REJECTED = 2


@unique
class FinishReason(IntEnum):
    """Why generation stopped."""

    END_OF_TEXT = 1
    STOP_STRING = 2
    LENGTH = 3
    CHOICE = 4
    INPUT_TOO_LONG = 5
    BAD_REQUEST = 6
    JSON = 7


@dataclass(frozen=True, slots=True)
class Request:
    """One generation. All of it, and nothing else, decides the bits of the answer.

    ``draft`` is the exception: tokens that somebody claims the answer consists of. It is checked in one
    batch instead of token by token, and never changes the answer, only the time it takes.
    """

    input: bytes
    max_tokens: int
    temperature_milli: int = 0
    """Thousandths; 0 is greedy."""
    top_k: int = 0
    """Sample from this many best tokens; 0 is all."""
    top_p_micro: int = 0
    """Sample from the fewest best tokens that hold this share (millionths) of the probability; 0 is off."""
    min_p_micro: int = 0
    """A token is out below this share (millionths) of the best one's probability; 0 is off."""
    repetition_penalty_milli: int = 0
    """Thousandths; makes the answer's last 64 tokens less likely to come again; 0 is off."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """If any, the output is one of these, and ``stop`` does not apply."""
    json_schema: str = ""
    """If given, the output is a JSON value of it. ``stop`` does not apply, and ``choices`` must be empty."""
    task_seed: bytes = bytes(32)
    draft: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise RequestError, naming the field, on anything out of range."""
        _need(isinstance(self.input, bytes), "input must be bytes")
        # llama.cpp's tokenizers end the process at code points that do not exist.
        _need(_is_text(self.input), "input is not valid UTF-8")
        _need(len(self.input) <= MAX_INPUT_BYTES, f"input is over {MAX_INPUT_BYTES} bytes")
        _whole("max_tokens", self.max_tokens, 1, MAX_TOKENS)
        _whole("temperature_milli", self.temperature_milli, 0, 2**32 - 1)
        _whole("top_k", self.top_k, 0, 2**32 - 1)
        _whole("top_p_micro", self.top_p_micro, 0, 1_000_000)
        _whole("min_p_micro", self.min_p_micro, 0, 1_000_000)
        if self.repetition_penalty_milli != 0:
            _whole(
                "repetition_penalty_milli",
                self.repetition_penalty_milli,
                LEAST_PENALTY_MILLI,
                MOST_PENALTY_MILLI,
            )
        _whole("seed", self.seed, 0, 2**64 - 1)
        _texts("stop", self.stop, MAX_STOPS, MAX_STOP_BYTES)
        _texts("choices", self.choices, MAX_CHOICES, MAX_CHOICE_BYTES)
        if self.json_schema != "":
            _texts("json_schema", (self.json_schema,), 1, MAX_SCHEMA_BYTES)
            _need(not self.choices, "json_schema and choices exclude each other")
            grammar_of(self.json_schema)
        _need(isinstance(self.task_seed, bytes) and len(self.task_seed) == 32, "task_seed must be 32 bytes")
        _need(
            isinstance(self.draft, tuple) and len(self.draft) <= MAX_TOKENS,
            f"draft is over {MAX_TOKENS} tokens",
        )
        for token in self.draft:
            _whole("draft", token, 0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer with the trace that binds it to its computation."""

    status: Status
    output: bytes
    token_ids: tuple[int, ...]
    """Every token sampled, in order; the end token too, if one was sampled."""
    finish_reason: FinishReason
    trace_root: bytes
    trace_secret: bytes
    """Known only to who ran the model, until it is published."""
    chunk_digests: tuple[bytes, ...]
    prompt_tokens: int
    draft_accepted: int = 0
    """How many tokens of the request's draft proved right, from the first on."""
    logits_digests: tuple[bytes, ...] = ()
    """One for each token: the logits it was sampled from. Together they give the trace secret away."""

    @property
    def trace_commit(self) -> bytes:
        """SHA-256 commitment to the trace secret."""
        return trace_commit(self.trace_secret)

    @property
    def token_count(self) -> int:
        """Number of tokens sampled."""
        return len(self.token_ids)


def rejection(reason: FinishReason, prompt_tokens: int = 0) -> Generation:
    """The answer to a request that cannot be computed: a result like any other, the same on every machine."""
    root, secret, chunks = Trace().finish()
    return Generation(Status.REJECTED, b"", (), reason, root, secret, chunks, prompt_tokens)


@dataclass(frozen=True, slots=True)
class Progress:
    """One more full chunk of 32 tokens of an answer that is still growing."""

    chunk: int
    """From 0, without gaps; each chunk is reported once even if the request had to be run again."""
    token_ids: tuple[int, ...]
    digest: bytes
    output: bytes = b""
    """The whole answer so far, without an end that a stop string could still take away."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first position at which a draft proved wrong."""

    position: int
    """Of the answer, in tokens from 0."""
    token: int
    """What belongs there."""


_T = TypeVar("_T")


def _need(holds: bool, problem: str) -> None:
    if not holds:
        raise RequestError(problem)


def _whole(name: str, value: object, low: int, high: int) -> None:
    _need(type(value) is int and low <= value <= high, f"{name} must be a whole number from {low} to {high}")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _texts(name: str, values: object, most: int, size: int) -> None:
    if not isinstance(values, tuple):
        raise RequestError(f"{name} must be a tuple of texts")
    _need(len(values) <= most, f"{name} has more than {most} entries")
    for value in values:
        _need(isinstance(value, str), f"{name} must hold texts")
        try:
            encoded = value.encode()
        except UnicodeEncodeError:
            raise RequestError(f"{name} holds a text that is not valid Unicode") from None
        _need(0 < len(encoded) <= size, f"an entry of {name} must have 1 to {size} bytes")
