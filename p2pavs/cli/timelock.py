"""``p2pavs timelock``: upgrades and penalties, which wait out a delay before they act."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from p2pavs.cli import common
from p2pavs.cli.options import NumberRange, account_address, json_option, with_account, with_chain
from p2pavs.cli.output import address, hex_, moment, progress, show
from p2pavs.cli.sources import AccountOptions, ChainOptions
from p2pavs.contracts import EVIDENCE_VERIFIERS, TIMELOCK, UPGRADEABLE
from p2pavs.errors import UsageError

if TYPE_CHECKING:
    from p2pavs.chain.contracts import Call, Chain
    from p2pavs.chain.upgrades import Proposal
    from p2pavs.payer import Payer


@click.group()
def timelock() -> None:
    """Upgrade the contracts that stand behind proxies, and set what offences cost.

    Proposals can be executed by anyone once the timelock's delay is over. Until then who may propose can
    cancel them, and everybody can take their money out.
    """


@timelock.command()
@click.option("--all", "everything", is_flag=True, help="Also proposals that are done or cancelled.")
@with_chain
@json_option
def status(everything: bool, where: ChainOptions) -> None:
    """Show what stands behind the proxies, and what was proposed."""
    from p2pavs.chain import upgrades

    async def work() -> tuple[int, list[dict[str, Any]], list[Proposal]]:
        async with where.open_chain() as chain:
            delay = int(await chain.read_one(TIMELOCK, "getMinDelay"))
            proxies = [
                {
                    "contract": name,
                    "proxy": address(chain.address(name)),
                    "implementation": address(await upgrades.implementation_of(chain, name)),
                    "admin": address(await upgrades.admin_of(chain, name)),
                }
                for name in UPGRADEABLE
                if name in chain.deployment.contracts
            ]
            return delay, proxies, await upgrades.proposals(chain)

    delay, proxies, found = common.run(work)
    pending = (upgrades.Stand.WAITING, upgrades.Stand.READY)
    shown = [one for one in found if everything or one.stand in pending]
    show(
        {"delaySeconds": delay, "proxies": proxies, "proposals": [_json(one) for one in shown]},
        *(f"{p['contract']} {p['proxy']}, implementation {p['implementation']}" for p in proxies),
        f"delay {delay} s",
        *(_line(one) for one in shown),
        *(() if shown else ("Nothing is proposed.",)),
    )


@timelock.command()
@click.argument("contract", type=click.Choice(UPGRADEABLE))
@click.option(
    "--implementation",
    type=account_address,
    help="One that is on the chain; otherwise this version's is deployed, on the terms of the running one.",
)
@with_chain
@with_account
@json_option
def upgrade(
    contract: str,
    implementation: bytes | None,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Propose another implementation of a contract.

    An account that may not propose deploys the implementation, and shows what a proposer must send.
    """
    from p2pavs.chain import upgrades
    from p2pavs.chain.errors import NotDeployed

    source = who.payer()

    async def work() -> tuple[bytes, Call, Proposal | None]:
        async with where.open_chain() as chain:
            if contract not in chain.deployment.contracts:
                raise UsageError(f"This network has no {contract}.", "See p2pavs timelock status.")
            async with common.open_account(chain.rpc, source) as sender:
                new = implementation
                if new is None:
                    progress(f"Deploying the implementation of {contract}.")
                    new = await upgrades.deploy_implementation(chain, sender, contract)
                elif not await chain.rpc.code(new):
                    raise NotDeployed(f"{contract} (implementation)", address(new))
            wanted = await upgrades.upgrade_call(chain, contract, new)
            return new, *await _propose(chain, source, wanted)

    new, proposal_call, made = common.run(work)
    _show_proposal(proposal_call, made, {"contract": contract, "implementation": address(new)})


@timelock.command()
@click.argument("offence", type=click.Choice(sorted(EVIDENCE_VERIFIERS)))
@click.argument("percent", type=NumberRange(0, 100))
@with_chain
@with_account
@json_option
def penalty(
    offence: str,
    percent: float,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Propose how much of its stake an operator loses for an offence. 0 ends its punishment."""
    source = who.payer()

    async def work() -> tuple[Call, Proposal | None]:
        async with where.open_chain() as chain:
            verifier = chain.address(EVIDENCE_VERIFIERS[offence])
            now = await chain.read("SlashingManager", "classOf", verifier)
            class_ = (round(percent * 10**16), now["vetoable"], now["ejects"], now["windowed"])
            call = chain.call("SlashingManager", "setClass", verifier, class_)
            return await _propose(chain, source, replace(call, what=f"the penalty of {offence}"))

    proposal_call, made = common.run(work)
    _show_proposal(proposal_call, made, {"offence": offence, "percent": percent})


@timelock.command()
@click.argument("proposal")
@with_chain
@with_account
@json_option
def execute(
    proposal: str,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Execute a proposal whose delay is over (its id, or the beginning of it). Anyone can."""
    from p2pavs.chain import upgrades
    from p2pavs.chain.deployment import Deployment

    source = who.payer()

    async def work() -> tuple[Proposal, Deployment]:
        async with where.open_chain() as chain:
            found = await _find(chain, proposal)
            if found.stand is upgrades.Stand.WAITING:
                raise UsageError(
                    f"Proposal {hex_(found.id)} is due at {moment(found.due)}.", "Execute it then."
                )
            call = upgrades.execute_call(chain, found)
            await chain.simulate(call, source.address)
            async with common.open_account(chain.rpc, source) as sender:
                await sender.send(call)
            names = chain.deployment.implementations
            behind = {name: await upgrades.implementation_of(chain, name) for name in names}
            return found, replace(chain.deployment, implementations=behind)

    found, now = common.run(work)
    path = common.required(where.deployment, "--deployment", "P2PAVS_DEPLOYMENT")
    if Deployment.load(path) != now:
        now.save(path)
    show({"id": hex_(found.id), "executed": True, "what": found.what}, f"done: {found.what}")


@timelock.command()
@click.argument("proposal")
@with_chain
@with_account
@json_option
def cancel(
    proposal: str,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Strike a proposal out before it is executed. Who may propose can."""
    from p2pavs.chain import upgrades

    source = who.payer()

    async def work() -> Proposal:
        async with where.open_chain() as chain:
            found = await _find(chain, proposal)
            call = upgrades.cancel_call(chain, found)
            await chain.simulate(call, source.address)
            async with common.open_account(chain.rpc, source) as sender:
                await sender.send(call)
            return found

    found = common.run(work)
    show({"id": hex_(found.id), "cancelled": True, "what": found.what}, f"cancelled: {found.what}")


async def _propose(chain: Chain, source: Payer, wanted: Call) -> tuple[Call, Proposal | None]:
    """Propose what is wanted, if the account may; the call that does it, and the proposal if it was made."""
    from p2pavs.chain import upgrades

    call = await upgrades.propose_call(chain, wanted)
    if not await upgrades.may_propose(chain, source.address):
        return call, None
    await chain.simulate(call, source.address)
    async with common.open_account(chain.rpc, source) as sender:
        await sender.send(call)
    made = [
        one for one in await upgrades.proposals(chain) if (one.target, one.data) == (wanted.to, wanted.data)
    ]
    return call, made[-1]


async def _find(chain: Chain, beginning: str) -> Proposal:
    from p2pavs.chain import upgrades

    wanted = "0x" + beginning.lower().removeprefix("0x")
    pending = (upgrades.Stand.WAITING, upgrades.Stand.READY)
    found = [one for one in await upgrades.proposals(chain) if hex_(one.id).startswith(wanted)]
    open_ = {one.id: one for one in found if one.stand in pending}
    if len(open_) != 1:
        how = "More than one proposal begins" if open_ else "No proposal that waits begins"
        raise UsageError(f"{how} with {wanted[:66]}.", "See p2pavs timelock status.")
    return next(iter(open_.values()))


def _show_proposal(call: Call, made: Proposal | None, content: dict[str, Any]) -> None:
    if made is not None:
        show(content | {"proposal": _json(made)}, _line(made))
        return
    to = address(call.to or b"")
    show(
        content | {"proposal": None, "send": {"to": to, "data": hex_(call.data)}},
        "This account may not propose to the timelock. A proposer must send",
        f"  to    {to}",
        f"  data  {hex_(call.data)}",
    )


def _json(proposal: Proposal) -> dict[str, Any]:
    return {
        "id": hex_(proposal.id),
        "what": proposal.what,
        "state": proposal.stand.name.lower(),
        "due": proposal.due or None,
        "target": address(proposal.target),
        "data": hex_(proposal.data),
    }


def _line(proposal: Proposal) -> str:
    from p2pavs.chain.upgrades import Stand

    match proposal.stand:
        case Stand.WAITING:
            stand = f"due {moment(proposal.due)}"
        case Stand.READY:
            stand = "ready to execute"
        case Stand.DONE:
            stand = "done"
        case _:
            stand = "cancelled"
    return f"{hex_(proposal.id)[:18]}  {proposal.what}, {stand}"
