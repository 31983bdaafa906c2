"""What the chain says of this operator: registration, stake, epochs, rotation, balance, cases."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from p2pavs.chain import slashing
from p2pavs.chain.contracts import Chain
from p2pavs.chain.errors import ChainError, format_ether
from p2pavs.chain.operators import read_operator
from p2pavs.chain.reader import (
    current_epoch,
    minimum_stake,
    pending_epoch,
    read_epoch,
    read_operator_set,
)
from p2pavs.chain.records import OperatorRecord
from p2pavs.doctor.check import Check, fail, ok, warn
from p2pavs.settings import LOW_BALANCE


async def duties(
    chain: Chain,
    account: bytes,
    keys: Collection[bytes],
    peer_id: bytes,
) -> list[Check]:
    """Check an operator; ``keys`` are the consensus keys (48 bytes) that its directory holds."""
    try:
        checks = [balance(await chain.rpc.balance(account))]
        record = await read_operator(chain, account)
        if record is None:
            return [
                *checks,
                fail(
                    "registration",
                    f"0x{account.hex()} is not registered in this deployment",
                    "Register it: p2pavs operator register. Or pass the right --keys and --deployment.",
                ),
            ]
        checks += [registration(record, keys, peer_id), rotation(record, keys)]
        checks.append(stake(record, await minimum_stake(chain)))
        checks.append(await _epochs(chain, record))
        checks.append(await _cases(chain, account))
    except ChainError as error:
        return [fail("duties", error.message, error.remedy)]
    return checks


def balance(wei: int) -> Check:
    """Whether the account can pay for transactions."""
    name, text = "balance", f"{format_ether(wei)} ETH in the account that posts certificates"
    remedy = "Send ether to the account: posting a certificate costs gas."
    if wei == 0:
        return fail(name, text, remedy)
    return ok(name, text) if wei >= LOW_BALANCE else warn(name, text, remedy)


def registration(record: OperatorRecord, keys: Collection[bytes], peer_id: bytes) -> Check:
    """Whether the registry has this operator as its key directory does."""
    name = "registration"
    if record.consensus_key not in keys:
        return fail(
            name,
            "registered with another consensus key than those of --keys",
            "Use the key directory that was registered.",
        )
    if record.peer_id != peer_id:
        return fail(
            name,
            "registered with another peer id than that of --keys",
            "Use the key directory that was registered, or run: p2pavs operator change-peer-id.",
        )
    if not record.active:
        return warn(
            name,
            "the operator has left; it works on until its last epoch is over",
            "See section 'Leave' of docs/operators.md.",
        )
    return ok(name, "active")


def rotation(record: OperatorRecord, keys: Collection[bytes]) -> Check:
    """Whether a key that is to take the present one's place is here."""
    name = "key rotation"
    if record.next_key is None:
        return ok(name, "none pending")
    begin = datetime.fromtimestamp(record.next_key_from, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = f"another key counts in sets that are frozen after {begin}"
    if record.next_key not in keys:
        return fail(
            name,
            f"{text}, and it is not in --keys",
            "Bring the key directory that 'p2pavs operator rotate-key' wrote to.",
        )
    return ok(name, f"{text}; it is in --keys")


def stake(record: OperatorRecord, minimum: int) -> Check:
    """Whether the stake is enough for a seat in the next set. Both in wei."""
    name, text = "stake", f"{format_ether(record.stake)} ETH (minimum {format_ether(minimum)} ETH)"
    if record.stake < minimum:
        return fail(name, text, "Add stake: p2pavs operator stake --amount ETH.")
    return ok(name, text)


async def _epochs(chain: Chain, record: OperatorRecord) -> Check:
    name = "epochs"
    current = await current_epoch(chain)
    if not current:
        return warn(name, "no epoch is open yet", "Somebody must begin the first: p2pavs epoch advance.")
    pending = await pending_epoch(chain)
    seated = await _counts(chain, current, record.account)
    if pending.frozen_at:
        there = await _counts(chain, pending.epoch, record.account)
        following = f"{'in' if there else 'not in'} epoch {pending.epoch}, which is frozen"
    else:
        following = f"epoch {pending.epoch} is not frozen yet"
    if not seated:
        return warn(
            name,
            f"not in epoch {current}; {following}",
            "It takes part from the first epoch on whose set is frozen with it.",
        )
    return ok(name, f"in epoch {current}; {following}")


async def _counts(chain: Chain, epoch: int, account: bytes) -> bool:
    if await read_epoch(chain, epoch) is None:
        return False
    return any(one.operator == account for one in (await read_operator_set(chain, epoch)).operators)


async def _cases(chain: Chain, account: bytes) -> Check:
    name = "slashing"
    against = []
    for number in range(1, await slashing.case_count(chain) + 1):
        case = await slashing.read_case(chain, number)
        if case.operator == account and not case.closed:
            against.append(number)
    if against:
        return fail(
            name,
            f"case {', '.join(map(str, against))} against this operator",
            "See it with p2pavs evidence list. If it is wrong, ask the deployment's guardian for a veto.",
        )
    return ok(name, "no case against this operator")
