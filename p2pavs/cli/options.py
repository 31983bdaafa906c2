"""Options that commands share, and the types of their values."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from p2pavs import amounts
from p2pavs.cli.main import JSON_WANTED
from p2pavs.cli.settings import list_setting, text_setting
from p2pavs.cli.sources import AccountOptions, ChainOptions, KeyOptions
from p2pavs.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def parse_amount(value: str) -> int:
    """Turn an amount (ETH, or with "gwei" or "wei" after it) into wei, exactly: a click type."""
    try:
        return amounts.parse_amount(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


class NumberRange(click.FloatRange):
    """A number within bounds: a click type. "nan" is none, though it is below and above nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Raises ``click.BadParameter``."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def account_address(value: str) -> bytes:
    """Turn an address into 20 bytes; mixed case must be a valid checksum (EIP-55): a click type."""
    from eth_utils.address import is_checksum_address, is_hex_address, to_canonical_address

    digits = value.removeprefix("0x")
    one_case = digits in (digits.lower(), digits.upper())
    if not is_hex_address(value) or not (one_case or is_checksum_address(value)):
        raise click.BadParameter(f"{value!r} is not an address, or its checksum (EIP-55) is wrong")
    return to_canonical_address(value)


def _remember_json(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    if value:
        ctx.meta[JSON_WANTED] = True
    return value


def json_option(command: F) -> F:
    """Add ``--json``; every command has it. See ``output.show``."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember_json,
        help="Print one JSON object, errors too.",
    )(command)


def _path_option(flag: str, variable: str, help_text: str, setting: str | None = None) -> Callable[[F], F]:
    return click.option(
        flag,
        type=click.Path(path_type=Path),
        envvar=variable,
        show_envvar=True,
        default=partial(text_setting, setting) if setting else None,
        help=help_text,
    )


def rpc_option(command: F) -> F:
    """Add ``--rpc`` as ``rpc``."""
    return click.option(
        "--rpc",
        envvar="P2PAVS_RPC",
        show_envvar=True,
        default=partial(text_setting, "rpc"),
        metavar="URL",
        help="Ethereum JSON-RPC endpoint.",
    )(command)


def deployment_option(command: F) -> F:
    """Add ``--deployment`` as ``deployment``."""
    return _path_option("--deployment", "P2PAVS_DEPLOYMENT", "Deployment file of the network.", "deployment")(
        command
    )


def chain_options(command: F) -> F:
    """Add ``--rpc`` and ``--deployment``."""
    return rpc_option(deployment_option(command))


def password_option(command: F) -> F:
    """Add ``--password-file`` as ``password_file``."""
    return _path_option(
        "--password-file",
        "P2PAVS_PASSWORD_FILE",
        "File that holds the keys' password; without it $P2PAVS_PASSWORD, then a prompt.",
        "password_file",
    )(command)


def key_options(command: F, help_text: str = "The operator's key directory.") -> F:
    """Add ``--keys`` and ``--password-file``."""
    return _path_option("--keys", "P2PAVS_KEYS", help_text, "keys")(password_option(command))


def account_options(command: F) -> F:
    """Add ``--key-file`` as an alternative to ``--keys`` and ``--password-file``."""
    return click.option(
        "--key-file",
        type=click.Path(path_type=Path),
        help="File with an account's secret key in hex, not encrypted; it sends in place of that of --keys.",
    )(key_options(command))


def nodes_option(command: F) -> F:
    """Add ``--node`` as ``nodes``: those of the configuration unless some are given (``node_urls``)."""
    return click.option(
        "--node", "nodes", multiple=True, metavar="URL", help="API of a node, http://HOST:PORT. Repeatable."
    )(command)


def node_urls(nodes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the APIs that ``--node`` names, else those of the configuration. Raises ``UsageError``."""
    from p2pavs.chain.http_endpoint import BadUrl, Place

    urls = nodes or list_setting("nodes")
    for url in urls:
        try:
            Place.of(url)
        except BadUrl as error:
            raise UsageError(f"{url[:200]!r} is no node's API: {error}.", "Give http://HOST:PORT.") from None
    return urls


def with_rpc(command: F) -> F:
    """Add ``--rpc``; the command gets ``where``, a ``ChainOptions`` without a deployment."""
    return rpc_option(_bundled(command, "where", lambda rpc: ChainOptions(rpc, None), ("rpc",)))


def with_chain(command: F) -> F:
    """Add ``--rpc`` and ``--deployment``; the command gets ``where``, a ``ChainOptions``."""
    return chain_options(_bundled(command, "where", ChainOptions, ("rpc", "deployment")))


def with_keys(command: F) -> F:
    """Add ``--keys`` and ``--password-file``; the command gets ``who``, a ``KeyOptions``."""
    return key_options(_bundled(command, "who", KeyOptions, ("keys", "password_file")))


def with_new_keys(command: F) -> F:
    """As ``with_keys``, for a key directory that is made."""
    bundled = _bundled(command, "who", KeyOptions, ("keys", "password_file"))
    return key_options(bundled, "Key directory to make; must not exist.")


def with_account(command: F) -> F:
    """Add ``--key-file``, ``--keys``, ``--password-file``; gives ``who``, an ``AccountOptions``."""
    names = ("keys", "password_file", "key_file")
    return account_options(_bundled(command, "who", AccountOptions, names))


def _bundled(command: F, name: str, bundle: Callable[..., Any], options: tuple[str, ...]) -> F:
    """Hand a command several options as one object."""

    @wraps(command)
    def bundled(*args: Any, **given: Any) -> Any:
        values = [given.pop(option) for option in options]
        return command(*args, **given, **{name: bundle(*values)})

    return cast(F, bundled)
