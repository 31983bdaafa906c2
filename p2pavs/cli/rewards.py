"""``p2pavs operator claim``: credit an operator with its shares in the fees of tasks it signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from p2pavs.chain import reader
from p2pavs.chain.rewards import (
    Claim,
    Reward,
    claim_beacon_rewards,
    claim_rewards,
    find_rewards,
    withdraw_credit,
)
from p2pavs.cli import common
from p2pavs.cli.options import account_address, json_option, with_account, with_chain
from p2pavs.cli.output import address, counted, ether, hex_, moment, show
from p2pavs.cli.sources import AccountOptions, ChainOptions
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
@with_chain
@with_account
@json_option
def claim(
    account: bytes | None,
    pay_out: bool,
    from_block: int | None,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Claim the rewards of the operator of --keys: its shares in the fees of tasks it signed.

    A running node keeps the account of its keys for itself. Any account may send the claim, and the operator
    is credited all the same, while the node runs on: give the secret key of another account with --key-file
    beside --keys, or the operator with --address and another account's --keys. --withdraw pays to the account
    that sends, so it needs the operator's own.
    """
    source = who.payer()
    if account is None:
        account = source.address if who.keys is None else who.public().address
    operator = account
    if pay_out and operator != source.address:
        raise UsageError(
            f"Only the account of the operator, {address(operator)}, can withdraw what is credited to it.",
            "Leave --withdraw out, or stop the node and send with the operator's --keys.",
        )

    async def work() -> Outcome:
        async with where.open_chain() as chain:
            found = await find_rewards(chain, operator, first_block=from_block)
            latest = await chain.rpc.block("latest")
            now = 0 if latest is None else latest.timestamp
            ripe = [reward for reward in found if reward.claimable_from <= now]
            async with common.open_account(chain.rpc, source) as sender:
                claims = await claim_rewards(chain, sender, ripe)
                seeds = await claim_beacon_rewards(chain, sender, operator)
                paid = await withdraw_credit(chain, sender, operator) if pay_out else 0
            waiting = tuple(reward for reward in found if reward.claimable_from > now)
            return Outcome(operator, claims, seeds, waiting, paid, await reader.credit_of(chain, operator))

    outcome = common.run(work)
    show(_json(outcome), *_lines(outcome))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a claim came to."""

    operator: bytes
    claims: tuple[Claim, ...]
    seeds: tuple[int, ...]  # epochs whose seed was rewarded
    waiting: tuple[Reward, ...]  # cannot be claimed yet
    paid: int  # wei
    credit: int  # wei


def _json(outcome: Outcome) -> dict[str, Any]:
    claims = outcome.claims
    return {
        "address": address(outcome.operator),
        "claimedWei": str(sum(claim.amount for claim in claims)),
        "seedsOfEpochs": list(outcome.seeds),
        "waitingTasks": [reward.header.id for reward in outcome.waiting],
        "waitingWei": str(sum(reward.amount for reward in outcome.waiting)),
        "claims": [
            {
                "epoch": claim.epoch,
                "tasks": list(claim.tasks),
                "amountWei": str(claim.amount),
                "transaction": hex_(claim.transaction_hash),
            }
            for claim in claims
        ],
        "withdrawnWei": str(outcome.paid),
        "creditWei": str(outcome.credit),
    }


def _lines(outcome: Outcome) -> list[str]:
    who, claims = address(outcome.operator), outcome.claims
    lines = [
        f"epoch {claim.epoch}: {ether(claim.amount)} for {counted(len(claim.tasks), 'task')}"
        for claim in claims
    ]
    if claims:
        lines.append(f"{who} is credited with {ether(sum(claim.amount for claim in claims))} more.")
    else:
        lines.append(f"{who} has no rewards to claim{' yet' if outcome.waiting else ''}.")
    if outcome.seeds:
        lines.append(f"Rewarded for the seeds of epochs {', '.join(map(str, outcome.seeds))}.")
    if outcome.waiting:
        amount = ether(sum(reward.amount for reward in outcome.waiting))
        last = max(reward.claimable_from for reward in outcome.waiting)
        lines.append(
            f"{len(outcome.waiting)} more, {amount}, can be claimed later, the last from {moment(last)} on."
        )
    if outcome.paid:
        lines.append(f"Paid to {who}: {ether(outcome.paid)}.")
    elif outcome.credit:
        lines.append(f"It can withdraw {ether(outcome.credit)}: p2pavs operator withdraw.")
    return lines
