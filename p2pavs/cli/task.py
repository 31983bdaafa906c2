"""``p2pavs task``: where a task stands, and the fee back when it was not certified in time."""

from __future__ import annotations

from typing import Any

import click

from p2pavs.cli import common
from p2pavs.cli.options import json_option, with_account, with_chain
from p2pavs.cli.output import ether, hex_, moment, show
from p2pavs.cli.sources import AccountOptions, ChainOptions
from p2pavs.errors import P2pavsError


@click.group()
def task() -> None:
    """See a task, take a refund."""


@task.command("show")
@click.argument("number", type=click.IntRange(1))
@with_chain
@json_option
def show_(number: int, where: ChainOptions) -> None:
    """Show where a task stands on the chain."""
    from p2pavs.chain.reader import read_result, read_task

    async def work() -> dict[str, Any]:
        async with where.open_chain() as chain:
            posted = await read_task(chain, number)
            result = await read_result(chain, number)
            header = posted.requested.header
            return {
                "task": number,
                "status": result.status.name.lower(),
                "requester": hex_(header.requester),
                "model": hex_(header.model_id),
                "block": posted.block_number,
                "deadline": header.deadline,
                "feeWei": str(header.fee),
                "signedBps": result.signed_bps,
            }

    content = common.run(work)
    show(
        content,
        f"task {number}: {content['status']}",
        f"  requested by {content['requester']} in block {content['block']}",
        f"  fee {ether(int(content['feeWei']))}",
        f"  deadline {moment(content['deadline'])}",
    )


@task.command()
@click.argument("number", type=click.IntRange(1, 2**256 - 1))
@with_chain
@with_account
@json_option
def refund(
    number: int,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Give the requester of an expired task its fee back, and pay out what is credited to your account."""
    from p2pavs import client
    from p2pavs.chain.reader import read_result
    from p2pavs.chain.records import TaskStatus
    from p2pavs.chain.rewards import withdraw_credit

    source = who.payer()

    async def work() -> dict[str, Any]:
        async with where.open_chain() as chain:
            status = (await read_result(chain, number)).status
            if status is TaskStatus.CERTIFIED:
                raise P2pavsError(f"Task {number} was certified, so its fee is earned.", "")
            async with common.open_account(chain.rpc, source) as sender:
                if status is not TaskStatus.REFUNDED:
                    await client.refund(chain, sender, number)
                paid = await withdraw_credit(chain, sender, source.address)
            return {"task": number, "status": "refunded", "withdrawnWei": str(paid)}

    content = common.run(work)
    show(
        content, f"task {number} is refunded; {ether(int(content['withdrawnWei']))} paid out to your account"
    )
