"""A model: a GGUF file and the manifest beside it (NAME.gguf, NAME.json).

The manifest fixes all that decides the bits of an answer besides the weights: the template, the stop
rules and the context length. It names the file by SHA-256 and carries the golden digest, which a node
reproduces before it offers the model.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from inference.errors import DamagedModel, ManifestError
from inference.gguf_header import GgufHeader, read_header

FORMAT = 1
INPUT = "{input}"
MAX_MANIFEST_BYTES = 64 * 1024
MAX_CONTEXT = 1 << 20
_PART = 16 << 20

OnBytes = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Golden:
    """Fixed prompts and the digest of all logits over them and the greedy answers (see ``golden``)."""

    prompts: tuple[str, ...]
    tokens: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``NAME.json`` says. Digests are 64 lower-case hex digits."""

    format: int
    name: str
    sha256: str
    size: int
    template: str
    """Text around ``{input}``; special tokens are recognised in it, but never in the input."""
    add_bos: bool
    stop_token_ids: tuple[int, ...]
    """End tokens besides those the file's vocabulary marks as such."""
    stop: tuple[str, ...]
    context_length: int
    """Tokens of prompt and answer together."""
    golden: Golden

    @property
    def model_hash(self) -> bytes:
        """SHA-256 of the GGUF file."""
        return bytes.fromhex(self.sha256)

    @property
    def golden_digest(self) -> bytes:
        """32 bytes."""
        return bytes.fromhex(self.golden.digest)

    @property
    def manifest_hash(self) -> bytes:
        """SHA-256 of the canonical JSON: keys sorted, no spaces, ASCII."""
        return sha256(self.canonical()).digest()

    def canonical(self) -> bytes:
        """The one form that is hashed, and published on the chain."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    def to_json(self) -> str:
        """The manifest as it is kept on disk."""
        return json.dumps(asdict(self), indent=2) + "\n"


class _Strict:
    """Checks on what a manifest says, each of which names the field it refuses."""

    def __init__(self, source: str) -> None:
        self._source = source

    def wrong(self, problem: str) -> ManifestError:
        remedy = "Write it again with: python -m inference.golden MODEL.gguf"
        return ManifestError(f"{self._source}: {problem}. {remedy}")

    def fields(self, value: object, where: str, names: frozenset[str]) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) != names:
            raise self.wrong(f"{where} must be an object with exactly the fields {', '.join(sorted(names))}")
        return value

    def unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise self.wrong("a field appears twice")
        return found

    def no_constant(self, constant: str) -> None:
        raise self.wrong(f"{constant} is not a number")

    def text(self, value: object, where: str, most: int) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise self.wrong(f"{where} must be a text of 1 to {most} characters")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.wrong(f"{where} is not valid Unicode") from None
        return value

    def whole(self, value: object, where: str, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(f"{where} must be a whole number from {low} to {high}")
        return value

    def flag(self, value: object, where: str) -> bool:
        if not isinstance(value, bool):
            raise self.wrong(f"{where} must be true or false")
        return value

    def digest(self, value: object, where: str) -> str:
        if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
            raise self.wrong(f"{where} must be 64 lower-case hex digits")
        return value

    def several(self, value: object, where: str, most: int) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise self.wrong(f"{where} must be a list of at most {most} entries")
        return value


_FIELDS = frozenset(Manifest.__dataclass_fields__)
_GOLDEN_FIELDS = frozenset(Golden.__dataclass_fields__)


def parse_manifest(data: bytes, source: str = "manifest") -> Manifest:
    """Parse and check a manifest strictly. Raises ManifestError, naming ``source`` and the field."""
    strict = _Strict(source)
    if len(data) > MAX_MANIFEST_BYTES:
        raise strict.wrong(f"over {MAX_MANIFEST_BYTES} bytes")
    try:
        parsed = json.loads(data.decode(), object_pairs_hook=strict.unique, parse_constant=strict.no_constant)
    except (ValueError, RecursionError) as error:
        raise strict.wrong(f"not JSON ({type(error).__name__})") from None
    top = strict.fields(parsed, "the manifest", _FIELDS)
    golden = strict.fields(top["golden"], "golden", _GOLDEN_FIELDS)
    template = strict.text(top["template"], "template", 16_384)
    if template.count(INPUT) != 1:
        raise strict.wrong(f"template must hold {INPUT} exactly once")
    prompts = [
        strict.text(p, "a golden prompt", 4096) for p in strict.several(golden["prompts"], "prompts", 16)
    ]
    if not prompts:
        raise strict.wrong("golden must have a prompt")
    stop_tokens = strict.several(top["stop_token_ids"], "stop_token_ids", 64)
    return Manifest(
        format=strict.whole(top["format"], "format", FORMAT, FORMAT),
        name=strict.text(top["name"], "name", 64),
        sha256=strict.digest(top["sha256"], "sha256"),
        size=strict.whole(top["size"], "size", 1, 1 << 50),
        template=template,
        add_bos=strict.flag(top["add_bos"], "add_bos"),
        stop_token_ids=tuple(strict.whole(t, "a stop token", 0, 2**31 - 1) for t in stop_tokens),
        stop=tuple(strict.text(s, "a stop text", 64) for s in strict.several(top["stop"], "stop", 16)),
        context_length=strict.whole(top["context_length"], "context_length", 16, MAX_CONTEXT),
        golden=Golden(
            tuple(prompts),
            strict.whole(golden["tokens"], "golden.tokens", 1, 256),
            strict.digest(golden["digest"], "golden.digest"),
        ),
    )


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file whose bytes are the ones its manifest names."""

    path: Path
    manifest: Manifest
    header: GgufHeader

    @classmethod
    def open(cls, path: str | os.PathLike[str], progress: OnBytes | None = None) -> ModelFile:
        """Check the file against its manifest. Reads it all; raises ManifestError or DamagedModel."""
        path = Path(path)
        header = read_header(path)  # first: where there is no file, a missing manifest is not what is wrong
        manifest = read_manifest(path)
        size = path.stat().st_size
        if size != manifest.size:
            raise DamagedModel(
                f"{path} has {size} bytes and its manifest says {manifest.size}. Copy or download it again."
            )
        if hash_file(path, progress) != manifest.sha256:
            raise DamagedModel(
                f"{path} is not the file its manifest names (SHA-256 differs). Copy or download it again."
            )
        return cls(path, manifest, header)


def manifest_path(path: Path) -> Path:
    """Where the manifest of a model file lies."""
    return path.with_suffix(".json")


def models_in(directory: Path) -> list[Path]:
    """The model files of a directory that have a manifest beside them, in the order of their names."""
    return [path for path in sorted(directory.glob("*.gguf")) if manifest_path(path).is_file()]


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """The manifest beside the model file ``path``, without looking at the model. Raises ManifestError."""
    where = manifest_path(Path(path))
    try:
        with where.open("rb") as file:
            return parse_manifest(file.read(MAX_MANIFEST_BYTES + 1), str(where))
    except OSError as error:
        raise ManifestError(
            f"cannot read the manifest {where}: {error.strerror}. "
            f"Write one with: python -m inference.golden {path}"
        ) from None


def hash_file(path: Path, progress: OnBytes | None = None) -> str:
    """SHA-256 of a file, in hex. ``progress`` is called after every 16 MiB."""
    digest = sha256()
    with path.open("rb") as file:
        size, done = os.fstat(file.fileno()).st_size, 0
        while part := file.read(_PART):
            digest.update(part)
            done += len(part)
            if progress is not None:
                progress(done, size)
    return digest.hexdigest()


def demo_model() -> Path:
    """The model that ships with the package."""
    return Path(__file__).parent / "models" / "demo.gguf"
