"""``p2pavs openai``: API keys for a node's OpenAI endpoint."""

from __future__ import annotations

from pathlib import Path

import click

from p2pavs.cli.options import json_option, parse_amount
from p2pavs.cli.output import ether, note, show
from p2pavs.errors import UsageError


@click.group()
def openai() -> None:
    """API keys for a node's OpenAI endpoint."""


@openai.command("new-key")
@click.argument("name")
@click.option("--requests-per-minute", default=20, show_default=True, type=click.IntRange(1, 100_000))
@click.option(
    "--ether-per-day",
    default="0.1",
    show_default=True,
    metavar="AMOUNT",
    help="Fees and gas that the key may cost in 24 hours: 0.1, 20gwei.",
)
@json_option
def new_key(name: str, requests_per_minute: int, ether_per_day: str) -> None:
    """Make an API key for NAME: the key, shown once, and the lines for the configuration.

    \b
    Example:
      p2pavs openai new-key alice --ether-per-day 0.05 >> openai.toml
    """
    import json

    from p2pavs.openai_api import config

    parse_amount(ether_per_day)
    key = config.new_key()
    entry = {
        "name": name,
        "sha256": config.hash_key(key),
        "requests_per_minute": requests_per_minute,
        "ether_per_day": ether_per_day,
    }
    try:
        config.read_key(entry)
    except ValueError as error:
        raise UsageError(f"No key is made: {error}.", "Choose another name.") from None
    note(f"The key, which is kept nowhere: {key}")
    lines = [f"{field} = {json.dumps(value)}" for field, value in entry.items()]
    show({"key": key, **entry}, "", "[[key]]", *lines)


@openai.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path) -> None:
    """Check the configuration FILE of an endpoint, as 'p2pavs node --openai FILE' reads it."""
    from p2pavs.openai_api.config import EndpointConfig

    found = EndpointConfig.load(file)
    keys = list(found.api_keys.values())
    show(
        {"listen": found.listen, "keys": str(found.keys), "apiKeys": [key.name for key in keys]},
        f"{file} is sound: http://{found.listen}/v1, paid by the account in {found.keys}",
        *(
            f"  {key.name}: {key.requests_per_minute} requests a minute, {ether(key.wei_per_day)} a day"
            for key in keys
        ),
    )
