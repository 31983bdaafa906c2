"""``p2pavs operator claim``: credit an operator with its shares in the fees of tasks it signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from p2pavs import keystore
from p2pavs.chain import reader
from p2pavs.chain.rewards import Claim, claim_rewards, find_rewards
from p2pavs.cli import common
from p2pavs.cli.options import account_address, account_options, chain_options, json_option
from p2pavs.cli.output import address, ether, hex_, show
from p2pavs.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def from_block_option(command: F) -> F:
    """Add ``--from-block`` as ``from_block``."""
    return click.option(
        "--from-block",
        type=click.IntRange(0),
        help="Look for rewards of tasks certified from this block on (default: all).",
    )(command)


@click.command()
@click.option("--address", "account", type=account_address, help="Another operator than the one of --keys.")
@click.option("--withdraw", "pay_out", is_flag=True, help="Also pay out all that is credited then.")
@from_block_option
@chain_options
@account_options
@json_option
def claim(
    account: bytes | None,
    pay_out: bool,
    from_block: int | None,
    rpc: str | None,
    deployment: Path | None,
    keys: Path | None,
    key_file: Path | None,
    password_file: Path | None,
) -> None:
    """Claim the rewards of the operator of --keys: its shares in the fees of tasks it signed.

    A running node keeps the account of its keys for itself. Any account may send the claim, and the operator
    is credited all the same, while the node runs on: give the secret key of another account with --key-file
    beside --keys, or the operator with --address and another account's --keys. --withdraw pays to the account
    that sends, so it needs the operator's own.
    """
    source = common.read_account(keys, key_file, password_file)
    if account is None:
        account = source.address if keys is None else keystore.load_public(keys).address
    operator = account
    if pay_out and operator != source.address:
        raise UsageError(
            f"Only the account of the operator, {address(operator)}, can withdraw what is credited to it.",
            "Leave --withdraw out, or stop the node and send with the operator's --keys.",
        )

    async def work() -> tuple[tuple[Claim, ...], int, int]:
        async with common.open_chain(rpc, deployment) as chain:
            rewards = await find_rewards(chain, operator, first_block=from_block)
            claims: tuple[Claim, ...] = ()
            paid = 0
            if rewards or pay_out:
                async with common.open_account(chain.rpc, source) as sender:
                    claims = await claim_rewards(chain, sender, rewards)
                    if pay_out:
                        paid = await reader.credit_of(chain, operator)
                    if paid:
                        await sender.send(chain.call("TaskGateway", "withdraw"))
            return claims, paid, await reader.credit_of(chain, operator)

    claims, paid, credit = common.run(work)
    show(_json(operator, claims, paid, credit), *_lines(operator, claims, paid, credit))


def _json(operator: bytes, claims: tuple[Claim, ...], paid: int, credit: int) -> dict[str, Any]:
    return {
        "address": address(operator),
        "claimedWei": str(sum(claim.amount for claim in claims)),
        "claims": [
            {
                "epoch": claim.epoch,
                "tasks": list(claim.tasks),
                "amountWei": str(claim.amount),
                "transaction": hex_(claim.transaction_hash),
            }
            for claim in claims
        ],
        "withdrawnWei": str(paid),
        "creditWei": str(credit),
    }


def _lines(operator: bytes, claims: tuple[Claim, ...], paid: int, credit: int) -> list[str]:
    who = address(operator)
    lines = [
        f"epoch {claim.epoch}: {ether(claim.amount)} for {len(claim.tasks)} "
        f"{'task' if len(claim.tasks) == 1 else 'tasks'}"
        for claim in claims
    ]
    if claims:
        lines.append(f"{who} is credited with {ether(sum(claim.amount for claim in claims))} more.")
    else:
        lines.append(f"{who} has no rewards to claim.")
    if paid:
        lines.append(f"Paid to {who}: {ether(paid)}.")
    elif credit:
        lines.append(f"It can withdraw {ether(credit)}: p2pavs operator withdraw.")
    return lines
