"""``p2pavs gateway``: the owner's pause."""

from __future__ import annotations

import click

from p2pavs.chain.deploy import owned_contracts
from p2pavs.cli import common
from p2pavs.cli.options import json_option, with_account, with_chain
from p2pavs.cli.output import address, show
from p2pavs.cli.sources import AccountOptions, ChainOptions


@click.group()
def gateway() -> None:
    """Pause new requests, and allow them again.

    A pause stops nothing else: tasks are certified, refunded and paid out. Their deadlines move by the time
    that it lasts.
    """


@gateway.command()
@with_chain
@json_option
def status(where: ChainOptions) -> None:
    """Show whether requests are paused, and who can pause them."""

    async def work() -> tuple[bool, int, bytes, bytes]:
        async with where.open_chain() as chain:
            paused = await chain.read_one("TaskGateway", "paused")
            longest = await chain.read_one("TaskGateway", "longestPause")
            owner = await chain.read_one("TaskGateway", "owner")
            return paused, longest, owner, await chain.read_one("TaskGateway", "candidate")

    paused, longest, owner, candidate = common.run(work)
    offered = address(candidate) if any(candidate) else None
    show(
        {"paused": paused, "longestPauseSeconds": longest, "owner": address(owner), "offeredTo": offered},
        f"requests are {'paused' if paused else 'open'}",
        f"owner {address(owner)}" + (f", offered to {offered}" if offered else ""),
        f"a pause moves deadlines by {longest} s at most",
    )


@gateway.command()
@with_chain
@with_account
@json_option
def pause(
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Stop new requests. Only the owner of the gateway can."""
    _set_paused(True, where, who)


@gateway.command()
@with_chain
@with_account
@json_option
def resume(
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Allow new requests again. Only the owner of the gateway can."""
    _set_paused(False, where, who)


@gateway.command("take-ownership")
@with_chain
@with_account
@json_option
def take_ownership(
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Take what the deploying account offered: the gateway, and the adapter to EigenLayer."""
    source = who.payer()

    async def work() -> list[str]:
        async with where.open_chain() as chain:
            offered = [
                name
                for name in owned_contracts(chain.deployment)
                if await chain.read_one(name, "candidate") == source.address
            ]
            if offered:
                async with common.open_account(chain.rpc, source) as sender:
                    for name in offered:
                        await sender.send(chain.call(name, "takeOwnership"))
            return offered

    taken = common.run(work)
    owner = address(source.address)
    lines = [f"{name} belongs to {owner} now" for name in taken]
    show({"owner": owner, "taken": taken}, *(lines or [f"Nothing is offered to {owner}."]))


def _set_paused(
    paused: bool,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    source = who.payer()

    async def work() -> bool:
        async with where.open_chain() as chain:
            if await chain.read_one("TaskGateway", "paused") == paused:
                return False
            call = chain.call("TaskGateway", "setPaused", paused)
            await chain.simulate(call, source.address)
            async with common.open_account(chain.rpc, source) as sender:
                await sender.send(call)
            return True

    changed = common.run(work)
    state = "paused" if paused else "open"
    show({"paused": paused, "changed": changed}, f"requests are {state}{'' if changed else ' already'}")
