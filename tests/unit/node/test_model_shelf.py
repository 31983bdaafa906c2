"""A node takes up new versions and new files while it runs, and stops nothing for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from consensus.hashing import keccak256
from inference.errors import InferenceError
from inference.runtime import CANONICAL, runtime_profile
from p2pavs import model_shelf
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import RpcUnreachable
from p2pavs.chain.records import ModelEntry
from p2pavs.model_shelf import LOOK_EVERY, ModelNotRegistered, ModelShelf, ModelUnusable

PROFILE = runtime_profile(CANONICAL)


def digest(name: str) -> bytes:
    return keccak256(name.encode())


def entry(name: str, number: int = 1, *, active: bool = True) -> ModelEntry:
    """A registered version that is the file ``name``."""
    return ModelEntry(
        digest(f"{name} {number}"),
        digest(name),
        digest(name + " manifest"),
        PROFILE,
        digest(name + " golden"),
        1,
        1,
        1,
        0,
        0,
        b"\1" * 20,
        active,
        name,
    )


class Registry:
    """The chain's models and the workers, as far as a shelf sees them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.entries: list[ModelEntry] = []
        self.running: list[str] = []
        self.broken: set[str] = set()
        self.down = False

    def put(self, name: str) -> Path:
        path = self.directory / f"{name}.gguf"
        path.write_bytes(name.encode())
        path.with_suffix(".json").write_text("{}")
        return path

    async def list_models(self, _: Chain, known: tuple[ModelEntry, ...]) -> tuple[ModelEntry, ...]:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise RpcUnreachable("http://127.0.0.1", "it is down")
        return tuple(self.entries)

    @asynccontextmanager
    async def open(self, path: Path, *, threads: int) -> AsyncIterator[Any]:
        await trio.lowlevel.checkpoint()
        name = path.stem
        if name in self.broken:
            raise InferenceError(f"{name} is damaged")
        manifest = SimpleNamespace(
            model_hash=digest(name),
            manifest_hash=digest(name + " manifest"),
            golden_digest=digest(name + " golden"),
        )
        self.running.append(name)
        try:
            yield SimpleNamespace(manifest=manifest, profile=CANONICAL)
        finally:
            self.running.remove(name)

    @asynccontextmanager
    async def shelf(
        self, *files: Path, changed: Callable[[], None] = lambda: None
    ) -> AsyncIterator[ModelShelf]:
        shelf = ModelShelf(cast(Any, None), (), self.directory, 1)
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            await shelf.open(stack)
            nursery.start_soon(shelf.run, changed)
            yield shelf
            nursery.cancel_scope.cancel()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry(tmp_path)
    monkeypatch.setattr(model_shelf, "list_models", made.list_models)
    monkeypatch.setattr(model_shelf, "ModelWorker", SimpleNamespace(open=made.open))
    return made


async def test_a_new_version_is_served_without_a_restart(
    registry: Registry, autojump_clock: MockClock
) -> None:
    old = entry("one")
    registry.put("one")
    registry.entries.append(old)
    changes: list[int] = []
    async with registry.shelf(changed=lambda: changes.append(1)) as shelf:
        running = shelf.executors[old.id]
        registry.put("two")
        registry.entries.append(entry("two"))
        await trio.sleep(2 * LOOK_EVERY)
        assert set(shelf.executors) == {old.id, entry("two").id}
        assert shelf.executors[old.id] is running, "tasks of the old version go on"
        assert (registry.running, changes) == (["one", "two"], [1])
        # The same file under other terms is another version; the first may be switched off meanwhile.
        registry.entries[0] = entry("one", active=False)
        registry.entries.append(entry("one", 2))
        await trio.sleep(2 * LOOK_EVERY)
        assert shelf.executors[entry("one", 2).id] is running
        assert old.id in shelf.executors
    assert registry.running == []


async def test_a_file_that_cannot_be_served_is_tried_again_when_it_changes(
    registry: Registry, autojump_clock: MockClock
) -> None:
    registry.put("one")
    registry.entries += [entry("one"), entry("two")]
    async with registry.shelf() as shelf:
        registry.broken.add("two")
        path = registry.put("two")
        await trio.sleep(5 * LOOK_EVERY)
        assert registry.running == ["one"]
        registry.broken.clear()
        registry.down = True
        os.utime(path, (1, 1))
        await trio.sleep(2 * LOOK_EVERY)
        assert entry("two").id not in shelf.executors
        registry.down = False
        await trio.sleep(2 * LOOK_EVERY)
        assert entry("two").id in shelf.executors


async def test_nothing_to_serve_is_said_at_once(registry: Registry, autojump_clock: MockClock) -> None:
    path = registry.put("one")
    registry.entries.append(entry("two"))
    async with AsyncExitStack() as stack:
        with pytest.raises(ModelNotRegistered, match="which has two"):
            await ModelShelf(cast(Any, None), [path], None, 1).open(stack)
    registry.broken.add("one")
    async with AsyncExitStack() as stack:
        with pytest.raises(ModelUnusable, match="one is damaged"):
            await ModelShelf(cast(Any, None), [path], None, 1).open(stack)


async def test_a_directory_that_cannot_be_read_is_read_later(
    registry: Registry, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.put("one")
    registry.entries += [entry("one"), entry("two")]
    async with registry.shelf() as shelf:

        def unreadable(_: Path) -> list[Path]:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr(model_shelf, "models_in", unreadable)
            await trio.sleep(2 * LOOK_EVERY)
        # One that is taken away again between two looks at it was never there.
        with monkeypatch.context() as patched:
            patched.setattr(model_shelf, "models_in", lambda _: [registry.directory / "gone.gguf"])
            registry.broken.add("gone")
            await trio.sleep(2 * LOOK_EVERY)
        registry.put("two")
        await trio.sleep(2 * LOOK_EVERY)
        assert entry("two").id in shelf.executors
        assert registry.running == ["one", "two"]
