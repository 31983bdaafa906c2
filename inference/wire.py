"""Frames between a node and its worker process: four bytes of length, then one CBOR map with text keys."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, BinaryIO

import cbor2

from inference.errors import InferenceError
from inference.request import (
    MAX_OUTPUT_BYTES,
    Difference,
    FinishReason,
    Generation,
    Progress,
    Request,
    Status,
)
from inference.stats import Counts

MAX_FRAME_BYTES = 1 << 20
HEADER_BYTES = 4


class BrokenPipe(InferenceError):
    """The other side sent bytes that are no frame."""


def encode(message: dict[str, Any]) -> bytes:
    """A whole frame."""
    body = cbor2.dumps(message)
    if len(body) > MAX_FRAME_BYTES:
        raise BrokenPipe(f"a frame of {len(body)} bytes is over the limit")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def body_length(header: bytes) -> int:
    """The length that a frame's first four bytes announce. Raises BrokenPipe if it is over the limit."""
    length = int.from_bytes(header, "big")
    if not 0 < length <= MAX_FRAME_BYTES:
        raise BrokenPipe(f"a frame of {length} bytes is over the limit")
    return length


def decode(body: bytes) -> dict[str, Any]:
    """A frame's map, decoded strictly."""
    try:
        message = cbor2.loads(body, max_depth=6, allow_indefinite=False, allow_duplicate_keys=False)
    except Exception as error:  # cbor2 raises whatever a tag's decoder raises
        raise BrokenPipe(f"a frame is not CBOR: {type(error).__name__}") from None
    if type(message) is not dict or any(type(key) is not str for key in message):
        raise BrokenPipe("a frame is not a map with text keys")
    return message


def read_frame(file: BinaryIO) -> dict[str, Any] | None:
    """The next frame of a blocking file; None at its end."""
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    body = file.read(body_length(header))
    return decode(body)


def request_to_wire(request: Request) -> dict[str, Any]:
    """A request as plain values."""
    return asdict(request)


def request_from_wire(value: object) -> Request:
    """Check and rebuild a request. Raises RequestError or BrokenPipe."""
    names = {f.name for f in fields(Request)}
    if type(value) is not dict or set(value) != names:
        raise BrokenPipe("a request has other fields than it should")
    for name in ("stop", "choices", "draft"):
        if type(value[name]) is not list:
            raise BrokenPipe(f"{name} of a request is not a list")
    return Request(**{**value, **{name: tuple(value[name]) for name in ("stop", "choices", "draft")}})


def generation_to_wire(generation: Generation) -> dict[str, Any]:
    """An answer as plain values."""
    # Not asdict, which copies every token and digest by itself.
    return {
        **{f.name: getattr(generation, f.name) for f in fields(Generation)},
        "status": int(generation.status),
        "finish_reason": int(generation.finish_reason),
    }


def generation_from_wire(value: object) -> Generation:
    """Check and rebuild an answer. Raises BrokenPipe."""
    if type(value) is not dict or set(value) != {f.name for f in fields(Generation)}:
        raise BrokenPipe("an answer has other fields than it should")
    try:
        return Generation(
            status=Status(value["status"]),
            output=_bytes(value["output"]),
            token_ids=tuple(map(_whole, value["token_ids"])),
            finish_reason=FinishReason(value["finish_reason"]),
            trace_root=_bytes(value["trace_root"], 32),
            trace_secret=_bytes(value["trace_secret"], 32),
            chunk_digests=tuple(_bytes(digest, 32) for digest in value["chunk_digests"]),
            prompt_tokens=_whole(value["prompt_tokens"]),
            draft_accepted=_whole(value["draft_accepted"]),
            logits_digests=tuple(_bytes(digest, 32) for digest in value["logits_digests"]),
        )
    except (ValueError, TypeError) as error:
        raise BrokenPipe(f"an answer makes no sense: {error}") from None


def progress_from_wire(message: dict[str, Any]) -> Progress:
    """Check and rebuild a progress report. Raises BrokenPipe."""
    try:
        tokens = tuple(map(_whole, message["tokens"]))
        output = message["output"]
        if not isinstance(output, bytes) or len(output) > MAX_OUTPUT_BYTES:
            raise ValueError("the output so far is too long or not bytes")
        return Progress(_whole(message["chunk"]), tokens, _bytes(message["digest"], 32), output)
    except (KeyError, ValueError, TypeError) as error:
        raise BrokenPipe(f"a progress report makes no sense: {error}") from None


def difference_from_wire(message: dict[str, Any]) -> Difference:
    """Check and rebuild the report of a wrong draft. Raises BrokenPipe."""
    try:
        return Difference(_whole(message["at"]), _whole(message["token"]))
    except (KeyError, ValueError) as error:
        raise BrokenPipe(f"the report of a wrong draft makes no sense: {error}") from None


def counts_from_wire(value: object) -> Counts:
    """Check and rebuild a worker's counts. Raises BrokenPipe."""
    if type(value) is not dict or set(value) != {f.name for f in fields(Counts)}:
        raise BrokenPipe("counts have other fields than they should")
    busy = value.pop("busy")
    if type(busy) is not float or not 0 <= busy < 1e12:
        raise BrokenPipe("counts make no sense")
    try:
        return Counts(**{name: _whole(count) for name, count in value.items()}, busy=busy)
    except ValueError as error:
        raise BrokenPipe(f"counts make no sense: {error}") from None


def _bytes(value: object, length: int | None = None) -> bytes:
    if type(value) is not bytes or (length is not None and len(value) != length):
        raise ValueError("not the right bytes")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a whole number")
    return value
