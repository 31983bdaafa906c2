from pathlib import Path

import pytest

from inference import memory
from inference.errors import NotEnoughMemory
from inference.gguf_header import GgufHeader, read_header
from inference.model import demo_model
from inference.random_model import SHAPES, Shape, write


def model(**metadata):
    base = {
        "general.architecture": "x",
        "x.block_count": 10,
        "x.embedding_length": 512,
        "x.feed_forward_length": 1024,
        "x.attention.head_count": 8,
        "x.attention.head_count_kv": 2,
    }
    return GgufHeader(base | {f"x.{k}": v for k, v in metadata.items()}, 1_000_000, 1000)


def test_the_cache_is_counted_in_whole_blocks_of_every_slot():
    small = memory.need(model(), context=257, slots=3, batch=32)
    assert small.cache == 2 * 10 * (3 * 512) * 2 * (64 + 64)
    assert small.weights == 1_000_000
    assert memory.need(model(), context=512, slots=3, batch=32) == small


@pytest.mark.parametrize(
    ("metadata", "factor"),
    [
        ({"attention.head_count_kv": 8}, 4),
        ({"attention.head_count_kv": [1, 4, 2]}, 2),
        ({"attention.key_length": 128, "attention.value_length": 128}, 2),
        ({"attention.key_length": 192}, 2),
    ],
)
def test_the_cache_follows_the_architectures_widths(metadata, factor):
    plain = memory.need(model(), context=512, slots=1, batch=32).cache
    assert memory.need(model(**metadata), context=512, slots=1, batch=32).cache == factor * plain


def test_a_large_vocabulary_a_batch_and_experts_cost_work_memory():
    def work(header, batch=128):
        return memory.need(header, context=512, slots=1, batch=batch).work

    large = GgufHeader(model().metadata, 1_000_000, 256_000)
    assert work(large) - work(model()) > 2 * 4 * 128 * 255_000
    assert work(large, 256) > work(large) + 2 * 4 * 128 * 256_000
    assert work(model(expert_used_count=8)) > work(model())


def test_the_vocabulary_is_read_from_the_embedding(tmp_path):
    assert read_header(demo_model()).vocabulary == 1024
    for name in ("llama", "gemma2", "mixtral"):
        path = tmp_path / f"{name}.gguf"
        write(path, SHAPES[name])
        header = read_header(path)
        assert header.vocabulary == SHAPES[name].vocabulary
        shape: Shape = SHAPES[name]
        need = memory.need(header, context=256, slots=1, batch=1)
        assert need.cache == 2 * shape.layers * 256 * shape.key_heads * 2 * shape.head_width
        assert 0 <= path.stat().st_size - need.weights < 1 << 16


def test_what_does_not_fit_is_refused_with_numbers_and_a_remedy(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 50 << 20)
    with pytest.raises(NotEnoughMemory, match=r"needs about \d+ MiB .* and 50 MiB are free; stop other"):
        memory.check(Path("a.gguf"), model(), context=512, slots=4, batch=128)
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.check(Path("a.gguf"), model(), context=512, slots=4, batch=128)


def limit(directory: Path, most: str, used: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in (("max", most), ("current", str(used)), ("stat", "anon 500\ninactive_file 150")):
        (directory / f"memory.{name}").write_text(f"{text}\n")


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    free = memory._machine()
    assert free is not None and free > 1 << 20
    monkeypatch.setattr(memory, "_machine", lambda: free)  # it is another number a moment later
    limit(tmp_path, "1000", 700)
    assert memory.available() == 450
    limit(tmp_path, "max", 700)
    assert memory.available() == free


@pytest.mark.parametrize(("of_service", "of_slice", "left"), [("1000", "max", 450), ("1000", "800", 250)])
def test_a_services_limit_counts_and_those_above_it(of_service, of_slice, left, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "groups")
    monkeypatch.setattr(memory, "_OWN_GROUP", tmp_path / "own")
    (tmp_path / "own").write_text("4:memory:/elsewhere\n0::/system.slice/p2pavs.service\n")
    limit(tmp_path / "groups" / "system.slice", of_slice, 700)
    limit(tmp_path / "groups" / "system.slice" / "p2pavs.service", of_service, 700)
    assert memory.available() == left
