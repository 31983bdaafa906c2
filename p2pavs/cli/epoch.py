"""``p2pavs epoch``: see where epochs stand, and begin the next one. Anyone may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.epochs import advance_epoch, freeze_epoch, open_epoch
from p2pavs.chain.errors import NotFound
from p2pavs.chain.poster import Sender
from p2pavs.chain.records import EpochInfo
from p2pavs.cli import common
from p2pavs.cli.options import account_options, chain_options, json_option
from p2pavs.cli.output import ether, hex_, show

Step = Callable[[Chain, Sender], Awaitable[int]]


@click.group()
def epoch() -> None:
    """See and begin epochs."""


@epoch.command()
@click.argument("number", metavar="[EPOCH]", required=False, type=click.IntRange(1, 2**64 - 1))
@chain_options
@json_option
def status(number: int | None, rpc: str | None, deployment: Path | None) -> None:
    """Show the current epoch and when the next one can begin, or what is fixed about EPOCH."""

    async def work() -> dict[str, Any]:
        async with common.open_chain(rpc, deployment) as chain:
            return await _status(chain) if number is None else await _fixed(chain, number)

    content = common.run(work)
    show(content, *(_lines(content) if number is None else _fixed_lines(content)))


@epoch.command()
@chain_options
@account_options
@json_option
def freeze(
    rpc: str | None,
    deployment: Path | None,
    keys: Path | None,
    key_file: Path | None,
    password_file: Path | None,
) -> None:
    """Fix the operators of the next epoch, before the seed exists that will draw among them."""
    _do(
        freeze_epoch,
        "The operators of epoch {} are fixed. Open it: p2pavs epoch open.",
        rpc,
        deployment,
        keys,
        key_file,
        password_file,
    )


@epoch.command("open")
@chain_options
@account_options
@json_option
def open_(
    rpc: str | None,
    deployment: Path | None,
    keys: Path | None,
    key_file: Path | None,
    password_file: Path | None,
) -> None:
    """Give the frozen epoch its seed; it becomes the current one."""
    _do(open_epoch, "Epoch {} is open.", rpc, deployment, keys, key_file, password_file)


@epoch.command()
@chain_options
@account_options
@json_option
def advance(
    rpc: str | None,
    deployment: Path | None,
    keys: Path | None,
    key_file: Path | None,
    password_file: Path | None,
) -> None:
    """Freeze the next epoch if it is not frozen, and open it in a later block."""
    _do(advance_epoch, "Epoch {} is open.", rpc, deployment, keys, key_file, password_file)


def _do(
    step: Step,
    sentence: str,
    rpc: str | None,
    deployment: Path | None,
    keys: Path | None,
    key_file: Path | None,
    password_file: Path | None,
) -> None:
    source = common.read_account(keys, key_file, password_file)

    async def work() -> tuple[int, dict[str, Any]]:
        async with common.open_chain(rpc, deployment) as chain:
            async with common.open_account(chain.rpc, source) as sender:
                number = await step(chain, sender)
            return number, await _status(chain)

    number, content = common.run(work)
    show(content, sentence.format(number), *_lines(content))


async def _status(chain: Chain) -> dict[str, Any]:
    current = await reader.current_epoch(chain)
    following = await reader.read_epoch(chain, current + 1)
    info = await reader.read_epoch(chain, current) if current else None
    length = await reader.epoch_length(chain)
    return {
        "epoch": current,
        **_set(info),
        "nextFrozen": following is not None,
        "nextDueAtBlock": 0 if info is None else info.opened_at + length,
        "block": await chain.rpc.block_number(),
    }


async def _fixed(chain: Chain, number: int) -> dict[str, Any]:
    info = await reader.read_epoch(chain, number)
    if info is None:
        raise NotFound(f"Epoch {number} is not frozen yet.", "See p2pavs epoch status.")
    return {"epoch": number, **_set(info), "current": await reader.current_epoch(chain)}


def _set(info: EpochInfo | None) -> dict[str, Any]:
    opened = info is not None and info.opened_at > 0
    return {
        "operators": 0 if info is None else info.count,
        "totalStakeWei": "0" if info is None else str(info.total_stake),
        "setRoot": None if info is None else hex_(info.set_root),
        "openedAtBlock": info.opened_at if info is not None and opened else None,
        "seed": hex_(info.seed) if info is not None and opened else None,
    }


def _fixed_lines(content: dict[str, Any]) -> list[str]:
    opened = content["openedAtBlock"]
    return [
        f"epoch       {content['epoch']}, "
        + ("frozen, not open yet" if opened is None else f"opened at block {opened}"),
        *_set_lines(content),
    ]


def _set_lines(content: dict[str, Any]) -> list[str]:
    return [
        f"operators   {content['operators']} with {ether(int(content['totalStakeWei']))}",
        f"set root    {content['setRoot']}",
    ]


def _lines(content: dict[str, Any]) -> list[str]:
    if content["nextFrozen"]:
        next_line = "frozen, can be opened (p2pavs epoch open)"
    elif content["block"] + 1 >= content["nextDueAtBlock"]:
        next_line = "can be frozen (p2pavs epoch advance)"
    else:
        next_line = f"can be frozen from block {content['nextDueAtBlock']} on, now is {content['block']}"
    if content["epoch"] == 0:
        return ["epoch       none is open yet", f"next        {next_line}"]
    return [
        f"epoch       {content['epoch']}, opened at block {content['openedAtBlock']}",
        *_set_lines(content),
        f"next        {next_line}",
    ]
