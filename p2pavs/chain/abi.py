"""Encode calls to a contract and decode what it returns, emits and reverts with, from its ABI description.

Values: addresses are 20 raw bytes, structs are tuples going in and dictionaries by field name coming out.
Nothing on a chain makes a string UTF-8: bytes that are not come out as lone surrogates (PEP 383) and go in
again as the same bytes, so that hashes over them still match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from eth_abi.encoding import TextStringEncoder
from eth_abi.exceptions import DecodingError
from eth_abi.registry import ABIRegistry
from eth_abi.registry import registry as standard_registry
from eth_utils.crypto import keccak

PANIC_SELECTOR = bytes.fromhex("4e487b71")
ERROR_STRING_SELECTOR = bytes.fromhex("08c379a0")


class UndecodableData(ValueError):
    """Bytes that do not have the form the ABI gives them."""


class _AnyStringEncoder(TextStringEncoder):
    """A string as the bytes it was decoded from, UTF-8 or not."""

    @classmethod
    def encode(cls, value: str) -> bytes:  # the tuple or list around it has checked that it is text
        data = value.encode("utf-8", "surrogateescape")
        return len(data).to_bytes(32, "big") + data + bytes(-len(data) % 32)


class _AnyStringDecoder(StringDecoder):
    """A string whose bytes need not be UTF-8."""

    @staticmethod
    def decoder_fn(data: bytes, handle_string_errors: str = "surrogateescape") -> str:
        del handle_string_errors  # the library asks for "strict"
        return data.decode("utf-8", "surrogateescape")


def _codec() -> ABICodec:
    untyped: Any = standard_registry
    ours: ABIRegistry = untyped.copy()
    ours.unregister("string")
    ours.register("string", _AnyStringEncoder, _AnyStringDecoder, label="string")
    return ABICodec(ours)


codec = _codec()
"""Encodes and decodes by canonical types; whoever hashes encoded values must use it too."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input or output: its name, its canonical type, and its parts where it is a struct."""

    name: str
    type: str  # canonical, for example "(uint256,bytes)[]"
    is_list: bool
    parts: tuple[Parameter, ...]
    indexed: bool

    def shape(self, value: Any) -> Any:
        """Turn what the codec returns into our form (see the module's text)."""
        if self.is_list:
            return tuple(self._shape_one(element) for element in value)
        return self._shape_one(value)

    def _shape_one(self, value: Any) -> Any:
        if self.parts:
            return {part.name: part.shape(field) for part, field in zip(self.parts, value, strict=True)}
        if self.type.startswith("address"):
            return bytes.fromhex(value[2:])
        return value


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, an event or an error of a contract."""

    name: str
    signature_hash: bytes  # 32 bytes; its first four are a function's or error's selector
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]

    @property
    def selector(self) -> bytes:
        """What calldata and revert data begin with."""
        return self.signature_hash[:4]


class Interface:
    """The ABI of one contract. Overloaded functions are not supported: none of ours is overloaded."""

    def __init__(self, abi: Sequence[Mapping[str, Any]]) -> None:
        self.functions: dict[str, Entry] = {}
        self.events: dict[str, Entry] = {}
        self.errors: dict[str, Entry] = {}
        self._constructor: tuple[Parameter, ...] = ()
        tables = {"function": self.functions, "event": self.events, "error": self.errors}
        for item in abi:
            kind = item["type"]
            if kind == "constructor":
                self._constructor = _parameters(item["inputs"])
            elif kind in tables:
                entry = _entry(item)
                if entry.name in tables[kind]:
                    raise ValueError(f"{kind} {entry.name} is defined twice")
                tables[kind][entry.name] = entry
        self._by_topic = {entry.signature_hash: entry for entry in self.events.values()}
        self._by_selector = {entry.selector: entry for entry in self.functions.values()}

    def encode(self, function: str, *args: Any) -> bytes:
        """Calldata of a call."""
        entry = self.functions[function]
        return entry.selector + _encode(entry.inputs, args)

    def encode_constructor(self, *args: Any) -> bytes:
        """Return what is appended to the bytecode of a deployment."""
        return _encode(self._constructor, args)

    def decode_output(self, function: str, data: bytes) -> dict[str, Any]:
        """Return values by name; unnamed ones are called "0", "1" and so on. Raises ``UndecodableData``."""
        return _decode(self.functions[function].outputs, data)

    def decode_input(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Name and arguments of a call. Raises ``UndecodableData`` where it is no call of this contract."""
        entry = self._by_selector.get(data[:4])
        if entry is None:
            raise UndecodableData(f"no function has the selector 0x{data[:4].hex()}")
        return entry.name, _decode(entry.inputs, data[4:])

    def topic(self, event: str) -> bytes:
        """Return the first topic of an event."""
        return self.events[event].signature_hash

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """Name and arguments of a log entry; None where this contract has no such event.

        Raises ``UndecodableData``. Indexed values that are stored as hashes come out as those 32 bytes.
        """
        entry = self._by_topic.get(topics[0]) if topics else None
        if entry is None:
            return None
        indexed = [parameter for parameter in entry.inputs if parameter.indexed]
        if len(indexed) != len(topics) - 1:
            raise UndecodableData(f"{len(topics) - 1} indexed values where {entry.name} has {len(indexed)}")
        values = _decode(tuple(p for p in entry.inputs if not p.indexed), data)
        for parameter, topic in zip(indexed, topics[1:], strict=True):
            is_hashed = bool(parameter.parts) or parameter.is_list or parameter.type in ("string", "bytes")
            values |= {parameter.name: topic} if is_hashed else _decode((parameter,), topic)
        return entry.name, values


def decode_error(errors: Mapping[bytes, Entry], data: bytes) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments of revert data; None where it is none of ``errors`` (by selector) and not built in.

    A ``require`` message is ``("Error", {"message": text})``, a failed check of the compiler
    ``("Panic", {"code": number})``.
    """
    selector, body = data[:4], data[4:]
    try:
        if selector == ERROR_STRING_SELECTOR:
            return "Error", {"message": str(codec.decode(["string"], body)[0])}
        if selector == PANIC_SELECTOR:
            return "Panic", {"code": int(codec.decode(["uint256"], body)[0])}
        entry = errors.get(selector)
        return None if entry is None else (entry.name, _decode(entry.inputs, body))
    except (UndecodableData, DecodingError, ValueError, OverflowError):
        return None


def _entry(item: Mapping[str, Any]) -> Entry:
    inputs = _parameters(item["inputs"])
    signature = f"{item['name']}({','.join(parameter.type for parameter in inputs)})"
    return Entry(item["name"], keccak(text=signature), inputs, _parameters(item.get("outputs", ())))


def _parameters(items: Sequence[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(_parameter(item, str(position)) for position, item in enumerate(items))


def _parameter(item: Mapping[str, Any], position: str) -> Parameter:
    kind: str = item["type"]
    if kind.count("[") > 1:
        raise ValueError(f"nested lists are not supported: {kind}")
    parts: tuple[Parameter, ...] = ()
    if kind.startswith("tuple"):
        parts = _parameters(item["components"])
        kind = f"({','.join(part.type for part in parts)}){kind.removeprefix('tuple')}"
    return Parameter(
        item["name"] or position, kind, kind.endswith("]"), parts, bool(item.get("indexed", False))
    )


def _encode(parameters: Sequence[Parameter], args: Sequence[Any]) -> bytes:
    return codec.encode([parameter.type for parameter in parameters], args)


def _decode(parameters: Sequence[Parameter], data: bytes) -> dict[str, Any]:
    try:
        values = codec.decode([parameter.type for parameter in parameters], data)
    # Lengths beyond all memory leave the codec as the last two.
    except (DecodingError, ValueError, OverflowError) as error:
        raise UndecodableData(f"not decodable as {_signature(parameters)}: {error}") from None
    return {p.name: p.shape(value) for p, value in zip(parameters, values, strict=True)}


def _signature(parameters: Sequence[Parameter]) -> str:
    return f"({', '.join(parameter.type for parameter in parameters)})"
