"""``p2pavs model add|verify|remove|publish``: model files here, and their manifests on the chain."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import trio
from outcome import Outcome, acapture

from p2pavs.cli import common
from p2pavs.cli.options import json_option, with_account, with_chain
from p2pavs.cli.output import hex_, printable, progress, show, table
from p2pavs.cli.settings import text_setting
from p2pavs.cli.sources import AccountOptions, ChainOptions
from p2pavs.errors import UsageError

if TYPE_CHECKING:
    from inference.model import Manifest
    from inference.model_store import ModelStore, Stored

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_EVERY = 2.0  # seconds between lines of progress


def store_option(command: F) -> F:
    """Add ``--models`` as ``models``."""
    return click.option(
        "--models",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="P2PAVS_MODELS",
        show_envvar=True,
        default=partial(text_setting, "models"),
        help="Directory of this machine's models (default: ~/.local/share/p2pavs/models).",
    )(command)


def open_store(models: Path | None) -> ModelStore:
    """Open the directory of ``--models``."""
    from inference.model_store import ModelStore, default_directory

    return ModelStore(models or default_directory())


def served_files(served: tuple[str, ...], models: Path | None) -> tuple[Path, ...]:
    """Return the files of what ``--model`` names. Raises ``P2pavsError``."""
    from inference.errors import InferenceError
    from inference.model_store import resolve

    try:
        return tuple(resolve(wanted, open_store(models).directory) for wanted in served)
    except InferenceError as error:
        raise common.inference_failure(error) from None


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", help="1 to 64 bytes; the file's name unless given.")
@click.option("--template", help="Text around {input} (default: the file's own chat template, else none).")
@click.option("--add-bos", is_flag=True, help="Begin with the vocabulary's beginning-of-text token.")
@click.option("--stop", multiple=True, help="Text that ends an answer. Repeatable.")
@click.option("--stop-token", "stop_tokens", multiple=True, type=int, help="Token that ends one. Repeatable.")
@click.option("--context", type=int, help="Tokens of prompt and answer (default: the file's, at most 4096).")
@click.option("--prompt", "prompts", multiple=True, help="Text for the golden vectors. Repeatable.")
@click.option(
    "--registered", metavar="MODEL", help="Take the manifest that this model published on the chain."
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256))
@store_option
@with_chain
@json_option
def add(
    file: Path,
    name: str | None,
    template: str | None,
    add_bos: bool,
    stop: tuple[str, ...],
    stop_tokens: tuple[int, ...],
    context: int | None,
    prompts: tuple[str, ...],
    registered: str | None,
    threads: int,
    models: Path | None,
    where: ChainOptions,
) -> None:
    """Take a GGUF file into this machine's models: hash it, run its golden vectors, keep it under its hash.

    With a manifest beside the file (FILE.json) and no options about it, that manifest counts; with
    --registered the one on the chain. Otherwise one is made of the settings and the golden vectors' results.

    \b
    Examples:
      p2pavs model add llama.gguf --name llama --context 2048
      p2pavs model add llama.gguf --registered llama
    """
    from inference.add_model import add_model, check_model
    from inference.model import manifest_path, read_manifest

    store = open_store(models)
    chosen = bool(name or template or add_bos or stop or stop_tokens or context or prompts)

    async def work() -> tuple[Stored, bool]:
        manifest = None
        if registered is not None:
            async with where.open_chain() as chain:
                manifest = await _published(chain, registered)
        elif not chosen and manifest_path(file).exists():
            manifest = read_manifest(file)
        if manifest is not None:
            known = any(stored.manifest == manifest for stored in store.models())
            stored = await _hashed(f"hashing {file.name}", partial(store.add, file, manifest))
            try:
                await _ticking(
                    "computing the golden vectors", partial(check_model, stored.path, threads=threads)
                )
            except BaseException:
                if not known:
                    store.remove(stored)
                raise
            return stored, not known
        async with store.workbench(file) as scratch:
            make = partial(
                add_model,
                scratch,
                name=name or file.stem,
                template=template,
                add_bos=add_bos,
                stop=stop,
                stop_token_ids=stop_tokens,
                context_length=context,
                prompts=prompts,
                threads=threads,
            )
            manifest = await _ticking("hashing and computing the golden vectors", make)
            known = any(stored.manifest == manifest for stored in store.models())
            return await _hashed(f"hashing {file.name}", partial(store.add, scratch, manifest)), not known

    stored, new = run_inference(work)
    show(
        describe(stored) | {"changed": new},
        f"{printable(stored.manifest.name)} is {'added' if new else 'there already'}: {stored.path}",
        *_lines(stored),
        f"Serve it with: p2pavs node --model {stored.id[:12]} ...",
    )


@click.command()
@click.argument("model")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256))
@store_option
@json_option
def verify(model: str, threads: int, models: Path | None) -> None:
    """Check a model (name, hash or file): its bytes, and that this machine computes its golden vectors."""
    from inference.add_model import check_model
    from inference.model import ModelFile
    from inference.model_store import Stored, resolve

    async def work() -> Stored:
        path = resolve(model, open_store(models).directory)
        opened: ModelFile = await _hashed(f"hashing {path.name[:16]}", partial(ModelFile.open, path))
        progress("ok    size, header and SHA-256 are those of the manifest")
        await _ticking("computing the golden vectors", partial(check_model, path, threads=threads))
        progress(
            "ok    generation, reading in batches of 1, 7, 17 and 64, and checking give the golden digest"
        )
        return Stored(path, opened.manifest)

    stored = run_inference(work)
    show(
        describe(stored) | {"valid": True},
        f"{printable(stored.manifest.name)} is whole and computes the right bits here.",
        *_lines(stored),
    )


@click.command()
@click.argument("model")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
@json_option
def remove(model: str, yes: bool, models: Path | None) -> None:
    """Delete a model (name or hash) from this machine's directory. Nothing changes on the chain."""
    from inference.errors import InferenceError

    store = open_store(models)
    try:
        stored = store.find(model)
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("There is no terminal to ask on.", "Give --yes.")
            what = f"Delete {printable(stored.manifest.name)} ({_size(stored.manifest.size)}), {stored.path}?"
            click.confirm(what, abort=True, err=True)
        store.remove(stored)
    except InferenceError as error:
        raise common.inference_failure(error) from None
    show(describe(stored) | {"removed": True}, f"{printable(stored.manifest.name)} is removed.")


@click.command()
@click.argument("model")
@store_option
@with_chain
@with_account
@json_option
def publish(
    model: str,
    models: Path | None,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Put the manifest of a registered model (name, hash or file) on the chain, for other operators."""
    from inference.model import read_manifest
    from inference.model_store import resolve
    from p2pavs.chain import reader
    from p2pavs.errors import P2pavsError

    source = who.payer()

    async def work() -> dict[str, Any]:
        manifest = read_manifest(resolve(model, open_store(models).directory))
        async with where.open_chain() as chain:
            entries = [
                m for m in await reader.list_models(chain) if m.manifest_hash == manifest.manifest_hash
            ]
            if not entries:
                raise P2pavsError(
                    f"no registered model has the manifest of {manifest.name}",
                    "Register it first: p2pavs model register --file FILE (it publishes the manifest, too).",
                )
            done = await publish_manifest(chain, source, entries[-1].id, manifest)
            return {"modelId": hex_(entries[-1].id), "name": manifest.name, "changed": done}

    content = run_inference(work)
    state = "is published" if content["changed"] else "was published already"
    show(content, f"The manifest of {printable(content['name'])} {state}.")


async def publish_manifest(chain: Any, source: Any, model_id: bytes, manifest: Manifest) -> bool:
    """Publish a manifest, unless it is there already."""
    from p2pavs.chain import reader

    if await reader.read_manifest(chain, model_id) is not None:
        return False
    async with common.open_account(chain.rpc, source) as sender:
        await sender.send(chain.call("ModelRegistry", "publishManifest", model_id, manifest.canonical()))
    return True


def run_inference(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run asynchronous work; the inference package's errors become ours."""
    from inference.errors import InferenceError

    async def translated() -> T:
        try:
            return await work()
        except InferenceError as error:
            raise common.inference_failure(error) from None

    return common.run(translated)


async def _published(chain: Any, wanted: str) -> Manifest:
    from inference.model import parse_manifest
    from p2pavs import client
    from p2pavs.chain import reader
    from p2pavs.errors import P2pavsError

    # Also one that no task may name yet: operators get a version before it counts.
    entry = client.newest_model(await reader.list_models(chain), wanted)
    if entry is None:
        raise P2pavsError(
            f"no registered model is called {wanted}", "p2pavs model list shows those there are."
        )
    data = await reader.read_manifest(chain, entry.id)
    if data is None:
        raise P2pavsError(
            f"the manifest of {printable(entry.name)} is not on the chain",
            "Ask its maker for the file's .json, or to run: p2pavs model publish.",
        )
    manifest = parse_manifest(data, f"the manifest of {printable(entry.name)} on the chain")
    if manifest.manifest_hash != entry.manifest_hash:
        raise P2pavsError(f"the manifest of {printable(entry.name)} is not in its canonical form")
    return manifest


async def _hashed(what: str, work: Callable[[Callable[[int, int], None]], T]) -> T:
    """Run ``work`` in a thread and tell how many bytes it has hashed."""
    began = told = time.monotonic()

    def tell(done: int, size: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _EVERY:
            told = now
            rate = done / (now - began)
            left = (size - done) / rate
            progress(f"{what}: {done / size:.0%} of {_size(size)}, {_size(int(rate))}/s, {left:.0f} s left")

    return await trio.to_thread.run_sync(work, tell)


async def _ticking(what: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do something that takes long, and say so every 10 s. Raises what the work raises."""
    progress(f"{what} ...")
    began = time.monotonic()
    outcome: Outcome[T] | None = None

    async def tick() -> None:
        while True:
            await trio.sleep(10)
            progress(f"{what}: {time.monotonic() - began:.0f} s")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        outcome = await acapture(work)
        nursery.cancel_scope.cancel()
    return outcome.unwrap()


def show_local(store: ModelStore) -> None:
    """Print the models of this machine."""
    models = store.models()
    table(
        {"directory": str(store.directory), "models": [describe(stored) for stored in models]},
        ("name", "hash", "architecture", "size", "context"),
        [
            (
                stored.manifest.name,
                stored.id[:16],
                str(describe(stored)["architecture"]),
                _size(stored.manifest.size),
                f"{stored.manifest.context_length:,}",
            )
            for stored in models
        ],
        f"There is no model in {store.directory}. Add one with: p2pavs model add FILE.gguf",
    )


def describe(stored: Stored) -> dict[str, Any]:
    """What ``--json`` says of a model."""
    from inference.gguf_header import read_header

    manifest, header = stored.manifest, None
    if stored.path.exists():
        header = read_header(stored.path)
    return {
        "hash": stored.id,
        "name": manifest.name,
        "path": str(stored.path),
        "sha256": manifest.sha256,
        "architecture": header and header.metadata.get("general.architecture"),
        "sizeBytes": manifest.size,
        "contextTokens": manifest.context_length,
        "template": manifest.template,
        "addBos": manifest.add_bos,
        "stop": list(manifest.stop),
        "stopTokens": list(manifest.stop_token_ids),
        "goldenDigest": manifest.golden.digest,
        "goldenPrompts": len(manifest.golden.prompts),
    }


def _lines(stored: Stored) -> list[str]:
    content = describe(stored)
    return [
        f"hash          {content['hash']}",
        f"file SHA-256  {content['sha256']}",
        f"architecture  {printable(str(content['architecture']))}, {_size(content['sizeBytes'])}",
        f"context       {content['contextTokens']:,} tokens",
        f"template      {printable(content['template'].encode('unicode_escape').decode())[:100]}",
        f"golden        {content['goldenDigest']} over {content['goldenPrompts']} prompts",
    ]


def _size(count: int) -> str:
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << bits:
            return f"{count / (1 << bits):.1f} {unit}"
    return f"{count} B"
