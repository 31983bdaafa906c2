"""``p2pavs certificate``: export certificates and check them, against the chain or from a file alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from p2pavs.cli import common
from p2pavs.cli.files import refuse_existing, write_whole
from p2pavs.cli.options import json_option, with_chain
from p2pavs.cli.output import note, printable, show
from p2pavs.cli.sources import ChainOptions
from p2pavs.errors import UsageError

if TYPE_CHECKING:
    from p2pavs.certificate_file import CertificateFile

CHAIN, FILE = "the chain", "the file alone"
MAX_DIGITS = 78  # of a task's number
_ROOT = re.compile("0x[0-9a-fA-F]{64}")


@click.group()
def certificate() -> None:
    """Export and verify certificates."""


@certificate.command()
@click.argument("number", type=click.IntRange(1))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@with_chain
@json_option
def export(number: int, out: Path, force: bool, where: ChainOptions) -> None:
    """Write the certificate of a task to a file that can be verified without any node or chain."""
    from p2pavs.certificate_file import CertificateFile

    refuse_existing(out, replace=force)

    async def work() -> CertificateFile:
        async with where.open_chain() as chain:
            return await CertificateFile.read(chain, number)

    found = common.run(work)
    found.verify()
    _write(out, found.to_json(), force=force)
    root = "0x" + found.operator_set.root.hex()
    show({"task": number, "file": str(out), "setRoot": root}, f"{out} holds the certificate of task {number}")


@certificate.command()
@click.argument("epoch", type=click.IntRange(1, 2**64 - 1), required=False)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@with_chain
@json_option
def checkpoint(epoch: int | None, out: Path, force: bool, where: ChainOptions) -> None:
    """Write what it takes to verify certificates of EPOCH (default: the current one) without a chain.

    \b
    Example:
      p2pavs certificate checkpoint 1 --out checkpoint.json
      p2pavs certificate verify certificate.json --checkpoint checkpoint.json
    """
    from p2pavs.checkpoint import Checkpoint

    refuse_existing(out, replace=force)

    async def work() -> Checkpoint:
        async with where.open_chain() as chain:
            return await Checkpoint.read(chain, epoch)

    found = common.run(work)
    _write(out, found.to_json(), force=force)
    root = "0x" + found.set_root.hex()
    show({"epoch": found.epoch, "file": str(out), "setRoot": root}, f"{out} vouches for epoch {found.epoch}")


@certificate.command()
@click.argument("what")
@click.option("--set-root", help="The operator set you trust, as 0x and 64 hex digits.")
@click.option(
    "--checkpoint",
    "checkpoint_file",
    type=click.Path(path_type=Path),
    help="What you trust of the certificate's epoch: a file of 'p2pavs certificate checkpoint'.",
)
@with_chain
@json_option
def verify(
    what: str,
    set_root: str | None,
    checkpoint_file: Path | None,
    where: ChainOptions,
) -> None:
    """Verify the certificate of task WHAT on the chain, or in the file WHAT without any chain.

    A number reads everything from the chain and checks it again here: the operator set against the root
    in the contract, the committee against the task's seed, the aggregate signature against the keys.
    A file is checked by itself; it cannot prove that its operator set was the chain's, so compare the set
    root it prints with the chain's, or give what you trust with --checkpoint or --set-root.
    """
    from p2pavs.certificate_file import CertificateFile
    from p2pavs.checkpoint import MAX_FILE_BYTES, Checkpoint, NotTrusted

    if set_root is not None and not _ROOT.fullmatch(set_root):
        raise UsageError("--set-root is not 0x and 64 hex digits.", "Take it from p2pavs epoch status.")
    if what.isascii() and what.isdigit() and len(what) <= MAX_DIGITS:

        async def work() -> CertificateFile:
            async with where.open_chain() as chain:
                return await CertificateFile.read(chain, int(what))

        found, against = common.run(work), CHAIN
    else:
        found, against = _from_file(Path(what)), FILE
    if checkpoint_file is not None:
        Checkpoint.parse(_read(checkpoint_file, MAX_FILE_BYTES)).check(found)
        against = "the chain and the checkpoint" if against == CHAIN else "the checkpoint"
    root = "0x" + found.operator_set.root.hex()
    if set_root is not None and set_root.lower() != root:
        raise NotTrusted(
            f"The operator set has the root {root}, not the one you trust.",
            "Do not rely on this answer, or check the root you gave.",
        )
    if set_root is None and against == FILE:
        note(f"operator set {root}: compare it with p2pavs epoch status, or give --checkpoint")
    committee = found.verify()
    content = found.summary(committee) | {"verified": True, "against": against}
    _show(content)


def _show(content: dict[str, Any]) -> None:
    share = 100 * int(content["signedWeight"]) / int(content["totalWeight"])
    show(
        content,
        f"{click.style('valid', fg='green')}: task {content['task']}, attempt {content['attempt']}, "
        f"round {content['round']}, checked against {content['against']}",
        f"  {len(content['signers'])} of {content['members']} members signed, {share:.0f}% of the weight",
        f"  value   {content['value']}",
        f"  answer  {printable(content['output'])}",
    )


def _write(path: Path, text: str, *, force: bool) -> None:
    write_whole(path, f"{text}\n".encode(), replace=force, mode=0o644)


def _from_file(path: Path) -> CertificateFile:
    from p2pavs.certificate_file import MAX_FILE_BYTES, CertificateFile

    return CertificateFile.parse(_read(path, MAX_FILE_BYTES))


def _read(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", "Give a task's number or a certificate file."
        ) from None
    if len(raw) > most:
        raise UsageError(f"{path} is larger than any file of its kind.", "Check the path.")
    return raw.decode(errors="replace")
