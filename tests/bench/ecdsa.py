"""The cheap alternative: k of n ECDSA signatures, one contract, no aggregation (sol/EcdsaQuorum.sol)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3
from web3.types import Wei

from consensus.hashing import keccak256
from p2pavs.contracts.compile import compile_sources

SOURCE = Path(__file__).parent / "sol" / "EcdsaQuorum.sol"
GAS = 10_000_000


def artifact() -> dict[str, Any]:
    """The compiled contract."""
    name = "EcdsaQuorum.sol"
    return compile_sources({name: SOURCE.read_text()})[name]["EcdsaQuorum"]


def quorum_gas(url: str, compiled: dict[str, Any], members: int, signers: int) -> int:
    """Gas of a whole transaction that certifies a digest with so many of ``members`` signatures."""
    w3 = Web3(Web3.HTTPProvider(url))
    payer = w3.eth.accounts[0]
    accounts = sorted(
        (Account.from_key(keccak256(b"member %d" % number)) for number in range(members)),
        key=lambda account: int(account.address, 16),
    )
    factory = w3.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
    deployment = factory.constructor([account.address for account in accounts]).transact(
        {"from": payer, "gas": GAS, "gasPrice": Wei(0)}
    )
    address = w3.eth.wait_for_transaction_receipt(deployment)["contractAddress"]
    contract = w3.eth.contract(address=address, abi=compiled["abi"])
    digest = keccak256(b"a result")
    signatures = b""
    for account in accounts[:signers]:
        signed = account.unsafe_sign_hash(digest)
        signatures += signed.r.to_bytes(32, "big") + signed.s.to_bytes(32, "big") + bytes([signed.v])
    sent = contract.functions.certify(digest, signatures).transact(
        {"from": payer, "gas": GAS, "gasPrice": Wei(0)}
    )
    receipt = w3.eth.wait_for_transaction_receipt(sent)
    if receipt["status"] != 1:
        raise RuntimeError("the contract refused right signatures")
    return int(receipt["gasUsed"])
