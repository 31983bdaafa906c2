"""What every member was told and what it did, line by line."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import IO, TypeAlias

from consensus.effects import Effect, Input

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class Trace:
    """Writes JSON lines: ``{"ms", "node", "member", "input", "effects"}`` for every step of every member."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def begin(self, **header: Json) -> None:
        """Write a line that says what the following ones belong to."""
        self._write({"begin": header})

    def step(self, now: int, node: int, member: int, event: Input, effects: tuple[Effect, ...]) -> None:
        """Write one input and its effects."""
        self._write(
            {
                "ms": now,
                "node": node,
                "member": member,
                "input": describe(event),
                "effects": [describe(effect) for effect in effects],
            }
        )

    def end(self, outcome: str) -> None:
        """Write how it ended."""
        self._write({"end": outcome})

    def _write(self, line: dict[str, Json]) -> None:
        self._file.write(json.dumps(line) + "\n")


def describe(value: object) -> Json:
    """Turn inputs and effects into JSON: classes by name, bytes as hex digits."""
    match value:
        case Enum():
            return value.name
        case bytes():
            return value.hex()
        case tuple() | list():
            return [describe(part) for part in value]
        case None | bool() | int() | str():
            return value
    if is_dataclass(value):
        parts = {field.name: describe(getattr(value, field.name)) for field in fields(value)}
        return {type(value).__name__: parts}
    raise TypeError(f"a {type(value).__name__} has no place in a trace")
