"""A dApp that asks a network of models, from its first transaction to the stored answer.

    python classify.py "raise the swap fee from 0.25% to 0.3%"

Deploys ProposalClassifier.sol, submits a proposal with the payment for its classification, waits until the
network has called the contract back, and shows the label that the contract stored. It is plain web3: a dApp
needs nothing of the network's own packages.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, Web3Exception
from web3.logs import DISCARD

HERE = Path(__file__).resolve().parent
PATIENCE = 120  # seconds that the network has for an answer; the payment is refundable after that
POLL = 0.5
MODEL_ABI = [
    {
        "type": "function",
        "name": "idAt",
        "stateMutability": "view",
        "inputs": [{"name": "index", "type": "uint256"}],
        "outputs": [{"name": "", "type": "bytes32"}],
    }
]


def open_account(keys: Path, password_file: str | None) -> LocalAccount:
    """The account that pays. Raises OSError or ValueError (a wrong password)."""
    password = Path(password_file).read_text().rstrip("\r\n") if password_file else getpass.getpass()
    try:
        secret = Account.decrypt(json.loads((keys / "account.json").read_text()), password)
    except ValueError as error:
        raise ValueError(f"the password does not open {keys / 'account.json'}") from error
    account: LocalAccount = Account.from_key(secret)
    return account


def send(web3: Web3, account: LocalAccount, call: Any, value: int = 0) -> Any:
    """Sign and send a contract call or deployment; returns the receipt. Raises ValueError if it reverted."""
    nonce = web3.eth.get_transaction_count(account.address)
    transaction = call.build_transaction({"from": account.address, "nonce": nonce, "value": value})
    digest = web3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(digest)
    if receipt["status"] != 1:
        raise ValueError(f"transaction {digest.hex()} reverted")
    return receipt


def classify(web3: Web3, account: LocalAccount, contracts: dict[str, str], text: str) -> str:
    """Deploy, ask, wait; returns the label the contract stored. Raises TimeoutError after the deadline."""
    models = web3.eth.contract(address=Web3.to_checksum_address(contracts["ModelRegistry"]), abi=MODEL_ABI)
    model = models.functions.idAt(0).call()
    artifact = json.loads((HERE / "artifacts" / "ProposalClassifier.json").read_text())
    factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    gateway = Web3.to_checksum_address(contracts["TaskGateway"])
    deployed = send(web3, account, factory.constructor(gateway, model, PATIENCE))
    classifier = web3.eth.contract(address=deployed["contractAddress"], abi=artifact["abi"])
    print(f"contract   {classifier.address} (block {deployed['blockNumber']})")

    price = classifier.functions.price(text).call()
    asked = send(web3, account, classifier.functions.submit(text), value=price)
    (event,) = classifier.events.ProposalSubmitted().process_receipt(asked, errors=DISCARD)
    proposal, task = event["args"]["proposal"], event["args"]["task"]
    print(f"asked      task {task} for {Web3.from_wei(price, 'ether')} ETH (block {asked['blockNumber']})")

    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        stored = classifier.functions.proposalAt(proposal).call()
        votes_until, label = stored[1], stored[4]
        if votes_until:
            until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(votes_until))
            print(f"called     votes stay open until {until} UTC")
            return str(label)
        time.sleep(POLL)
    raise TimeoutError(f"no answer to task {task} within {PATIENCE} s; the payment is refundable now")


def configuration() -> dict[str, str]:
    """What the network's configuration file says, if $P2PAVS_CONFIG names one."""
    named = os.environ.get("P2PAVS_CONFIG")
    return tomllib.loads(Path(named).read_text()) if named else {}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Have a proposal classified through a contract.")
    parser.add_argument("proposal", help="the proposal's text")
    parser.add_argument("--keys", help="directory of the paying account's keys (default: of $P2PAVS_CONFIG)")
    parser.add_argument("--password-file", help="its password (default: of $P2PAVS_CONFIG, or asked for)")
    parser.add_argument("--rpc", help="JSON-RPC endpoint (default: the one in $P2PAVS_CONFIG)")
    parser.add_argument("--deployment", help="deployment file (default: the one in $P2PAVS_CONFIG)")
    arguments = parser.parse_args()
    try:
        settings = configuration()
        rpc = arguments.rpc or settings.get("rpc")
        deployment = arguments.deployment or settings.get("deployment")
        keys = arguments.keys or settings.get("keys")
        if rpc is None or deployment is None or keys is None:
            parser.error("give --rpc, --deployment and --keys, or: export P2PAVS_CONFIG=.testnet/p2pavs.toml")
        account = open_account(Path(keys), arguments.password_file or settings.get("password_file"))
        contracts = json.loads(Path(deployment).read_text())["contracts"]
        label = classify(Web3(HTTPProvider(rpc)), account, contracts, arguments.proposal)
    except ContractCustomError as error:
        print(f"a contract refused: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError, Web3Exception) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(f"label      {label}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
