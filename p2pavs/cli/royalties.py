"""``p2pavs model royalties``: what a maker's models earned, and how it gets it."""

from __future__ import annotations

import click

from p2pavs.chain import reader
from p2pavs.chain.rewards import withdraw_credit
from p2pavs.chain.royalties import Royalties, find_royalties, settle
from p2pavs.cli import common
from p2pavs.cli.options import account_address, json_option, with_account, with_chain
from p2pavs.cli.output import address, counted, ether, show
from p2pavs.cli.sources import AccountOptions, ChainOptions
from p2pavs.errors import UsageError


@click.command()
@click.option("--address", "account", type=account_address, help="The maker, where no account is opened.")
@click.option("--settle", "pass_on", is_flag=True, help="Credit what certified tasks still owe the maker.")
@click.option("--withdraw", "pay_out", is_flag=True, help="The same, and pay out all that is credited.")
@with_chain
@with_account
@json_option
def royalties(
    account: bytes | None,
    pass_on: bool,
    pay_out: bool,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Show the royalties of a maker's models, and take them.

    A royalty is credited when its task is settled. Every claim of a signer does that; --settle does it for
    what nobody claimed yet, and any account may send it. --withdraw pays to the account that sends.
    """
    sends = pass_on or pay_out
    source = who.payer() if sends or account is None else None
    maker = account if account is not None else source.address if source is not None else b""
    if pay_out and source is not None and source.address != maker:
        raise UsageError(
            f"Only the account of the maker, {address(maker)}, can withdraw what is credited to it.",
            "Leave --withdraw out, or send with the maker's account.",
        )

    async def work() -> tuple[Royalties, int, int, int]:
        async with where.open_chain() as chain:
            found = await find_royalties(chain, maker)
            credit = await reader.credit_of(chain, maker)
            if source is None or not sends or not (found.open or (pay_out and credit)):
                return found, 0, 0, credit
            async with common.open_account(chain.rpc, source) as sender:
                done = await settle(chain, sender, found.open)
                paid = await withdraw_credit(chain, sender, maker) if pay_out else 0
            return await find_royalties(chain, maker), done, paid, await reader.credit_of(chain, maker)

    found, done, paid, credit = common.run(work)
    lines = [f"royalties   {ether(found.settled)} of {counted(found.settled_tasks, 'task')}"]
    if done:
        lines.append(f"settled     {counted(done, 'task')} just now")
    if found.open:
        lines.append(
            f"to settle   {ether(found.open_amount)} of {counted(len(found.open), 'task')} (--settle)"
        )
    if paid:
        lines.append(f"paid        {ether(paid)} to {address(maker)}")
    lines.append(f"credit      {ether(credit)} with all else that is credited to {address(maker)}")
    show(
        {
            "maker": address(maker),
            "royaltiesWei": str(found.settled),
            "tasks": found.settled_tasks,
            "openWei": str(found.open_amount),
            "openTasks": [header.id for header in found.open],
            "settledNow": done,
            "withdrawnWei": str(paid),
            "creditWei": str(credit),
        },
        *lines,
    )
