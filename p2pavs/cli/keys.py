"""``p2pavs keys``: make and show an operator's keys."""

from __future__ import annotations

from pathlib import Path

import click

from p2pavs import keystore
from p2pavs.cli import common
from p2pavs.cli.options import json_option, key_options, password_option
from p2pavs.cli.output import address, hex_, show


@click.group()
def keys() -> None:
    """Make and show an operator's keys."""


@keys.command()
@click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(path_type=Path),
    help="Directory to make; must not exist.",
)
@click.option(
    "--account-key-file",
    type=click.Path(path_type=Path),
    help="File with the secret key (hex) of an account you have; without it a new account is made.",
)
@click.option(
    "--insecure-fast-kdf",
    is_flag=True,
    envvar="P2PAVS_INSECURE_FAST_KDF",
    help="Make files that open fast, and whose password can be guessed fast: for test networks only.",
)
@password_option
@json_option
def new(
    directory: Path, account_key_file: Path | None, insecure_fast_kdf: bool, password_file: Path | None
) -> None:
    """Make account, consensus and network keys, encrypted under one password."""
    secret = None if account_key_file is None else common.read_key_file(account_key_file)
    if directory.exists():
        raise keystore.KeysExist(directory)
    password = common.read_password(password_file, new=True)
    identity = keystore.create(directory, password, secret, insecure_fast_kdf=insecure_fast_kdf)
    _show(directory, identity.public, "Back the directory up: without it the stake cannot be withdrawn.")


@keys.command("show")
@click.option("--verify", is_flag=True, help="Also open the secret files with the password.")
@key_options
@json_option
def show_keys(keys: Path | None, password_file: Path | None, verify: bool) -> None:
    """Show the public part of a key directory; no secret is ever shown."""
    directory = common.required(keys, "--keys", "P2PAVS_KEYS")
    public = keystore.load_public(directory)
    if verify:
        keystore.load(directory, common.read_password(password_file))
    _show(directory, public, *(["All secret files open and fit."] if verify else []))


def _show(directory: Path, public: keystore.PublicIdentity, *more: str) -> None:
    content = {
        "directory": str(directory),
        "address": address(public.address),
        "consensusKey": hex_(public.consensus_key),
        "peerId": public.peer_id,
    }
    show(
        content,
        f"keys            {directory}",
        f"account         {content['address']}",
        f"consensus key   {content['consensusKey']}",
        f"peer id         {public.peer_id}",
        *more,
    )
