"""``p2pavs epoch``: see where epochs stand, and begin the next one. Anyone may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import click

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.epochs import Prover, advance_epoch, freeze_epoch, turn
from p2pavs.chain.errors import NotFound
from p2pavs.chain.poster import Sender
from p2pavs.chain.records import EpochInfo
from p2pavs.cli import common
from p2pavs.cli.options import json_option, with_account, with_chain
from p2pavs.cli.output import address, ether, hex_, show
from p2pavs.cli.sources import AccountOptions, ChainOptions

Provers = Mapping[bytes, Prover]


@click.group()
def epoch() -> None:
    """See and begin epochs."""


@epoch.command()
@click.argument("number", metavar="[EPOCH]", required=False, type=click.IntRange(1, 2**64 - 1))
@with_chain
@json_option
def status(number: int | None, where: ChainOptions) -> None:
    """Show the current epoch and when the next one can begin, or what is fixed about EPOCH."""

    async def work() -> dict[str, Any]:
        async with where.open_chain() as chain:
            return await _status(chain) if number is None else await _fixed(chain, number)

    content = common.run(work)
    show(content, *(_lines(content) if number is None else _fixed_lines(content)))


@epoch.command()
@with_chain
@with_account
@json_option
def freeze(
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Fix the operators of the next epoch, before the seed exists that will draw among them."""
    _do(
        _freeze,
        "The operators of epoch {} are fixed. Its seed comes next: p2pavs epoch advance.",
        where,
        who,
    )


@epoch.command("open")
@with_chain
@with_account
@json_option
def open_(
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Give the frozen epoch its seed; it becomes the current one.

    The first epoch anyone may open. A later one takes the proof of the leader whose turn it is,
    so its --keys. Nodes do this by themselves.
    """
    _do(_open_now, "Epoch {} is open.", where, who)


@epoch.command()
@with_chain
@with_account
@json_option
def advance(
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Freeze the next epoch if it is not frozen, and wait until it is open."""
    _do(advance_epoch, "Epoch {} is open.", where, who)


async def _open_now(chain: Chain, sender: Sender, provers: Provers) -> int:
    """Open the frozen epoch in the next blocks, or say whose turn it is."""
    pending = await reader.pending_epoch(chain)
    if not pending.frozen_at:
        raise NotFound(
            f"No operator set is frozen for epoch {pending.epoch}.", "Freeze it first: p2pavs epoch freeze."
        )
    leader = await turn(chain, pending)
    if leader is not None and leader.key not in provers:
        raise NotFound(
            f"Up to block {leader.last_block} it is the turn of {address(leader.operator)} "
            f"(rank {leader.rank}).",
            "Its node reveals by itself; if it does not, the next rank follows. p2pavs epoch advance waits.",
        )
    return await advance_epoch(chain, sender, provers)


def _do(
    step: Callable[[Chain, Sender, Provers], Awaitable[int]],
    sentence: str,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    source = who.payer()
    provers = _provers(who) if who.key_file is None and step is not _freeze else {}

    async def work() -> tuple[int, dict[str, Any]]:
        async with where.open_chain() as chain:
            async with common.open_account(chain.rpc, source) as sender:
                number = await step(chain, sender, provers)
            return number, await _status(chain)

    number, content = common.run(work)
    show(content, sentence.format(number), *_lines(content))


async def _freeze(chain: Chain, sender: Sender, _: Provers) -> int:
    return await freeze_epoch(chain, sender)


def _provers(who: AccountOptions) -> Provers:
    """The operator that --keys can speak for at the beacon."""
    from functools import partial

    from consensus import vrf

    return {key: partial(vrf.prove, secret) for key, secret in who.identity().consensus_keys().items()}


async def _status(chain: Chain) -> dict[str, Any]:
    current = await reader.current_epoch(chain)
    pending = await reader.pending_epoch(chain)
    leader = await turn(chain, pending) if pending.frozen_at else None
    info = await reader.read_epoch(chain, current) if current else None
    length = await reader.epoch_length(chain)
    return {
        "epoch": current,
        **_set(info),
        "nextFrozen": pending.frozen_at > 0,
        "leader": None if leader is None else address(leader.operator),
        "leaderRank": None if leader is None else leader.rank,
        "leaderUntilBlock": None if leader is None else leader.last_block,
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
        next_line = (
            "frozen, can be opened (p2pavs epoch open)"
            if content["leader"] is None
            else f"frozen; {content['leader']} (rank {content['leaderRank']}) makes its seed until block "
            f"{content['leaderUntilBlock']}"
        )
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
