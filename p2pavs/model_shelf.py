"""The models a node serves: its files, under every version of the registry that names them, now and later."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from inference.errors import InferenceError
from inference.model import models_in
from inference.runtime import runtime_profile
from inference.worker import ModelWorker
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError
from p2pavs.chain.reader import list_models
from p2pavs.chain.records import ModelEntry
from p2pavs.errors import P2pavsError
from p2pavs.execution import Executor, WorkerExecutor

if TYPE_CHECKING:
    from trio_typing import TaskStatus

LOOK_EVERY = 10.0  # seconds
READ_ANYWAY = 300.0
"""Seconds after which all models are read anew: a reorganisation may have put others in their places."""

log = structlog.get_logger()


class ModelUnusable(P2pavsError):
    """A model file cannot be served on this machine."""


class ModelNotRegistered(P2pavsError):
    """No task can name the models this node was given."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A model file whose worker runs."""

    path: Path
    digests: tuple[bytes, bytes, bytes, bytes]  # model, manifest, runtime profile, golden digest
    executor: Executor

    def is_(self, entry: ModelEntry) -> bool:
        return self.digests == (
            entry.model_hash,
            entry.manifest_hash,
            entry.runtime_profile,
            entry.golden_digest,
        )


class ModelShelf:
    """Keeps a worker for each model file, and looks again and again for new files and new versions.

    Nothing that runs is stopped by it: a version that its maker switched off is served on, for the tasks that
    name it.
    """

    def __init__(
        self,
        chain: Chain,
        files: Iterable[Path],
        directory: Path | None,
        threads: int,
        wrap: Callable[[Executor], Executor] = lambda executor: executor,
    ) -> None:
        self.executors: dict[bytes, Executor] = {}
        """By the id of each version served."""
        self.workers: list[ModelWorker] = []
        self._chain = chain
        self._files = tuple(files)
        self._directory = directory
        self._threads = threads
        self._wrap = wrap
        self._copies: list[_Copy] = []
        self._known: tuple[ModelEntry, ...] = ()
        self._read_at = -math.inf
        self._refused: dict[Path, float] = {}  # files that could not be served, with their time of change

    async def open(self, stack: AsyncExitStack) -> None:
        """Load all files that are there now.

        Raises ``ModelUnusable`` for a file that was named and cannot be served, ``ModelNotRegistered`` where
        nothing of it is registered.
        """
        for path in (*self._files, *self._new_files()):
            try:
                worker = await stack.enter_async_context(ModelWorker.open(path, threads=self._threads))
            except InferenceError as error:
                raise ModelUnusable(
                    f"cannot serve the model {path}: {error}",
                    "If the file is sound, 'p2pavs doctor' shows what this machine lacks.",
                ) from None
            self._put(path, worker)
        entries = await self._entries()
        self._name(entries)
        unknown = [copy for copy in self._copies if not any(copy.is_(entry) for entry in entries)]
        described = ", ".join(f"{c.path.name} (file SHA-256 {c.digests[0].hex()[:16]}…)" for c in unknown)
        if unknown:
            log.warning("models_not_registered", files=described)
        if not self.executors:
            raise ModelNotRegistered(
                f"none of the models given ({described or 'none'}) is registered in this deployment, "
                f"which has {', '.join(map(_named, entries)) or 'no model'}",
                "Pass the GGUF of a registered model with --model: same file, same manifest, same runtime "
                "profile. Or register yours with 'p2pavs model register'.",
            )

    async def run(self, changed: Callable[[], None]) -> None:
        """Look for new files and versions until cancelled; ``changed`` is called when there is one more."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(LOOK_EVERY)
                try:
                    new_files = self._new_files()
                except OSError as error:
                    log.warning("models_unseen", directory=str(self._directory), error=str(error))
                    new_files = []
                for path in new_files:
                    # One after another: loading takes a core and reads the whole file.
                    await nursery.start(self._serve, path)
                try:
                    if self._name(await self._entries()):
                        changed()
                except ChainError as error:
                    log.warning("models_unread", error=error.message)

    async def _serve(self, path: Path, *, task_status: TaskStatus[None]) -> None:
        """Keep a new file's worker. One that cannot be served is looked at again when it changes."""
        changed_at = _changed_at(path)
        try:
            async with ModelWorker.open(path, threads=self._threads) as worker:
                self._put(path, worker)
                task_status.started()
                await trio.sleep_forever()
        except InferenceError as error:
            log.warning(
                "model_unusable",
                file=str(path),
                error=str(error),
                remedy="Replace the file, or take it out of the directory; p2pavs doctor says more.",
            )
            self._refused[path] = changed_at
            if not self._has(path):
                task_status.started()

    async def _entries(self) -> tuple[ModelEntry, ...]:
        """The registry's models. Anybody can register many: each is read once, as long as nothing moves."""
        if trio.current_time() - self._read_at >= READ_ANYWAY:
            self._known, self._read_at = (), trio.current_time()
        self._known = await list_models(self._chain, self._known)
        return self._known

    def _put(self, path: Path, worker: ModelWorker) -> None:
        model, profile = worker.manifest, runtime_profile(worker.profile)
        digests = (model.model_hash, model.manifest_hash, profile, model.golden_digest)
        self.workers.append(worker)
        self._copies.append(_Copy(path, digests, self._wrap(WorkerExecutor(worker, profile))))

    def _name(self, entries: Iterable[ModelEntry]) -> bool:
        """Serve each registered version that a file here is; whether there is a new one."""
        new = False
        for entry in entries:
            copy = next((copy for copy in self._copies if copy.is_(entry)), None)
            if copy is None or entry.id in self.executors:
                continue
            self.executors[entry.id] = copy.executor
            log.info("model_served", model="0x" + entry.id.hex(), file=copy.path.name)
            new = True
        return new

    def _new_files(self) -> list[Path]:
        """The directory's model files with a manifest that are not served yet, nor refused as they are."""
        if self._directory is None:
            return []
        return [
            path
            for path in models_in(self._directory)
            if not self._has(path) and self._refused.get(path) != _changed_at(path)
        ]

    def _has(self, path: Path) -> bool:
        return any(copy.path == path for copy in self._copies)


def _changed_at(path: Path) -> float:
    """When a file was changed, unix seconds; 0 where it has gone since the directory was read."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _named(entry: ModelEntry) -> str:
    return f"{entry.name} (file SHA-256 {entry.model_hash.hex()[:16]}…)"
