"""The directory of models: names, hashes, and what is not a model."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from inference.add_model import add_model
from inference.chat_template import chat_template
from inference.errors import DamagedModel, ManifestError
from inference.gguf_header import GgufHeader
from inference.model import ModelFile, demo_model, hash_file, manifest_path, read_manifest
from inference.model_store import ModelStore, NotStored, UnknownModelName, default_directory, resolve

MICRO = demo_model().with_name("micro.gguf")


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


def test_a_model_lies_under_the_hash_of_its_manifest(store):
    assert store.models() == []
    manifest = read_manifest(MICRO)
    stored = store.add(MICRO, manifest)
    assert stored.path.name == manifest.manifest_hash.hex() + ".gguf"
    assert ModelFile.open(stored.path).manifest == manifest
    assert store.models() == [stored]
    assert store.add(MICRO, manifest) == stored
    assert sorted(path.suffix for path in store.directory.iterdir()) == [".gguf", ".json"]
    store.remove(stored)
    assert list(store.directory.iterdir()) == []
    assert MICRO.exists()


def test_names_and_hashes_lead_to_it(store):
    manifest = read_manifest(MICRO)
    one = store.add(MICRO, manifest)
    two = store.add(MICRO, replace(manifest, name="other", template="Q {input}"))
    assert store.find(manifest.name) == one
    assert store.find("other") == two
    assert store.find(two.id[:8].upper()) == two
    assert store.find("0x" + one.id) == one
    with pytest.raises(UnknownModelName, match="names 2 models"):
        store.find(manifest.sha256[:12])  # the file of both
    for wanted in ("nobody", "", "abc", one.id[:4], "../" + one.id):
        with pytest.raises(UnknownModelName, match="other"):
            store.find(wanted)
    assert resolve("other", store.directory) == two.path
    assert str(resolve("/some/where", store.directory)) == "/some/where"
    assert str(resolve("here.gguf", store.directory)) == "here.gguf"


def test_another_file_is_not_taken(store, tmp_path):
    manifest = read_manifest(MICRO)
    other = tmp_path / "other.gguf"
    other.write_bytes(MICRO.read_bytes()[:-1] + b"\x00\x01")
    with pytest.raises(DamagedModel, match="SHA-256"):
        store.add(other, manifest)
    with pytest.raises(NotStored):
        store.add(tmp_path / "missing.gguf", manifest)
    assert list(store.directory.iterdir()) == []


def test_what_is_no_model_is_left_alone(store):
    manifest = read_manifest(MICRO)
    stored = store.add(MICRO, manifest)
    (store.directory / "notes.gguf").write_bytes(b"mine")
    (store.directory / ("0" * 64 + ".gguf")).write_bytes(b"no manifest")
    wrong = store.directory / ("1" * 64 + ".gguf")
    wrong.write_bytes(b"under another hash")
    manifest_path(wrong).write_text(manifest.to_json())
    assert store.models() == [stored]


async def test_the_workbench_is_cleared(store):
    async with store.workbench(MICRO) as scratch:
        assert hash_file(scratch) == read_manifest(MICRO).sha256
        assert store.models() == []
    assert list(store.directory.iterdir()) == []


async def test_what_is_wrong_is_said_of_the_file_that_was_given(store):
    with pytest.raises(DamagedModel, match=re.escape(f"{MICRO} is broken")):
        async with store.workbench(MICRO) as scratch:
            raise DamagedModel(f"{scratch} is broken")
    assert list(store.directory.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stop_token_ids": [1 << 20]}, "has no token 1048576"),
        ({"context_length": 9_999_999}, "context_length must be"),
        ({"context_length": 0}, "context_length must be"),
        ({"name": "n" * 65}, "name must be"),
    ],
)
async def test_a_manifest_that_makes_no_sense_is_refused_before_anything_is_computed(options, said, tmp_path):
    model = tmp_path / "model.gguf"
    shutil.copyfile(MICRO, model)
    with pytest.raises(ManifestError, match=said):
        await add_model(model, template="Q: {input}", **options)
    assert list(tmp_path.iterdir()) == [model]


def test_hashing_tells_how_far_it_is(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(40 << 20))
    seen = []
    digest = hash_file(path, lambda done, size: seen.append((done, size)))
    assert digest == hash_file(path)
    assert seen == [(16 << 20, 40 << 20), (32 << 20, 40 << 20), (40 << 20, 40 << 20)]


def test_the_default_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "p2pavs" / "models"


def test_the_canonical_form_has_the_hash_of_the_manifest():
    manifest = read_manifest(MICRO)
    assert json.loads(manifest.canonical()) == json.loads(manifest.to_json())
    assert b" " not in manifest.canonical().split(b'"prompts"')[0]


# --- chat templates -----------------------------------------------------------------------------------------


def header(source):
    return GgufHeader({"tokenizer.chat_template": source}, 0, 0)


def test_a_chat_template_becomes_the_text_around_the_input():
    source = (
        "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}<|end|>\n"
        "{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    )
    assert chat_template(header(source)) == ("<|user|>\n{input}<|end|>\n<|assistant|>\n", True)
    assert chat_template(header("[INST] {{ messages[0].content }} [/INST]")) == (
        "[INST] {input} [/INST]",
        False,
    )
    assert chat_template(GgufHeader({}, 0, 0)) is None


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[0].content }} {{ messages[0].content }}",
        "nothing",
        "{% if %}",
        "{{ raise_exception('no') }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ 1 / 0 }}",
        "{{ messages[9].content.x.y }}",
        "x" * 70_000,
    ],
)
def test_chat_templates_that_do_not_work_are_refused(source):
    with pytest.raises(ManifestError, match="--template"):
        chat_template(header(source))
