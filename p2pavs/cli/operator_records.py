"""Operators as the commands about them read and show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.operators import read_operator
from p2pavs.chain.records import OperatorRecord
from p2pavs.cli.output import address, ether, hex_
from p2pavs.contracts import NATIVE_STAKE
from p2pavs.errors import P2pavsError

if TYPE_CHECKING:
    from consensus import bls


async def must_read(chain: Chain, account: bytes) -> OperatorRecord:
    """Return a registered operator. Raises ``P2pavsError`` where it is none."""
    record = await read_operator(chain, account)
    if record is None:
        raise P2pavsError(
            f"{address(account)} is not registered.", "Register it first: p2pavs operator register."
        )
    return record


async def when_counted(chain: Chain, account: bytes) -> str:
    """Return a sentence: from when on sets count an operator, or what that takes."""
    record = await read_operator(chain, account)
    if record is None or not record.active:
        return "No set counts it until it is registered: p2pavs operator register."
    minimum = await reader.minimum_stake(chain)
    source = chain.deployment.stake_source
    if source == NATIVE_STAKE and record.stake < minimum:
        return f"No set counts it: an operator needs {ether(minimum)} (p2pavs operator stake)."
    if await chain.read_one(source, "isMember", account):
        return "It takes part from the next epoch on (p2pavs epoch status)."
    if source == NATIVE_STAKE:
        return "No set counts it: it was ejected, or all have more stake. Add some: p2pavs operator stake."
    return "No set counts it until it registers for the operator set in EigenLayer."


def proven(chain: Chain, account: bytes, key: bytes, secret: bls.SecretKey) -> tuple[bytes, bytes]:
    """Return a key and the proof that who has the account has its secret, as the registry takes them."""
    from consensus import bls

    deployment = chain.deployment
    proof = bls.pop_prove(secret, deployment.chain_id, deployment.operator_registry, account)
    return bls.public_key_to_evm(key), bls.signature_to_evm(proof)


def record_json(record: OperatorRecord) -> dict[str, Any]:
    """Return an operator as the commands print it with --json."""
    return {
        "address": address(record.account),
        "consensusKey": hex_(record.consensus_key),
        "nextKey": None if record.next_key is None else hex_(record.next_key),
        "nextKeyFrom": record.next_key_from or None,
        "active": record.active,
        "stakeWei": str(record.stake),
    }
