"""Files of keys: read within bounds, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p2pavs import strict_json
from p2pavs.errors import P2pavsError
from p2pavs.keystore.errors import DamagedKeys, KeysExist, NoKeys
from p2pavs.whole_file import write_whole

MAX_FILE_BYTES = 16 * 1024
Json = dict[str, Any]


def read_json(path: Path, most: int = MAX_FILE_BYTES) -> Json:
    """Read a JSON object of at most ``most`` bytes. Raises ``NoKeys`` or ``DamagedKeys``."""
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except FileNotFoundError:
        raise NoKeys(path) from None
    except OSError as error:
        raise DamagedKeys(path, error.strerror or "it cannot be read") from None
    if len(raw) > most:
        raise DamagedKeys(path, f"it is longer than {most} bytes")
    try:
        content = strict_json.loads(raw)
    except ValueError:
        raise DamagedKeys(path, "it is not JSON") from None
    if not isinstance(content, dict):
        raise DamagedKeys(path, "it is not a JSON object")
    return content


def hex_field(content: Mapping[str, Any], name: str, size: int | None) -> bytes:
    """Return the bytes that a field writes in hex. Raises ``ValueError``, or ``KeyError`` where it lacks."""
    value = content[name]
    try:
        data = bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{name} is not hex") from None
    if size is not None and len(data) != size:
        raise ValueError(f"{name} has {len(data)} bytes instead of {size}")
    return data


def reason(error: Exception) -> str:
    """Return what a check of a file's content says to people."""
    return str(error) if type(error) is ValueError else "an entry is missing or of the wrong type"


def check_scrypt(n: Any, r: Any, p: Any, most_bytes: int = 1 << 30) -> None:
    """Refuse parameters that are invalid or would take all memory or all day. Raises ``ValueError``."""
    whole = all(type(value) is int and value > 0 for value in (n, r, p))
    if not whole or n < 2 or n & (n - 1) or 128 * n * r > most_bytes or p > 16 or r > 64:
        raise ValueError("its scrypt parameters are invalid or ask for more than 1 GiB")


def check_pbkdf2(c: Any, prf: Any, most_rounds: int = 10_000_000) -> None:
    """Refuse parameters that are invalid or would take all day. Raises ``ValueError``."""
    if prf != "hmac-sha256" or type(c) is not int or not 0 < c <= most_rounds:
        raise ValueError("its PBKDF2 parameters are invalid")


def write_file(path: Path, content: Json) -> None:
    """Write a JSON file for its owner's eyes: whole, or the old one stays."""
    try:
        write_whole(path, _text(content).encode())
        sync_directory(path.parent)
    except OSError as error:
        raise P2pavsError(
            f"{path} cannot be written: {error.strerror}.", f"Make {path.parent} writable for this user."
        ) from None


def write_directory(directory: Path, files: Mapping[str, Json]) -> None:
    """Make a directory of JSON files: a crash leaves no directory or a whole one.

    Raises ``KeysExist``, or ``P2pavsError`` where it cannot be written.
    """
    if directory.exists():
        raise KeysExist(directory)
    try:
        _write_beside(directory, files)
    except FileExistsError:
        raise KeysExist(directory) from None
    except OSError as error:
        raise P2pavsError(
            f"The key directory {directory} cannot be written: {error.strerror}.",
            "Choose a directory that this user can write.",
        ) from None


def _write_beside(directory: Path, files: Mapping[str, Json]) -> None:
    """Write into a directory beside it, then rename."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))  # mode 0700
    try:
        for name, content in files.items():
            descriptor = os.open(
                temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR
            )
            with os.fdopen(descriptor, "w") as file:
                file.write(_text(content))
                file.flush()
                os.fsync(file.fileno())
        sync_directory(temporary)
        try:
            temporary.rename(directory)
        except OSError:
            if directory.exists():
                raise FileExistsError from None
            raise
        sync_directory(directory.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _text(content: Json) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def sync_directory(directory: Path) -> None:
    """Let what was renamed into a directory reach the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
