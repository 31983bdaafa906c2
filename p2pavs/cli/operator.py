"""``p2pavs operator``: register, stake, look, leave."""

from __future__ import annotations

from typing import Any

import click

from p2pavs import keystore
from p2pavs.chain import reader, slashing
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.operators import read_operator
from p2pavs.chain.records import OperatorRecord
from p2pavs.chain.rewards import withdraw_credit
from p2pavs.cli import common
from p2pavs.cli.operator_keys import change_peer_id, rotate_key
from p2pavs.cli.operator_records import must_read, proven, record_json, when_counted
from p2pavs.cli.operator_status import status
from p2pavs.cli.options import json_option, parse_amount, with_chain, with_keys
from p2pavs.cli.output import address, ether, moment, show
from p2pavs.cli.rewards import claim
from p2pavs.cli.sources import ChainOptions, KeyOptions
from p2pavs.contracts import NATIVE_STAKE
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.payer import Payer


@click.group()
def operator() -> None:
    """Register, stake, claim rewards and leave."""


for command in (claim, status, rotate_key, change_peer_id):
    operator.add_command(command)


@operator.command()
@click.option("--stake", type=parse_amount, help="Also deposit this much, in ETH.")
@with_chain
@with_keys
@json_option
def register(stake: int | None, where: ChainOptions, who: KeyOptions) -> None:
    """Register the account, consensus key and peer id of a key directory, unless they already are."""
    identity = who.identity()
    source = Payer(identity.account(), who.pending())

    async def work() -> tuple[bool, OperatorRecord, str]:
        async with where.open_chain() as chain:
            known = await read_operator(chain, identity.address)
            registered = known is not None and known.active
            if known is not None and registered:
                _require_same_keys(known, identity)
            async with common.open_account(chain.rpc, source) as sender:
                tickets = [] if registered else [sender.submit(_registration(chain, identity))]
                if stake:
                    tickets.append(sender.submit(chain.call(_native(chain), "deposit", value=stake)))
                for ticket in tickets:
                    await ticket.receipt()
            record = await must_read(chain, identity.address)
            return not registered, record, await when_counted(chain, identity.address)

    changed, record, counted = common.run(work)
    show(
        record_json(record) | {"changed": changed},
        f"{address(record.account)} is {'now registered' if changed else 'registered already'} "
        f"with {ether(record.stake)} at stake.",
        counted,
    )


@operator.command()
@click.option("--amount", type=parse_amount, required=True, help="How much to deposit, in ETH.")
@with_chain
@with_keys
@json_option
def stake(amount: int, where: ChainOptions, who: KeyOptions) -> None:
    """Deposit stake for the account of a key directory."""
    source = who.payer()

    async def work() -> tuple[int, str]:
        async with where.open_chain() as chain:
            async with common.open_account(chain.rpc, source) as sender:
                await sender.send(chain.call(_native(chain), "deposit", value=amount))
            return await reader.stake_of(chain, source.address), await when_counted(chain, source.address)

    total, counted = common.run(work)
    show(
        {"address": address(source.address), "stakeWei": str(total)},
        f"{address(source.address)} has {ether(total)} at stake.",
        counted,
    )


@operator.command("exit")
@click.option("--keep-stake", is_flag=True, help="Leave the set, but do not ask the stake back yet.")
@with_chain
@with_keys
@json_option
def exit_(keep_stake: bool, where: ChainOptions, who: KeyOptions) -> None:
    """Leave all sets that are not frozen yet, and ask the stake back.

    The order: stop the node, run this, start the node again, and keep it running until the epoch is over that
    still counts it.
    """
    source = who.payer()

    async def work() -> tuple[reader.Withdrawal, int | None]:
        async with where.open_chain() as chain:
            record = await must_read(chain, source.address)
            async with common.open_account(chain.rpc, source) as sender:
                if record.active:
                    await sender.send(chain.call("OperatorRegistry", "exit"))
                deposited = chain.deployment.stake_source == NATIVE_STAKE
                if record.stake and deposited and not keep_stake:
                    await sender.send(chain.call(_native(chain), "requestWithdrawal", record.stake))
            return await reader.withdrawal_of(chain, source.address), await _last_epoch(chain, source.address)

    leaving, last = common.run(work)
    if last is None:
        lines = [f"{address(source.address)} has left; neither this epoch nor the next one counts it."]
    else:
        lines = [
            f"{address(source.address)} leaves; epoch {last} is the last one that counts it.",
            "Start its node again, and keep it running until that epoch is over (p2pavs epoch status).",
        ]
    if leaving.amount:
        due = moment(leaving.payable_from)
        lines.append(f"{ether(leaving.amount)} can be withdrawn from {due} on: p2pavs operator withdraw.")
    show(
        {
            "address": address(source.address),
            "leavingWei": str(leaving.amount),
            "payableFrom": leaving.payable_from,
            "lastEpoch": last,
        },
        *lines,
    )


@operator.command()
@with_chain
@with_keys
@json_option
def withdraw(where: ChainOptions, who: KeyOptions) -> None:
    """Take out what is due: stake that was asked back, rewards and refunds, bounties for reports."""
    source = who.payer()

    async def work() -> tuple[int, int, int]:
        async with where.open_chain() as chain:
            leaving = await reader.withdrawal_of(chain, source.address)
            rewards = await reader.credit_of(chain, source.address)
            bounties = await slashing.bounty_of(chain, source.address)
            if not leaving.amount and not rewards and not bounties:
                raise P2pavsError(
                    "There is nothing to withdraw.", "Ask the stake back first: p2pavs operator exit."
                )
            async with common.open_account(chain.rpc, source) as sender:
                rewards = await withdraw_credit(chain, sender, source.address)
                if bounties:
                    await sender.send(chain.call("SlashingManager", "withdraw"))
                if leaving.amount:
                    await _withdraw_stake(chain, sender, rewards + bounties)
            return leaving.amount, rewards, bounties

    stake_paid, rewards_paid, bounties_paid = common.run(work)
    bounties_said = f", {ether(bounties_paid)} of bounties" if bounties_paid else ""
    show(
        {
            "address": address(source.address),
            "stakeWei": str(stake_paid),
            "rewardsWei": str(rewards_paid),
            "bountiesWei": str(bounties_paid),
        },
        f"Paid to {address(source.address)}: {ether(stake_paid)} of stake, "
        f"{ether(rewards_paid)} of rewards{bounties_said}.",
    )


def _native(chain: Chain) -> str:
    """Return the contract that takes deposits. Raises ``UsageError`` where stake is not deposited here."""
    if chain.deployment.stake_source != NATIVE_STAKE:
        raise UsageError(
            f"The stake of this deployment is held by {chain.deployment.stake_source}, not deposited here.",
            "Allocate, join and leave with EigenLayer's own tools.",
        )
    return NATIVE_STAKE


async def _withdraw_stake(chain: Chain, sender: Any, rewards: int) -> None:
    try:
        await sender.send(chain.call(_native(chain), "withdraw"))
    except ContractRevert as error:
        if rewards:
            error.message = f"Rewards and bounties ({ether(rewards)}) were paid. {error.message}"
        raise


def _registration(chain: Chain, identity: keystore.Identity) -> Any:
    """Return the call that registers an operator, with a proof that it has the consensus key."""
    key = identity.public.consensus_key
    proof = proven(chain, identity.address, key, identity.consensus_keys()[key])
    return chain.call("OperatorRegistry", "register", *proof, identity.public.peer_id_bytes)


def _require_same_keys(record: OperatorRecord, identity: keystore.Identity) -> None:
    public = identity.public
    if record.consensus_key not in identity.consensus_keys() or record.peer_id != public.peer_id_bytes:
        raise UsageError(
            f"{address(public.address)} is registered with other consensus or network keys.",
            "Use the key directory it was registered with, or leave first (p2pavs operator exit).",
        )


async def _last_epoch(chain: Chain, account: bytes) -> int | None:
    """Return the last of the current and the frozen epoch whose set has an operator; None: neither has."""
    current = await reader.current_epoch(chain)
    for epoch in (current + 1, current):
        if epoch == 0 or await reader.read_epoch(chain, epoch) is None:
            continue
        operators = (await reader.read_operator_set(chain, epoch)).operators
        if any(entry.operator == account for entry in operators):
            return epoch
    return None
