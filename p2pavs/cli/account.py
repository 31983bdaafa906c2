"""``p2pavs account``: balances and payments."""

from __future__ import annotations

import click

from p2pavs.chain.contracts import Call
from p2pavs.chain.errors import InsufficientFunds
from p2pavs.cli import common
from p2pavs.cli.options import (
    account_address,
    json_option,
    parse_amount,
    with_account,
    with_keys,
    with_rpc,
)
from p2pavs.cli.output import address, ether, hex_, show
from p2pavs.cli.sources import AccountOptions, ChainOptions, KeyOptions
from p2pavs.errors import UsageError


@click.group()
def account() -> None:
    """Balances and payments."""


@account.command()
@click.option(
    "--to", "recipients", type=account_address, required=True, multiple=True, help="May be repeated."
)
@click.option("--amount", type=parse_amount, required=True, help="For each recipient, in ETH.")
@with_rpc
@with_account
@json_option
def fund(
    recipients: tuple[bytes, ...],
    amount: int,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Send ETH to one or more accounts."""
    if amount == 0:
        raise UsageError("The amount is zero.", "Give an amount above zero.")
    source = who.payer()

    async def work() -> list[bytes]:
        async with where.open_rpc() as endpoint, common.open_account(endpoint, source) as sender:
            # Before the first payment, so that not only some are made.
            balance = await endpoint.balance(source.address)
            if balance < amount * len(recipients):
                raise InsufficientFunds(address(source.address), balance, amount * len(recipients))
            tickets = [sender.submit(Call(to, b"", amount, "a payment")) for to in recipients]
            return [(await ticket.receipt()).transaction_hash for ticket in tickets]

    hashes = common.run(work)
    show(
        {
            "from": address(source.address),
            "amountWei": str(amount),
            "payments": [
                {"to": address(to), "transaction": hex_(done)}
                for to, done in zip(recipients, hashes, strict=True)
            ],
        },
        *(f"{ether(amount)} paid to {address(to)}" for to in recipients),
    )


@account.command()
@click.option("--address", "wanted", type=account_address, help="Another account than the one of --keys.")
@with_rpc
@with_keys
@json_option
def balance(wanted: bytes | None, where: ChainOptions, who: KeyOptions) -> None:
    """Show what an account holds. Takes no password."""
    if wanted is None:
        wanted = who.public("--keys (or --address)").address
    holder = wanted

    async def work() -> int:
        async with where.open_rpc() as endpoint:
            return await endpoint.balance(holder)

    held = common.run(work)
    show({"address": address(holder), "balanceWei": str(held)}, f"{address(holder)} holds {ether(held)}")
