"""A directory of models, each under its hash: HASH.gguf and HASH.json, where HASH names the manifest.

The manifest's hash binds the file's, so a name in the directory says all that decides the answers. The same
weights under two manifests are two models that share their bytes (a hard link).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from inference.errors import DamagedModel, InferenceError, ManifestError
from inference.model import Manifest, OnBytes, hash_file, manifest_path, read_manifest

_HASH = re.compile(r"[0-9a-f]{64}")
_SHORTEST = 6


class UnknownModelName(InferenceError):
    """No model of the directory has this name or hash, or several have."""


class NotStored(InferenceError):
    """The directory cannot take, or give up, a model."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A model of the directory, as its manifest tells; the file was not read again."""

    path: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """The manifest's hash, in hex."""
        return self.manifest.manifest_hash.hex()


class ModelStore:
    """The models in one directory. It is made when the first model comes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def models(self) -> list[Stored]:
        """All whole models, by name. What is in the directory besides is left alone."""
        found = []
        for path in sorted(self.directory.glob("*.gguf")):
            if _HASH.fullmatch(path.stem):
                try:
                    stored = Stored(path, read_manifest(path))
                except ManifestError:
                    continue
                if stored.id == path.stem:
                    found.append(stored)
        return sorted(found, key=lambda stored: (stored.manifest.name, stored.id))

    def find(self, wanted: str) -> Stored:
        """Look a model up by name, or by the beginning of its hash or its file's (6 digits or more).

        Raises UnknownModelName.
        """
        prefix = wanted.lower().removeprefix("0x")
        hashed = len(prefix) >= _SHORTEST and all(c in "0123456789abcdef" for c in prefix)
        models = self.models()
        found = [m for m in models if m.manifest.name == wanted] or [
            m for m in models if hashed and (m.id.startswith(prefix) or m.manifest.sha256.startswith(prefix))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            which = ", ".join(m.id[:12] for m in found)
            raise UnknownModelName(f"{wanted!r} names {len(found)} models: {which}. Give more of the hash.")
        known = ", ".join(f"{m.manifest.name} ({m.id[:12]})" for m in models) or "none"
        raise UnknownModelName(
            f"no model in {self.directory} is called {wanted!r}; there are: {known}. "
            "Add one with: p2pavs model add FILE.gguf"
        )

    def add(self, source: Path, manifest: Manifest, progress: OnBytes | None = None) -> Stored:
        """Take in a file that ``manifest`` names: by a hard link, or a copy where that is impossible.

        The bytes that end up in the directory are hashed. Raises DamagedModel or NotStored; then nothing is
        left behind.
        """
        target = self.directory / f"{manifest.manifest_hash.hex()}.gguf"
        scratch = target.with_suffix(f".{os.getpid()}.part")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            _linked(source, scratch)
            if hash_file(scratch, progress) != manifest.sha256:
                raise DamagedModel(
                    f"{source} is not the file that the manifest of {manifest.name} names (SHA-256 differs). "
                    "Copy or download it again."
                )
            description = scratch.with_suffix(".json.part")
            description.write_text(manifest.to_json())
            description.replace(manifest_path(target))
            scratch.replace(target)
        except OSError as error:
            raise NotStored(f"cannot write to {self.directory}: {error.strerror}.") from None
        finally:
            scratch.unlink(missing_ok=True)
        return Stored(target, manifest)

    @asynccontextmanager
    async def workbench(self, source: Path) -> AsyncIterator[Path]:
        """Lend a name in the directory for a file whose manifest is still to be made; gone afterwards.

        What is wrong with the file is said of ``source``, whatever name it was lent under.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".adding-", dir=self.directory) as scratch:
                lent = _linked(source, Path(scratch) / "model.gguf")
                try:
                    yield lent
                except InferenceError as error:
                    raise type(error)(str(error).replace(str(lent), str(source))) from None
        except OSError as error:
            raise NotStored(f"cannot take {source} into {self.directory}: {error.strerror}.") from None

    def remove(self, stored: Stored) -> None:
        """Delete a model. Raises NotStored."""
        try:
            stored.path.unlink()
            manifest_path(stored.path).unlink(missing_ok=True)
        except OSError as error:
            raise NotStored(f"cannot remove {stored.path}: {error.strerror}.") from None


def _linked(source: Path, target: Path) -> Path:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
    return target


def resolve(wanted: str, directory: Path) -> Path:
    """The GGUF that a name, a hash or a path means; a path must look like one (a slash or ``.gguf``).

    Raises UnknownModelName.
    """
    return Path(wanted) if is_path(wanted) else ModelStore(directory).find(wanted).path


def is_path(wanted: str) -> bool:
    """Whether what names a model is a path, and no name or hash."""
    return wanted.endswith(".gguf") or os.sep in wanted


def default_directory() -> Path:
    """Where models lie unless somebody says otherwise: $XDG_DATA_HOME/p2pavs/models."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "p2pavs" / "models"
