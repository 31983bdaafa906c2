"""The endpoint's configuration: who pays, who may ask, and how much. API keys are in it as hashes only."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2pavs import toml_file
from p2pavs.amounts import parse_amount
from p2pavs.errors import UsageError

MAX_FILE_BYTES = 256 * 1024
KEY_PREFIX = "p2pavs-"
KEY_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_TOP = frozenset(
    {
        "listen",
        "keys",
        "password_file",
        "deadline",
        "committee",
        "max_tokens",
        "most_tokens",
        "at_once",
        "key",
    }
)
_KEY = frozenset({"name", "sha256", "requests_per_minute", "ether_per_day", "models"})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One who may ask, and its limits."""

    name: str
    sha256: str  # of the key, in hex
    requests_per_minute: int
    wei_per_day: int  # fees and gas of the last 24 hours
    models: tuple[str, ...]  # names or ids; empty = all


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What ``p2pavs node --openai FILE`` reads."""

    listen: str  # host:port
    keys: Path  # directory of the account that pays
    password_file: Path
    deadline: int  # seconds
    committee: int  # seats; 0 = all operators
    max_tokens: int  # where a request names no number
    most_tokens: int  # that a request may name
    at_once: int  # requests that wait for answers
    api_keys: Mapping[str, ApiKey]  # by hash

    def key_of(self, text: str) -> ApiKey | None:
        """Return whose key this is. Keys are random, so a plain hash of one gives nothing away."""
        return self.api_keys.get(hash_key(text))

    @classmethod
    def load(cls, path: Path) -> EndpointConfig:
        """Read the file strictly; relative paths in it are relative to it. Raises ``UsageError``."""
        try:
            return _read(toml_file.read(path, MAX_FILE_BYTES), path.parent)
        except OSError as error:
            reason = error.strerror or "it cannot be read"
        except ValueError as error:
            reason = str(error)
        raise UsageError(
            f"The endpoint's configuration {path} is refused: {reason}.",
            "See docs/operators.md for its form.",
        )


def new_key() -> str:
    """Return a fresh API key."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_RANDOM_BYTES)


def hash_key(text: str) -> str:
    """Return a key as the configuration holds it."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _read(content: dict[str, Any], base: Path) -> EndpointConfig:
    _known("the file", content, _TOP)
    entries = content.get("key", [])
    if not isinstance(entries, list) or not entries:
        raise ValueError("it has no [[key]]: nobody could ask")
    keys = [read_key(entry) for entry in entries]
    if len({key.name for key in keys}) != len(keys) or len({key.sha256 for key in keys}) != len(keys):
        raise ValueError("two keys have the same name or hash")
    most = _number(content, "most_tokens", 1024, 1, 4096)
    return EndpointConfig(
        listen=_text(content, "listen", "127.0.0.1:4003"),
        keys=base / _text(content, "keys"),
        password_file=base / _text(content, "password_file"),
        deadline=_number(content, "deadline", 120, 1, 86_400),
        committee=_number(content, "committee", 0, 0, 256),
        max_tokens=_number(content, "max_tokens", min(256, most), 1, most),
        most_tokens=most,
        at_once=_number(content, "at_once", 32, 1, 1_000),
        api_keys={key.sha256: key for key in keys},
    )


def read_key(entry: Any) -> ApiKey:
    """Read one ``[[key]]``. Raises ``ValueError``."""
    if not isinstance(entry, dict):
        raise ValueError("a key is a table: [[key]]")  # noqa: TRY004 - one error type for all faults of a file
    _known("a key", entry, _KEY)
    name, digest = _text(entry, "name"), _text(entry, "sha256")
    if not _NAME.match(name):
        raise ValueError(
            f"the name of a key has 1 to 64 letters, digits, dots and dashes, unlike {name[:70]!r}"
        )
    if not _HASH.match(digest):
        raise ValueError(f"sha256 of the key {name} is not 64 hex digits: it is the hash, not the key")
    models = entry.get("models", [])
    if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
        raise ValueError(f"models of the key {name} is not a list of names")
    return ApiKey(
        name,
        digest,
        _number(entry, "requests_per_minute", 20, 1, 100_000),
        parse_amount(_text(entry, "ether_per_day")),
        tuple(models),
    )


def _known(where: str, content: dict[str, Any], names: frozenset[str]) -> None:
    for name in content:
        if name not in names:
            raise ValueError(
                f"{where} has an unknown entry {name[:40]!r}; it may have {', '.join(sorted(names))}"
            )


def _text(content: dict[str, Any], name: str, default: str | None = None) -> str:
    value = content.get(name, default)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing or no text")
    return value


def _number(content: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = content.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is not a whole number from {least} to {most}")
    return value
