"""From a JSON schema to a grammar in llama.cpp's notation (GBNF).

A subset of JSON Schema 2020-12, chosen so that each schema in it gives one small grammar without recursion,
the same on every machine, and every output of the grammar is a JSON value that fits the schema. Whatever is
outside the subset is refused by its name; nothing is ignored that could change what fits.

The output has no blanks between its parts, and members of objects come in the order of ``properties``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from inference.errors import RequestError

MAX_DEPTH = 16
"""Of brackets in the schema's text."""
MAX_NODES = 128
"""Schemas inside the schema."""
MAX_BRANCHES = 64
"""Of an ``enum`` or ``anyOf``, and properties of an object."""
MAX_ITEMS = 256
"""Largest ``maxItems``."""
MAX_LENGTH = 1_024
"""Largest ``maxLength``."""
MAX_REPEATS = 8_192
"""Of all ``maxItems`` and ``maxLength`` together: each makes that many rules."""
MAX_STARTS = 64
"""Ways in which one value may begin: nested ``anyOf`` multiply them, and each costs time at every token."""
MAX_DIGITS = 15
"""Of a number before its point. Such whole numbers survive a reader that makes them doubles."""

_ANNOTATIONS = {"title", "description", "$comment", "$schema", "default", "examples"}
_KEYWORDS = {
    "null": frozenset[str](),
    "boolean": frozenset[str](),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset[str](),
    "string": frozenset({"minLength", "maxLength"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}
_LARGEST = 10**MAX_DIGITS - 1
# One escape or one character that needs none; no \u, whose halves need not make a character.
_CHARACTER = r'[^"\\\x00-\x1F\x7F\uD800-\uDFFF] | "\\" ["\\/bfnrt]'


@lru_cache(maxsize=64)
def grammar_of(schema: str) -> str:
    """The grammar of a schema's text; its start rule is ``root``. Raises RequestError: what is refused."""
    _check_depth(schema)
    try:
        root = json.loads(schema, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except ValueError as error:
        raise _refuse(f"is not JSON: {error}") from None
    return _Grammar(root).text()


def _refuse(problem: str) -> RequestError:
    return RequestError(f"json_schema {problem}")


def _need(holds: bool, problem: str) -> None:
    if not holds:
        raise _refuse(problem)


def _check_depth(text: str) -> None:
    """Before parsing, which recurses."""
    depth, quoted, escaped = 0, False, False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            quoted = True
        else:
            depth += (character in "[{") - (character in "]}")
            _need(depth <= MAX_DEPTH, f"nests deeper than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has two members of one name")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


class _Grammar:
    """The rules, as they are found."""

    def __init__(self, root: Any) -> None:
        _need(isinstance(root, dict), "must be an object")
        self._definitions: dict[str, Any] = {}
        for keyword in ("$defs", "definitions"):
            group = root.get(keyword, {})
            _need(isinstance(group, dict), f"needs an object under {keyword}")
            self._definitions |= {f"#/{keyword}/{name}": value for name, value in group.items()}
        self._rules: dict[str, str] = {}
        self._resolved: dict[str, str] = {}
        self._open: list[str] = []
        self._starts: dict[str, int] = {}
        self._nodes = 0
        self._repeats = 0
        self._repeated: dict[str, str] = {}
        top = {key: value for key, value in root.items() if key not in ("$defs", "definitions")}
        self._root = self._schema(top)

    def text(self) -> str:
        """All rules."""
        return "".join(f"{name} ::= {body}\n" for name, body in {"root": self._root, **self._rules}.items())

    def _rule(self, body: str, starts: int = 1) -> str:
        _need(starts <= MAX_STARTS, f"lets one value begin in more than {MAX_STARTS} ways")
        name = f"r{len(self._rules)}"
        self._rules[name], self._starts[name] = body, starts
        return name

    def _repeat(self, name: str, least: int, most: int | None) -> str:
        """``name``, from ``least`` to ``most`` times."""
        body = f"{name}{{{least},{'' if most is None else most}}}"
        if body not in self._repeated:
            self._repeats += least if most is None else most
            _need(self._repeats <= MAX_REPEATS, f"asks for more than {MAX_REPEATS} repetitions in all")
            self._repeated[body] = self._rule(body)
        return self._repeated[body]

    def _schema(self, schema: Any) -> str:
        """The name of the rule for a schema."""
        _need(isinstance(schema, dict), "holds a schema that is not an object (true and false are not taken)")
        self._nodes += 1
        _need(self._nodes <= MAX_NODES, f"holds more than {MAX_NODES} schemas")
        words = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
        if "$ref" in words:
            return self._reference(words)
        if "anyOf" in words:
            _only(words, {"anyOf"}, "beside anyOf")
            names = dict.fromkeys(self._schema(branch) for branch in _list(words["anyOf"], "anyOf"))
            return self._rule(" | ".join(names), sum(self._starts[name] for name in names))
        if "enum" in words or "const" in words:
            return self._values(words)
        _need("type" in words, "holds a schema without type, enum, const, anyOf or $ref")
        types = words.pop("type")
        types = types if isinstance(types, list) else [types]
        _need(0 < len(types) <= len(_KEYWORDS), "has an empty type")
        for kind in types:
            _need(isinstance(kind, str) and kind in _KEYWORDS, f"has an unknown type {_shown(kind)}")
        _only(words, frozenset().union(*(_KEYWORDS[kind] for kind in types)), f"with type {_shown(types)}")
        return self._rule(" | ".join([_MAKERS[kind](self, words) for kind in types]), len(types))

    def _reference(self, words: dict[str, Any]) -> str:
        _only(words, {"$ref"}, "beside $ref")
        target = words["$ref"]
        _need(
            isinstance(target, str) and target in self._definitions,
            f"has a $ref to {_shown(target)}; only its own #/$defs/NAME are taken",
        )
        _need(
            target not in self._open, f"refers to {_shown(target)} from within itself; recursion is not taken"
        )
        if target not in self._resolved:
            self._open.append(target)
            self._resolved[target] = self._schema(self._definitions[target])
            self._open.pop()
        return self._resolved[target]

    def _values(self, words: dict[str, Any]) -> str:
        _only(words, {"enum", "const", "type"}, "beside enum or const")
        values = _list(words["enum"], "enum") if "enum" in words else [words["const"]]
        _need("enum" not in words or "const" not in words, "has enum and const in one schema")
        if "type" in words:
            types = words["type"] if isinstance(words["type"], list) else [words["type"]]
            values = [value for value in values if any(_is(value, kind) for kind in types)]
            _need(bool(values), "has an enum or const that its type excludes")
        texts = dict.fromkeys(_json(value) for value in values)
        return self._rule(" | ".join(_literal(text) for text in texts), len(texts))

    def _string(self, words: dict[str, Any]) -> str:
        least, most = _bounds(words, "minLength", "maxLength", MAX_LENGTH)
        self._rules["char"] = _CHARACTER
        return f'"\\"" {self._repeat("char", least, most)} "\\""'

    def _integer(self, words: dict[str, Any]) -> str:
        low = max(
            _whole(words, "minimum", -_LARGEST, _LARGEST, -_LARGEST),
            _whole(words, "exclusiveMinimum", -_LARGEST, _LARGEST, -_LARGEST - 1) + 1,
        )
        high = min(
            _whole(words, "maximum", -_LARGEST, _LARGEST, _LARGEST),
            _whole(words, "exclusiveMaximum", -_LARGEST, _LARGEST, _LARGEST + 1) - 1,
        )
        _need(low <= high, "has an integer that no number can be: its minimum is above its maximum")
        parts = [f'"-" ({_digits(max(1, -high), -low)})'] if low < 0 else []
        parts += [_digits(max(0, low), high)] if high >= 0 else []
        return f"({' | '.join(parts)})"

    def _number(self, _words: dict[str, Any]) -> str:
        self._rules["number"] = f'"-"? ("0" | [1-9] [0-9]{{0,{MAX_DIGITS - 1}}}) ("." [0-9]{{1,6}})?'
        return "number"

    def _array(self, words: dict[str, Any]) -> str:
        _need("items" in words, "has an array without items")
        least, most = _bounds(words, "minItems", "maxItems", MAX_ITEMS)
        if most == 0:
            return '"[]"'
        item = self._schema(words["items"])
        more = self._rule(f'"," {item}')
        some = f"{item} {self._repeat(more, max(least - 1, 0), most - 1 if most is not None else None)}"
        return f'"[" {some} "]"' if least else f'"[" ({some})? "]"'

    def _object(self, words: dict[str, Any]) -> str:
        properties = words.get("properties", {})
        required = words.get("required", [])
        _need(
            isinstance(properties, dict) and len(properties) <= MAX_BRANCHES,
            f"needs an object of at most {MAX_BRANCHES} members under properties",
        )
        _need(isinstance(required, list), "needs a list under required")
        _need(
            isinstance(words.get("additionalProperties", False), bool),
            "has a schema for additionalProperties",
        )
        for name in required:
            _need(
                isinstance(name, str) and name in properties,
                f"requires {_shown(name)}, which is not under properties",
            )
        members = [
            (f"{_literal(_json(name) + ':')} {self._schema(value)}", name in required)
            for name, value in properties.items()
        ]
        # From the last to the first: what may follow where a member came already, and where none did.
        after, first = '""', '""'
        for member, needed in reversed(members):
            go_on = f'"," {member} {after}'
            begin = f"{member} {after}"
            after = self._rule(go_on if needed else f"{go_on} | {after}")
            first = self._rule(begin if needed else f"{begin} | {first}")
        return f'"{{" {first} "}}"'


_MAKERS: dict[str, Callable[[_Grammar, dict[str, Any]], str]] = {
    "null": lambda *_: '"null"',
    "boolean": lambda *_: '("true" | "false")',
    "integer": _Grammar._integer,
    "number": _Grammar._number,
    "string": _Grammar._string,
    "array": _Grammar._array,
    "object": _Grammar._object,
}


def _only(words: Iterable[str], known: Iterable[str], where: str) -> None:
    for word in words:
        _need(word in known, f"has the keyword {_shown(word)} {where}, which is not supported")


def _list(values: Any, keyword: str) -> list[Any]:
    _need(
        isinstance(values, list) and 0 < len(values) <= MAX_BRANCHES,
        f"needs a list of 1 to {MAX_BRANCHES} entries under {keyword}",
    )
    return list(values)


def _whole(words: dict[str, Any], keyword: str, low: int, high: int, default: int) -> int:
    value = words.get(keyword, default)
    if type(value) is not int or (keyword in words and not low <= value <= high):
        raise _refuse(f"needs a whole number from {low} to {high} under {keyword}")
    return value


def _bounds(words: dict[str, Any], least: str, most: str, limit: int) -> tuple[int, int | None]:
    low = _whole(words, least, 0, limit, 0)
    high = _whole(words, most, 0, limit, 0) if most in words else None
    _need(high is None or low <= high, f"has a {least} above its {most}")
    return low, high


def _digits(low: int, high: int) -> str:
    """What matches the whole numbers from ``low`` to ``high`` (0 <= low <= high), without leading zeros."""
    parts = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        parts.append(_same_length(str(first), str(min(high, 10**length - 1))))
    return " | ".join(parts)


def _same_length(low: str, high: str) -> str:
    if len(low) == 1:
        return f"[{low}-{high}]"
    if low == "0" * len(low) and high == "9" * len(high):
        return f"[0-9]{{{len(low)}}}"
    if low[0] == high[0]:
        return f'"{low[0]}" ({_same_length(low[1:], high[1:])})'
    parts = [f'"{low[0]}" ({_same_length(low[1:], "9" * len(low[1:]))})']
    if int(high[0]) - int(low[0]) > 1:
        parts.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}] [0-9]{{{len(low) - 1}}}")
    parts.append(f'"{high[0]}" ({_same_length("0" * len(high[1:]), high[1:])})')
    return " | ".join(parts)


def _is(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a JSON type."""
    if isinstance(value, bool) or value is None:
        return bool(kind == ("null" if value is None else "boolean"))
    if isinstance(value, (int, float)):
        return bool(kind == "number" or (kind == "integer" and value == int(value)))
    return bool(
        kind == ("string" if isinstance(value, str) else "array" if isinstance(value, list) else "object")
    )


def _json(value: Any) -> str:
    """A value as the output writes it. Raises RequestError on what has no such form."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()
    except ValueError:
        raise _refuse("holds a value that JSON or Unicode cannot write") from None
    return text


def _literal(text: str) -> str:
    """A literal of the grammar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\x7f", "\\x7F")
    return f'"{escaped}"'


def _shown(value: Any) -> str:
    return ascii(value)[:80]
