"""What commands need to begin: passwords, accounts, a chain, a sender."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import trio

from p2pavs.errors import P2pavsError, UsageError
from p2pavs.payer import PENDING_FILE, Payer

if TYPE_CHECKING:
    from p2pavs import keystore
    from p2pavs.chain.contracts import Chain
    from p2pavs.chain.poster import Sender
    from p2pavs.chain.rpc import Rpc

T = TypeVar("T")

MAX_SECRET_FILE_BYTES = 4096


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a command's asynchronous part."""
    return trio.run(work)


def required(value: T | None, flag: str, variable: str) -> T:
    """Return an option's value. Raises ``UsageError`` where it was given nowhere."""
    if value is None or value == "":
        setting = variable.removeprefix("P2PAVS_").lower()
        raise UsageError(
            f"{flag} is missing.",
            f"Give {flag}, set ${variable}, or write '{setting}' into the configuration (p2pavs init).",
        )
    return value


def read_password(password_file: Path | None, *, new: bool = False) -> str:
    """Return the keys' password: from the file, $P2PAVS_PASSWORD, or a prompt (twice for new keys)."""
    if password_file is not None:
        password = read_secret_text(password_file, "password file").removesuffix("\n").removesuffix("\r")
        if not password:
            raise UsageError(f"The password file {password_file} is empty.", "Write the password into it.")
        return password
    from_environment = os.environ.get("P2PAVS_PASSWORD")
    if from_environment:
        return from_environment
    if not sys.stdin.isatty():
        raise UsageError(
            "There is no password.", "Give --password-file, or set $P2PAVS_PASSWORD_FILE or $P2PAVS_PASSWORD."
        )
    prompted: str = click.prompt("Password", hide_input=True, confirmation_prompt=new, err=True)
    return prompted


def read_account(keys: Path | None, key_file: Path | None, password_file: Path | None) -> Payer:
    """Open the account of ``--key-file``, or else of ``--keys``."""
    from p2pavs import keystore

    if key_file is not None:
        secret = read_key_file(key_file)
        return Payer(keystore.account_of(secret), key_file.with_name(f"{key_file.name}.{PENDING_FILE}"))
    directory = required(keys, "--keys (or --key-file)", "P2PAVS_KEYS")
    keystore.load_public(directory)  # before the password is asked for
    if (remote := Payer.from_link(directory)) is not None:
        return remote
    account = keystore.load_account(directory, read_password(password_file))
    return Payer(account, directory / PENDING_FILE)


def read_key_file(path: Path) -> keystore.Secret:
    """Read a file that holds one secret key in hex. Raises ``UsageError``."""
    from p2pavs import keystore

    text = read_secret_text(path, "key file").strip().removeprefix("0x")
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != keystore.SECRET_BYTES:
        raise UsageError(f"The key file {path} does not hold 32 bytes in hex.", "Check the file.") from None
    return keystore.Secret(data)


def read_secret_text(path: Path, what: str) -> str:
    """Read a small text file that is never shown. Raises ``UsageError``, which says ``what`` it is."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_FILE_BYTES + 1)
        if len(raw) > MAX_SECRET_FILE_BYTES:
            raise UsageError(
                f"The {what} {path} is longer than {MAX_SECRET_FILE_BYTES} bytes.", "Check the path."
            )
        return raw.decode()
    except OSError as error:
        raise UsageError(f"The {what} {path} cannot be read: {error.strerror}.", "Check the path.") from None
    except UnicodeDecodeError:
        raise UsageError(f"The {what} {path} is not UTF-8 text.", "Check the path.") from None


@asynccontextmanager
async def open_rpc(url: str | None) -> AsyncIterator[Rpc]:
    """Open the endpoint of ``--rpc``."""
    from p2pavs.chain.rpc import Rpc

    async with Rpc(required(url, "--rpc", "P2PAVS_RPC")) as rpc:
        yield rpc


@asynccontextmanager
async def open_chain(url: str | None, deployment: Path | None) -> AsyncIterator[Chain]:
    """Open the network of ``--rpc`` and ``--deployment`` and check that it is there."""
    from p2pavs.chain.contracts import Chain
    from p2pavs.chain.deployment import Deployment

    where = Deployment.load(required(deployment, "--deployment", "P2PAVS_DEPLOYMENT"))
    async with open_rpc(url) as rpc:
        yield await Chain.connect(rpc, where)


@asynccontextmanager
async def open_account(rpc: Rpc, source: Payer) -> AsyncIterator[Sender]:
    """Run a sender with an account; only one process at a time may."""
    async with source.open_sender(rpc) as sender:
        yield sender


def inference_failure(error: Exception) -> P2pavsError:
    """Return an error of the inference package as one of ours: its text says what to do already."""
    return P2pavsError(str(error))
