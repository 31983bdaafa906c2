"""``p2pavs model``: register and list models; ``model_files`` has what is done with their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consensus.hashing import words
from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.records import ModelEntry
from p2pavs.cli import common, model_files
from p2pavs.cli.options import NumberRange, json_option, parse_amount, with_account, with_chain
from p2pavs.cli.output import address, ether, hex_, printable, show, table
from p2pavs.cli.royalties import royalties
from p2pavs.cli.sources import AccountOptions, ChainOptions

if TYPE_CHECKING:
    from inference.model import Manifest


@click.group()
def model() -> None:
    """Model files on this machine, and models that are registered on the chain."""


model.add_command(model_files.add)
model.add_command(model_files.verify)
model.add_command(model_files.remove)
model.add_command(model_files.publish)
model.add_command(royalties)


@model.command()
@click.option(
    "--file",
    "path",
    required=True,
    help='A model of this machine (name or hash), a GGUF file with its manifest beside it, or "demo".',
)
@click.option("--name", help="Name on the chain; the manifest's unless given.")
@click.option("--price-per-task", type=parse_amount, default="0.001", show_default=True, help="In ETH.")
@click.option(
    "--price-per-token",
    type=parse_amount,
    default="0.000001",
    show_default=True,
    help="In ETH, by maxTokens.",
)
@click.option(
    "--min-committee",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Least seats (or operators, where the whole set answers).",
)
@click.option(
    "--royalty",
    type=NumberRange(0, 50),
    default=0,
    show_default=True,
    help="Your part of the price, in percent.",
)
@click.option(
    "--from-epoch",
    type=click.IntRange(0, 2**40 - 1),
    default=0,
    help="First epoch whose tasks may name it (default: as early as the deployment allows).",
)
@model_files.store_option
@with_chain
@with_account
@json_option
def register(
    path: str,
    name: str | None,
    price_per_task: int,
    price_per_token: int,
    min_committee: int,
    royalty: float,
    from_epoch: int,
    models: Path | None,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Register a model with its runtime and price, and publish its manifest; nothing of it can be changed.

    Another model under the same name and from the same account is the name's next version. Tasks can name it
    from the epoch on that is printed, so that operators can get it before.
    """
    source = who.payer()
    manifest = _manifest(path, models)
    entry = _entry(manifest, source.address)
    entry = replace(
        entry,
        name=name or entry.name,
        price_per_task=price_per_task,
        price_per_token=price_per_token,
        min_committee=min_committee,
        royalty_bps=round(100 * royalty),
        active_from=from_epoch,
    )

    async def work() -> tuple[bool, ModelEntry]:
        async with where.open_chain() as chain:
            known = await _find(chain, entry.id)
            if known is None:
                async with common.open_account(chain.rpc, source) as sender:
                    await sender.send(chain.call("ModelRegistry", "register", entry.to_abi()))
            await model_files.publish_manifest(chain, source, entry.id, manifest)
            return known is None, known or await reader.read_model(chain, entry.id)

    changed, registered = common.run(work)
    show(
        _json(registered) | {"changed": changed},
        f"{printable(registered.name)} is {'now registered' if changed else 'registered already'}.",
        f"model id  {hex_(registered.id)}",
        f"price     {ether(registered.price_per_task)} a task, {ether(registered.price_per_token)} a token, "
        f"{registered.royalty_bps / 100:g}% of it royalty",
        f"requests  from epoch {registered.active_from} on",
    )


@model.command("list")
@click.option("--local", is_flag=True, help="Only the models of this machine; asks no chain.")
@model_files.store_option
@with_chain
@json_option
def list_(local: bool, models: Path | None, where: ChainOptions) -> None:
    """List the registered models and whether their files are here; with --local the files that are here."""
    store = model_files.open_store(models)
    if local:
        model_files.show_local(store)
        return
    from inference.model import demo_model, read_manifest

    here = {stored.manifest.manifest_hash for stored in store.models()}
    here.add(read_manifest(demo_model()).manifest_hash)

    async def work() -> tuple[ModelEntry, ...]:
        async with where.open_chain() as chain:
            return await reader.list_models(chain)

    found = common.run(work)
    table(
        {"models": [_json(entry) | {"here": entry.manifest_hash in here} for entry in found]},
        ("name", "model id", "active", "here", "from epoch", "per task", "per token"),
        [
            (
                m.name,
                hex_(m.id),
                "yes" if m.active else "no",
                "yes" if m.manifest_hash in here else "no",
                str(m.active_from),
                ether(m.price_per_task),
                ether(m.price_per_token),
            )
            for m in found
        ],
        "No model is registered yet.",
    )


def _manifest(path: str, models: Path | None) -> Manifest:
    """Return the manifest of a model file, after checking the file against it."""
    from inference.errors import InferenceError
    from inference.model import ModelFile, demo_model
    from inference.model_store import resolve

    try:
        where = demo_model() if path == "demo" else resolve(path, model_files.open_store(models).directory)
        return ModelFile.open(where).manifest
    except (InferenceError, OSError) as error:
        raise common.inference_failure(error) from None


def _entry(manifest: Manifest, maker: bytes) -> ModelEntry:
    """Return a model as it is registered, without a price."""
    from inference.runtime import CANONICAL

    profile = CANONICAL.identifier()
    return ModelEntry(
        id=words(
            "p2pavs/model/1",
            manifest.model_hash,
            manifest.manifest_hash,
            profile,
            manifest.golden_digest,
            maker,
        ),
        model_hash=manifest.model_hash,
        manifest_hash=manifest.manifest_hash,
        runtime_profile=profile,
        golden_digest=manifest.golden_digest,
        price_per_task=0,
        price_per_token=0,
        min_committee=1,
        royalty_bps=0,
        active_from=0,
        maker=maker,
        active=True,
        name=manifest.name,
    )


async def _find(chain: Chain, model_id: bytes) -> ModelEntry | None:
    try:
        return await reader.read_model(chain, model_id)
    except ContractRevert as error:
        if error.name == "UnknownModel":
            return None
        raise


def _json(entry: ModelEntry) -> dict[str, Any]:
    return {
        "modelId": hex_(entry.id),
        "name": entry.name,
        "modelHash": hex_(entry.model_hash),
        "manifestHash": hex_(entry.manifest_hash),
        "runtimeProfile": hex_(entry.runtime_profile),
        "goldenDigest": hex_(entry.golden_digest),
        "pricePerTaskWei": str(entry.price_per_task),
        "pricePerTokenWei": str(entry.price_per_token),
        "minCommittee": entry.min_committee,
        "royaltyBps": entry.royalty_bps,
        "activeFromEpoch": entry.active_from,
        "maker": address(entry.maker),
        "active": entry.active,
    }
