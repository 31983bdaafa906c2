"""How a request may be written: plain numbers and texts, turned into the integers of the protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from p2pavs.errors import UsageError

if TYPE_CHECKING:
    from p2pavs.chain.records import InferenceParams


class SamplingOptions(TypedDict, total=False):
    """How the answer is made. What is left out is off, and ``max_tokens`` is 64."""

    max_tokens: int
    temperature: float  # 0 is greedy
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float  # 1 to 10; 0 is off
    seed: int  # 64 bits
    stop: Sequence[str]
    choices: Sequence[str]  # the answer is exactly one of them
    json_schema: Mapping[str, Any] | str  # the answer is a JSON value of it


class RequestOptions(SamplingOptions, total=False):
    """All that can be chosen about a request."""

    model: str  # name or id; default: the only active one
    committee: int  # seats; 0 = all operators
    deadline: int  # seconds from now; default 120
    attempts: int  # 1 to 4 parts of the time, each with a committee of its own; default 2 with seats, else 1
    tip: int  # wei; more for the signers
    max_fee: int  # wei; a request that may cost more is refused. Default: whatever it costs
    mode: Literal["replicate", "verify"]  # all generate (the default), or one does and the others check


def to_params(options: SamplingOptions) -> InferenceParams:
    """Return the parameters as the contracts take them. Raises ``UsageError`` for what is no number.

    Nothing else is checked: ``client.check_request`` does.
    """
    from p2pavs.chain.records import InferenceParams

    schema = options.get("json_schema", "")
    return InferenceParams(
        max_tokens=options.get("max_tokens", 64),
        temperature_milli=_scaled("temperature", options.get("temperature", 0), 1_000),
        top_k=options.get("top_k", 0),
        top_p_micro=_scaled("top p", options.get("top_p", 0), 1_000_000),
        min_p_micro=_scaled("min p", options.get("min_p", 0), 1_000_000),
        repetition_penalty_milli=_scaled("repetition penalty", options.get("repetition_penalty", 0), 1_000),
        seed=options.get("seed", 0),
        stop=tuple(options.get("stop", ())),
        choices=tuple(options.get("choices", ())),
        json_schema=schema if isinstance(schema, str) else compact_json(schema),
    )


def _scaled(name: str, value: float, by: int) -> int:
    if not math.isfinite(value):
        raise UsageError(f"The {name} is {value}.", "Give a number.")
    return round(value * by)


def compact_json(value: Any) -> str:
    """Return JSON without the blanks that a request would pay for. Raises ``ValueError``, ``TypeError``."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
