"""Model files: whole, registered as they are, or not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from inference.model import demo_model, manifest_path
from inference.runtime import runtime_profile
from p2pavs.chain.records import ModelEntry
from p2pavs.doctor import models
from p2pavs.doctor.check import Status


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for path in (demo_model(), manifest_path(demo_model())):
        shutil.copy(path, tmp_path)
    return tmp_path / demo_model().name


def entry(looked: models.Looked) -> ModelEntry:
    manifest = looked.manifest
    return ModelEntry(
        bytes(32),
        manifest.model_hash,
        manifest.manifest_hash,
        runtime_profile(),
        manifest.golden_digest,
        0,
        0,
        1,
        0,
        0,
        bytes(20),
        True,
        "demo",
    )


def test_a_sound_model(model: Path) -> None:
    (looked,), (check,) = models.files([model])
    assert check.status is Status.OK and looked.needed > model.stat().st_size


def test_a_changed_a_short_and_a_missing_model(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    _, (changed,) = models.files([model])
    assert changed.status is Status.FAIL and "SHA-256 differs" in changed.detail
    model.write_bytes(content[:-1])
    _, (short,) = models.files([model])
    assert short.status is Status.FAIL
    _, (missing,) = models.files([model.with_name("none.gguf")])
    assert missing.status is Status.FAIL


def test_registered_or_not(model: Path) -> None:
    looked, _ = models.files([model])
    same = entry(looked[0])

    def status(*entries: ModelEntry) -> tuple[Status, str]:
        (check,) = models.registered(looked, entries)
        return check.status, check.detail

    assert status(same) == (Status.OK, "registered and active")
    assert status(replace(same, active=False))[0] is Status.WARN
    assert status() == (Status.FAIL, "no version in this deployment has this file")
    assert status(replace(same, model_hash=bytes(32)))[0] is Status.FAIL
    assert status(replace(same, manifest_hash=bytes(32)))[1] == "registered with another manifest"
    assert status(replace(same, runtime_profile=bytes(32)))[1] == "registered under another runtime profile"
