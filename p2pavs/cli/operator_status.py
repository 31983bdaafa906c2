"""``p2pavs operator status``: one operator, or all."""

from __future__ import annotations

from typing import Any

import click

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.operators import list_operators, read_operator
from p2pavs.chain.records import OperatorRecord
from p2pavs.chain.rewards import find_rewards
from p2pavs.cli import common
from p2pavs.cli.operator_records import record_json
from p2pavs.cli.options import account_address, json_option, with_chain, with_keys
from p2pavs.cli.output import address, counted, ether, hex_, moment, show, table
from p2pavs.cli.rewards import from_block_option
from p2pavs.cli.sources import ChainOptions, KeyOptions


@click.command()
@click.option("--address", "account", type=account_address, help="Another operator than the one of --keys.")
@click.option("--all", "everyone", is_flag=True, help="List all operators.")
@from_block_option
@with_chain
@with_keys
@json_option
def status(
    account: bytes | None,
    everyone: bool,
    from_block: int | None,
    where: ChainOptions,
    who: KeyOptions,
) -> None:
    """Show an operator: registered or not, stake, balance, rewards, place in the epoch. Takes no password."""
    if everyone:
        _show_all(where)
        return
    if account is None:
        account = who.public("--keys (or --address)").address
    wanted = account

    async def work() -> dict[str, Any]:
        async with where.open_chain() as chain:
            return await _status(chain, wanted, from_block)

    content = common.run(work)
    place = f"operator {content['index']} of" if content["index"] is not None else "not in"
    lines = [
        f"account     {content['address']}",
        f"registered  {_registered(content)}",
        f"stake       {ether(int(content['stakeWei']))}",
        f"balance     {ether(int(content['balanceWei']))}",
        f"rewards     {ether(int(content['rewardsWei']))} to withdraw",
        f"unclaimed   {_unclaimed(content)}",
        f"epoch       {place} the set of epoch {content['epoch']}",
    ]
    if content["nextKey"] is not None:
        lines.append(f"next key    counts from {moment(content['nextKeyFrom'])} on")
    if content["leavingWei"] != "0":
        lines.append(
            f"leaving     {ether(int(content['leavingWei']))}, from {moment(content['payableFrom'])} on"
        )
    show(content, *lines)


async def _status(chain: Chain, account: bytes, from_block: int | None) -> dict[str, Any]:
    record = await read_operator(chain, account)
    unclaimed = () if record is None else await find_rewards(chain, account, first_block=from_block)
    leaving = await reader.withdrawal_of(chain, account)
    current = await reader.current_epoch(chain)
    operators = (await reader.read_operator_set(chain, current)).operators if current else ()
    return {
        "address": address(account),
        "registered": record is not None,
        "active": record is not None and record.active,
        "consensusKey": None if record is None else hex_(record.consensus_key),
        "nextKey": None if record is None or record.next_key is None else hex_(record.next_key),
        "nextKeyFrom": None if record is None else record.next_key_from or None,
        "stakeWei": str(await reader.stake_of(chain, account)),
        "balanceWei": str(await chain.rpc.balance(account)),
        "rewardsWei": str(await reader.credit_of(chain, account)),
        "unclaimedTasks": len(unclaimed),
        "unclaimedWei": str(sum(reward.amount for reward in unclaimed)),
        "leavingWei": str(leaving.amount),
        "payableFrom": leaving.payable_from,
        "epoch": current,
        "index": next((i for i, entry in enumerate(operators) if entry.operator == account), None),
    }


def _registered(content: dict[str, Any]) -> str:
    if not content["registered"]:
        return "no (p2pavs operator register)"
    return "yes" if content["active"] else "no longer"


def _unclaimed(content: dict[str, Any]) -> str:
    count = content["unclaimedTasks"]
    if count == 0:
        return "nothing"
    amount = ether(int(content["unclaimedWei"]))
    return f"{amount} for {counted(count, 'task')} (p2pavs operator claim)"


def _show_all(where: ChainOptions) -> None:
    async def work() -> tuple[OperatorRecord, ...]:
        async with where.open_chain() as chain:
            return await list_operators(chain)

    records = common.run(work)
    table(
        {"operators": [record_json(record) for record in records]},
        ("account", "active", "stake"),
        [(address(r.account), "yes" if r.active else "no", ether(r.stake)) for r in records],
        "No operator is registered yet.",
    )
