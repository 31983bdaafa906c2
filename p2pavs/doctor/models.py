"""The model files: whole, the ones their manifests name, and registered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference import memory
from inference.errors import InferenceError
from inference.model import Manifest, ModelFile
from inference.runtime import runtime_profile
from inference.worker import BATCH, SLOTS
from p2pavs.chain.records import ModelEntry
from p2pavs.doctor.check import Check, fail, ok, warn


@dataclass(frozen=True, slots=True)
class Looked:
    """A model file that is sound."""

    path: Path
    manifest: Manifest
    needed: int
    """Bytes of memory."""


def files(paths: Iterable[Path]) -> tuple[list[Looked], list[Check]]:
    """Hash each file and compare it with its manifest."""
    found: list[Looked] = []
    checks: list[Check] = []
    for path in paths:
        try:
            model = ModelFile.open(path)
        except InferenceError as error:
            checks.append(fail(f"model {path.stem}", str(error), "Copy or download the model again."))
            continue
        except OSError as error:
            checks.append(
                fail(f"model {path.stem}", f"{path} cannot be read: {error.strerror}", "Check --model.")
            )
            continue
        need = memory.need(model.header, context=model.manifest.context_length, slots=SLOTS, batch=BATCH)
        found.append(Looked(path, model.manifest, need.total))
        digest = model.manifest.sha256[:16]
        checks.append(ok(f"model {model.manifest.name}", f"{path.name}, SHA-256 {digest}…, needs {need}"))
    if not checks:
        checks.append(warn("models", "there is none", "Put a GGUF and its manifest into the directory."))
    return found, checks


def registered(models: Sequence[Looked], entries: Sequence[ModelEntry]) -> list[Check]:
    """Whether tasks can name the models: same file, same manifest, same runtime profile."""
    return [_registered(model, entries) for model in models]


def _registered(model: Looked, entries: Sequence[ModelEntry]) -> Check:
    manifest, name = model.manifest, f"registry: {model.manifest.name}"
    same_file = [entry for entry in entries if entry.model_hash == manifest.model_hash]
    same = [
        entry
        for entry in same_file
        if (entry.manifest_hash, entry.runtime_profile, entry.golden_digest)
        == (manifest.manifest_hash, runtime_profile(), manifest.golden_digest)
    ]
    if any(entry.active for entry in same):
        return ok(name, "registered and active")
    if same:
        return warn(name, "its maker switched it off", "It is served for tasks that name it already.")
    if not same_file:
        return fail(
            name,
            "no version in this deployment has this file",
            "Serve a registered model (p2pavs model list), or register it.",
        )
    other = [entry for entry in same_file if entry.manifest_hash == manifest.manifest_hash]
    if other:
        return fail(name, "registered under another runtime profile", "Use the p2pavs that has that profile.")
    return fail(
        name,
        "registered with another manifest",
        "Take the manifest from the chain: p2pavs model add FILE --registered NAME.",
    )
