"""``p2pavs operator``: register, stake, look, leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from p2pavs import keystore
from p2pavs.chain import reader, slashing
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ContractRevert
from p2pavs.chain.operators import key_owner, list_operators, read_operator
from p2pavs.chain.records import OperatorRecord
from p2pavs.chain.rewards import find_rewards
from p2pavs.cli import common
from p2pavs.cli.options import account_address, json_option, parse_amount, with_chain, with_keys
from p2pavs.cli.output import address, ether, hex_, moment, show, table
from p2pavs.cli.rewards import claim, from_block_option
from p2pavs.cli.sources import ChainOptions, KeyOptions
from p2pavs.contracts import NATIVE_STAKE
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.payer import Payer

if TYPE_CHECKING:
    from consensus import bls


@click.group()
def operator() -> None:
    """Register, stake, claim rewards and leave."""


operator.add_command(claim)


@operator.command()
@click.option("--stake", type=parse_amount, help="Also deposit this much, in ETH.")
@with_chain
@with_keys
@json_option
def register(stake: int | None, where: ChainOptions, who: KeyOptions) -> None:
    """Register the account, consensus key and peer id of a key directory, unless they already are."""
    identity = who.identity()
    source = Payer(identity.account(), who.pending())

    async def work() -> tuple[bool, OperatorRecord]:
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
            return not registered, await _must_read(chain, identity.address)

    changed, record = common.run(work)
    show(
        _json(record) | {"changed": changed},
        f"{address(record.account)} is {'now registered' if changed else 'registered already'} "
        f"with {ether(record.stake)} at stake.",
        "It takes part from the next epoch on (p2pavs epoch status).",
    )


@operator.command()
@click.option("--amount", type=parse_amount, required=True, help="How much to deposit, in ETH.")
@with_chain
@with_keys
@json_option
def stake(amount: int, where: ChainOptions, who: KeyOptions) -> None:
    """Deposit stake for the account of a key directory."""
    source = who.payer()

    async def work() -> int:
        async with where.open_chain() as chain:
            async with common.open_account(chain.rpc, source) as sender:
                await sender.send(chain.call(_native(chain), "deposit", value=amount))
            return await reader.stake_of(chain, source.address)

    total = common.run(work)
    show(
        {"address": address(source.address), "stakeWei": str(total)},
        f"{address(source.address)} has {ether(total)} at stake; it counts from the next epoch on.",
    )


@operator.command()
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


@operator.command("rotate-key")
@with_chain
@with_keys
@json_option
def rotate_key(where: ChainOptions, who: KeyOptions) -> None:
    """Replace the consensus key: make another one in the key directory, and register it.

    It counts in the sets that are frozen after a delay. Start the node again before then: it holds the old
    key and the new one, and signs with the one that the epoch's set has.
    """
    directory = who.directory()
    password = who.password()
    identity = keystore.load(directory, password)
    source = Payer(identity.account(), who.pending())

    async def work() -> tuple[bool, OperatorRecord]:
        async with where.open_chain() as chain:
            record = await _must_read(chain, identity.address)
            if record.next_key is not None:
                if record.next_key not in identity.consensus_keys():
                    raise UsageError(
                        "Another key is on its way in, and it is not in this key directory.",
                        "Use the key directory that the rotation was begun with.",
                    )
                return False, record
            new = await _unused_key(chain, identity)
            if new is None:
                new = keystore.add_consensus_key(directory, password)
            secret = keystore.load(directory, password).consensus_keys()[new]
            async with common.open_account(chain.rpc, source) as sender:
                await sender.send(_rotation(chain, identity.address, new, secret))
            return True, await _must_read(chain, identity.address)

    changed, record = common.run(work)
    if record.next_key is None:  # without a delay
        line = "The new key counts from the next snapshot on."
    else:
        line = f"The new key counts in sets frozen from {moment(record.next_key_from)} on."
    show(
        _json(record) | {"changed": changed},
        line if changed else f"A rotation is under way. {line}",
        "Start the node again before then, with this key directory; and back the directory up.",
    )


@operator.command("change-peer-id")
@with_chain
@with_keys
@json_option
def change_peer_id(where: ChainOptions, who: KeyOptions) -> None:
    """Replace the network key, and with it the peer id. Stop the node before, start it again after."""
    directory = who.directory()
    password = who.password()
    source = who.payer()

    async def work() -> None:
        async with where.open_chain() as chain:
            seed = keystore.next_peer_seed(directory, password)
            peer_id = keystore.peer_id_bytes(keystore.peer_id_of(seed))
            record = await _must_read(chain, source.address)
            if record.peer_id != peer_id:
                async with common.open_account(chain.rpc, source) as sender:
                    await sender.send(chain.call("OperatorRegistry", "changePeerId", peer_id))

    common.run(work)
    peer_id = keystore.adopt_peer_seed(directory, password)
    show(
        {"address": address(source.address), "peerId": peer_id},
        f"The peer id is now {peer_id}. Start the node again; and back the key directory up.",
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
            record = await _must_read(chain, source.address)
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
                if rewards:
                    await sender.send(chain.call("TaskGateway", "withdraw"))
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
    proven = _proven(chain, identity.address, key, identity.consensus_keys()[key])
    return chain.call("OperatorRegistry", "register", *proven, identity.public.peer_id_bytes)


def _rotation(chain: Chain, account: bytes, key: bytes, secret: bls.SecretKey) -> Any:
    return chain.call("OperatorRegistry", "rotateKey", *_proven(chain, account, key, secret))


def _proven(chain: Chain, account: bytes, key: bytes, secret: bls.SecretKey) -> tuple[bytes, bytes]:
    """Return a key and the proof that who has the account has its secret, as the registry takes them."""
    from consensus import bls

    deployment = chain.deployment
    proof = bls.pop_prove(secret, deployment.chain_id, deployment.operator_registry, account)
    return bls.public_key_to_evm(key), bls.signature_to_evm(proof)


async def _unused_key(chain: Chain, identity: keystore.Identity) -> bytes | None:
    """Return a key of the directory that never was registered: one of a rotation that was interrupted."""
    for key in identity.consensus_keys():
        if not any(await key_owner(chain, key)):
            return key
    return None


def _require_same_keys(record: OperatorRecord, identity: keystore.Identity) -> None:
    public = identity.public
    if record.consensus_key not in identity.consensus_keys() or record.peer_id != public.peer_id_bytes:
        raise UsageError(
            f"{address(public.address)} is registered with other consensus or network keys.",
            "Use the key directory it was registered with, or leave first (p2pavs operator exit).",
        )


async def _must_read(chain: Chain, account: bytes) -> OperatorRecord:
    record = await read_operator(chain, account)
    if record is None:
        raise P2pavsError(
            f"{address(account)} is not registered.", "Register it first: p2pavs operator register."
        )
    return record


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
    return f"{amount} for {count} {'task' if count == 1 else 'tasks'} (p2pavs operator claim)"


def _show_all(where: ChainOptions) -> None:
    async def work() -> tuple[OperatorRecord, ...]:
        async with where.open_chain() as chain:
            return await list_operators(chain)

    records = common.run(work)
    table(
        {"operators": [_json(record) for record in records]},
        ("account", "active", "stake"),
        [(address(r.account), "yes" if r.active else "no", ether(r.stake)) for r in records],
        "No operator is registered yet.",
    )


def _json(record: OperatorRecord) -> dict[str, Any]:
    return {
        "address": address(record.account),
        "consensusKey": hex_(record.consensus_key),
        "nextKey": None if record.next_key is None else hex_(record.next_key),
        "nextKeyFrom": record.next_key_from or None,
        "active": record.active,
        "stakeWei": str(record.stake),
    }
