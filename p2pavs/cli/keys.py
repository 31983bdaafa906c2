"""``p2pavs keys``: make, show, back up and bring back an operator's keys."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pavs import keystore
from p2pavs.cli import common
from p2pavs.cli.options import json_option, with_keys, with_new_keys
from p2pavs.cli.output import address, hex_, note, show
from p2pavs.cli.protection import protection
from p2pavs.cli.sources import KeyOptions
from p2pavs.errors import UsageError

if TYPE_CHECKING:
    from p2pavs.keystore import Secret

_fast = click.option(
    "--insecure-fast-kdf",
    is_flag=True,
    envvar="P2PAVS_INSECURE_FAST_KDF",
    help="Make files that open fast, and whose password can be guessed fast: for test networks only.",
)
_index = click.option(
    "--index", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Operator of the words."
)
_file = click.Path(path_type=Path)


@click.group()
def keys() -> None:
    """Make, show, back up and bring back an operator's keys."""


keys.add_command(protection)


@keys.command()
@click.option(
    "--account-key-file",
    type=_file,
    help="File with the secret key (hex) of an account you have; without it a new account is made.",
)
@click.option(
    "--mnemonic-out",
    type=_file,
    help="Derive the keys from 24 new words, and write the words to this new file: print it, then delete it.",
)
@_index
@_fast
@with_new_keys
@json_option
def new(
    account_key_file: Path | None,
    mnemonic_out: Path | None,
    index: int,
    insecure_fast_kdf: bool,
    who: KeyOptions,
) -> None:
    """Make account, consensus and network keys, encrypted under one password.

    \b
    Examples:
      p2pavs keys new --keys keys
      p2pavs keys new --keys keys --password-file password --mnemonic-out words.txt
    """
    from p2pavs.keystore import mnemonic

    if mnemonic_out is not None and account_key_file is not None:
        raise UsageError(
            "The words give the account, and --account-key-file gives another one.", "Leave one of them out."
        )
    secret = None if account_key_file is None else common.read_key_file(account_key_file)
    directory = who.new_directory()
    password = who.new_password()
    keystore.check_password(password)
    derived = None
    if mnemonic_out is not None:
        words = mnemonic.new_words()
        derived = mnemonic.derive(words, index)
        _write_words(mnemonic_out, words)
    identity = keystore.create(
        directory, password, secret, derived=derived, insecure_fast_kdf=insecure_fast_kdf
    )
    _show(directory, identity.public, "Back the directory up: without it the stake cannot be withdrawn.")


@keys.command()
@click.option("--mnemonic-file", type=_file, help="File with the words; without it they are asked for.")
@_index
@_fast
@with_new_keys
@json_option
def recover(
    mnemonic_file: Path | None,
    index: int,
    insecure_fast_kdf: bool,
    who: KeyOptions,
) -> None:
    """Bring the keys of a mnemonic back, under a new password.

    Consensus keys that 'p2pavs operator rotate-key' made since are not in the words: they are in the backups
    that were taken after it.

    \b
    Example:
      p2pavs keys recover --keys keys --mnemonic-file words.txt --password-file password
    """
    from p2pavs.keystore import mnemonic

    directory = who.new_directory()
    derived = mnemonic.derive(_read_words(mnemonic_file), index)
    password = who.new_password()
    identity = keystore.create(directory, password, derived=derived, insecure_fast_kdf=insecure_fast_kdf)
    _show(directory, identity.public)


@keys.command("import")
@click.option("--account", type=_file, help="Encrypted JSON of an account (Web3 v3, as wallets write it).")
@click.option("--consensus", type=_file, help="EIP-2335 keystore of a BLS12-381 key.")
@click.option(
    "--their-password-file", type=_file, help="File with the password of these files, if it is another one."
)
@_fast
@with_new_keys
@json_option
def import_(
    account: Path | None,
    consensus: Path | None,
    their_password_file: Path | None,
    insecure_fast_kdf: bool,
    who: KeyOptions,
) -> None:
    """Make a key directory out of key files of other programs; what is not given is new.

    A consensus key that signs for anything else must not be used here.

    \b
    Example:
      p2pavs keys import --keys keys --account UTC--2026... --consensus keystore-m_12381_60_0_0_0.json
    """
    if account is None and consensus is None:
        raise UsageError("There is nothing to import.", "Give --account, --consensus or both.")
    directory = who.new_directory()
    password = who.new_password()
    theirs = password if their_password_file is None else common.read_password(their_password_file)
    identity = keystore.create(
        directory,
        password,
        None if account is None else keystore.open_file(account, theirs),
        consensus_secret=None if consensus is None else keystore.open_file(consensus, theirs),
        insecure_fast_kdf=insecure_fast_kdf,
    )
    _show(directory, identity.public, "Back the directory up: without it the stake cannot be withdrawn.")


@keys.command()
@click.option("--out", required=True, type=_file, help="File to write; must not exist.")
@with_keys
@json_option
def backup(out: Path, who: KeyOptions) -> None:
    """Write all keys, encrypted as they are, to one file, after opening each with the password.

    \b
    Example:
      p2pavs keys backup --keys keys --out keys-backup.json
    """
    if out.exists():
        raise UsageError(f"{out} exists already.", "Choose another file with --out.")
    directory = who.directory()
    who.public()
    public = keystore.write_backup(directory, who.password(), out)
    _show(directory, public, f"{out} holds all of it, encrypted. Keep it apart from the password.")


@keys.command()
@click.argument("file", type=_file)
@with_new_keys
@json_option
def restore(file: Path, who: KeyOptions) -> None:
    """Make a key directory out of the backup FILE, after opening each key in it with the password.

    \b
    Example:
      p2pavs keys restore keys-backup.json --keys keys
    """
    directory = who.new_directory()
    public = keystore.restore_backup(file, who.password(), directory)
    _show(directory, public)


@keys.command("show")
@click.option("--verify", is_flag=True, help="Also open the secret files with the password.")
@with_keys
@json_option
def show_keys(who: KeyOptions, verify: bool) -> None:
    """Show the public part of a key directory; no secret is ever shown.

    \b
    Example:
      p2pavs keys show --keys keys --verify
    """
    public = who.public()
    if verify:
        keystore.load(who.directory(), who.password())
    _show(who.directory(), public, *(["All secret files open and fit."] if verify else []))


def _show(directory: Path, public: keystore.PublicIdentity, *more: str) -> None:
    link = keystore.load_link(directory)
    content = {
        "directory": str(directory),
        "address": address(public.address),
        "consensusKey": hex_(public.consensus_key),
        "peerId": public.peer_id,
    }
    if link is not None:
        content["signer"] = link.url
        more = (f"held by         {link.url} (account and consensus key)", *more)
    show(
        content,
        f"keys            {directory}",
        f"account         {content['address']}",
        f"consensus key   {content['consensusKey']}",
        f"peer id         {public.peer_id}",
        *more,
    )


def _write_words(path: Path, words: Secret) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(words.reveal() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise UsageError(f"{path} exists already.", "Choose another file with --mnemonic-out.") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", "Choose another file with --mnemonic-out."
        ) from None
    note(f"{path} holds the words that bring all keys back: print it, then delete it.")


def _read_words(path: Path | None) -> Secret:
    if path is not None:
        return keystore.Secret(common.read_secret_text(path, "mnemonic file").encode())
    if not sys.stdin.isatty():
        raise UsageError("There is no mnemonic.", "Give --mnemonic-file.")
    return keystore.Secret(str(click.prompt("Words", hide_input=True, err=True)).encode())
