"""Model files and manifests: what is damaged or hostile is refused by name."""

import json
import shutil
import struct
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import DamagedModel, ManifestError
from inference.gguf_header import read_header
from inference.model import ModelFile, demo_model, manifest_path, parse_manifest, read_manifest

MICRO = Path(demo_model()).parent / "micro.gguf"


@pytest.fixture
def copy(tmp_path):
    shutil.copy(MICRO, tmp_path / "m.gguf")
    shutil.copy(MICRO.with_suffix(".json"), tmp_path / "m.json")
    return tmp_path / "m.gguf"


def document():
    return json.loads(MICRO.with_suffix(".json").read_text())


def parse(document):
    return parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize("path", [MICRO, demo_model()])
def test_the_shipped_models_are_whole(path):
    file = ModelFile.open(path)
    assert file.manifest.model_hash == sha256(path.read_bytes()).digest()
    assert file.manifest.size == path.stat().st_size
    assert file.header.needed_bytes <= file.manifest.size
    assert file.header.cache_bytes(file.manifest.context_length) > 0


def test_the_cache_is_sized_from_the_header():
    header = ModelFile.open(demo_model()).header
    layers, key_heads, width = 6, 3, 32
    assert header.cache_bytes(1024) == 1024 * layers * key_heads * width * 2 * 2


def test_a_truncated_file_is_named(copy):
    copy.write_bytes(copy.read_bytes()[:-1000])
    with pytest.raises(DamagedModel, match="truncated"):
        ModelFile.open(copy)


@pytest.mark.parametrize("keep", [0, 3, 10, 30, 200, 4000])
def test_a_file_that_ends_in_its_header_is_named(copy, keep):
    copy.write_bytes(copy.read_bytes()[:keep])
    with pytest.raises(DamagedModel, match="not a whole GGUF file"):
        ModelFile.open(copy)


def test_a_flipped_bit_is_found(copy):
    data = bytearray(copy.read_bytes())
    data[-5] ^= 1
    copy.write_bytes(data)
    with pytest.raises(DamagedModel, match="SHA-256"):
        ModelFile.open(copy)


def test_a_longer_file_is_found(copy):
    copy.write_bytes(copy.read_bytes() + b"x")
    with pytest.raises(DamagedModel, match="bytes and its manifest says"):
        ModelFile.open(copy)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 12_000), st.binary(min_size=1, max_size=12))
def test_a_damaged_header_never_does_worse_than_a_named_error(tmp_path_factory, at, noise):
    data = bytearray(MICRO.read_bytes()[:13_000])
    data[at : at + len(noise)] = noise
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(DamagedModel):
        read_header(path)


def test_hostile_counts_are_refused_before_they_cost_memory(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60))
    with pytest.raises(DamagedModel, match="claims"):
        read_header(path)
    path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**40))
    with pytest.raises(DamagedModel, match="claims"):
        read_header(path)
    deep = b"".join(struct.pack("<IQ", 9, 1) for _ in range(5000))
    path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<I", 9) + deep)
    with pytest.raises(DamagedModel, match="unknown type"):
        read_header(path)


def test_missing_files_say_what_to_do(tmp_path, copy):
    with pytest.raises(DamagedModel, match=r"cannot read .*none\.gguf"):
        ModelFile.open(tmp_path / "none.gguf")
    manifest = manifest_path(copy).read_bytes()
    manifest_path(copy).unlink()
    with pytest.raises(ManifestError, match=r"inference\.golden"):
        ModelFile.open(copy)
    manifest_path(copy).write_bytes(manifest)
    copy.unlink()
    with pytest.raises(DamagedModel, match="cannot read"):
        ModelFile.open(copy)


def test_the_manifest_hash_covers_every_field_and_no_layout():
    manifest = read_manifest(MICRO)
    assert parse_manifest(json.dumps(document(), indent=7).encode()) == manifest
    assert len(manifest.manifest_hash) == len(manifest.golden_digest) == 32
    others = [
        replace(manifest, name="x"),
        replace(manifest, template="x{input}"),
        replace(manifest, add_bos=not manifest.add_bos),
        replace(manifest, stop_token_ids=(1,)),
        replace(manifest, stop=("x",)),
        replace(manifest, context_length=99),
        replace(manifest, golden=replace(manifest.golden, tokens=1)),
    ]
    assert len({m.manifest_hash for m in [manifest, *others]}) == len(others) + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 2),
        ("format", True),
        ("format", 1.0),
        ("name", ""),
        ("name", "x" * 65),
        ("name", "\ud800"),
        ("name", 5),
        ("sha256", "A" * 64),
        ("sha256", "a" * 63),
        ("sha256", None),
        ("size", 0),
        ("size", -1),
        ("size", 2**51),
        ("size", "5"),
        ("size", True),
        ("template", "no place"),
        ("template", "{input}{input}"),
        ("template", "{input}" + "x" * 20_000),
        ("add_bos", 1),
        ("stop_token_ids", [-1]),
        ("stop_token_ids", [True]),
        ("stop_token_ids", [0] * 65),
        ("stop_token_ids", {}),
        ("stop", [""]),
        ("stop", ["x"] * 17),
        ("stop", "x"),
        ("context_length", 15),
        ("context_length", 2**21),
        ("context_length", 100.0),
        ("golden", None),
        ("golden", {}),
        ("golden", {"prompts": [], "tokens": 1, "digest": "0" * 64}),
        ("golden", {"prompts": ["x"], "tokens": 0, "digest": "0" * 64}),
        ("golden", {"prompts": ["x"], "tokens": 1, "digest": "0"}),
    ],
)
def test_wrong_values_are_refused_by_name(field, value):
    with pytest.raises(ManifestError, match=field.split("_")[0]):
        parse(document() | {field: value})


def test_more_and_fewer_fields_are_refused():
    with pytest.raises(ManifestError, match="exactly the fields"):
        parse(document() | {"extra": 1})
    fewer = document()
    del fewer["stop"]
    with pytest.raises(ManifestError, match="exactly the fields"):
        parse(fewer)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"{",
        b"[" * 60_000,
        b"x" * 70_000,
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(ManifestError):
        parse_manifest(data)
