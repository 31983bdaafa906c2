"""What the examples have in common: the account that pays, the chain, a question, and its certified answer.

Transactions to the example's own contract are plain web3. The answer is taken with `SyncClient`, which
verifies the certificate here; a dApp that trusts its contract's storage can leave that out.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, Web3Exception
from web3.logs import DISCARD

from p2pavs import Answer, P2pavsError, SyncClient

HERE = Path(__file__).resolve().parent
PATIENCE = 120  # seconds that the network has for an answer; the payment is refundable after that


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every example has."""
    started = sys.modules["__main__"].__spec__  # by python -m
    name = f"python -m {started.name.removesuffix('.__main__')}" if started else None
    options = argparse.ArgumentParser(prog=name, description=description)
    options.add_argument("--rpc", help="JSON-RPC endpoint (default: the one in $P2PAVS_CONFIG)")
    options.add_argument("--deployment", help="deployment file (default: the one in $P2PAVS_CONFIG)")
    options.add_argument("--model", help="name of the model (default: the first that can be asked)")
    options.add_argument("--keys", help="directory of the paying account's keys (default: of $P2PAVS_CONFIG)")
    options.add_argument("--password-file", help="its password (default: of $P2PAVS_CONFIG, or asked for)")
    return options


def settings(arguments: argparse.Namespace, *required: str) -> dict[str, str]:
    """What the command line says, and for the rest the file that $P2PAVS_CONFIG names. Raises ValueError."""
    named = os.environ.get("P2PAVS_CONFIG")
    found: dict[str, Any] = tomllib.loads(Path(named).read_text()) if named else {}
    for name in ("deployment", "keys", "password_file"):  # relative to the file
        if named and name in found:
            found[name] = str(Path(named).parent / found[name])
    found |= {name: value for name, value in vars(arguments).items() if value is not None}
    if missing := [name for name in required if name not in found]:
        options = ", ".join("--" + name for name in missing)
        raise ValueError(f"give {options}, or: export P2PAVS_CONFIG=.testnet/p2pavs.toml")
    return found


def open_account(keys: Path, password_file: str | None) -> LocalAccount:
    """The account that pays. Raises OSError, or ValueError for a wrong password."""
    password = Path(password_file).read_text().rstrip("\r\n") if password_file else getpass.getpass()
    try:
        secret = Account.decrypt(json.loads((keys / "account.json").read_text()), password)
    except ValueError:
        raise ValueError(f"the password does not open {keys / 'account.json'}") from None
    account: LocalAccount = Account.from_key(secret)
    return account


@dataclass
class Dapp:
    """One example's contract, deployed for this run, and who uses it."""

    web3: Web3
    account: LocalAccount
    client: SyncClient
    contract: Any

    def send(self, call: Any, value: int = 0) -> Any:
        """Sign and send a call; its receipt. Raises ValueError if it reverted."""
        return _send(self.web3, self.account, call, value)

    def ask(self, call: Any, text: str) -> int:
        """Send a call that asks the network, with its price and a tenth more; returns the task."""
        price = self.contract.functions.price(text).call()
        receipt = self.send(call, price + price // 10)
        (asked,) = self.contract.events.Asked().process_receipt(receipt, errors=DISCARD)
        fee = Web3.from_wei(asked["args"]["fee"], "ether")
        print(f"asked      task {asked['args']['task']} for {fee} ETH (block {receipt['blockNumber']})")
        return int(asked["args"]["task"])

    def answer(self, task: int) -> Answer:
        """Wait for the certificate and verify it. Raises NotCertified after the deadline."""
        answer = self.client.wait(task)
        share = 100 * answer.signed_weight / answer.total_weight
        print(f"answer     {answer.text}")
        print(f"certified  by {share:.0f}% of the committee's weight, verified here")
        return answer


def run(arguments: argparse.Namespace, name: str, work: Callable[[Dapp], None]) -> int:
    """Deploy a contract of artifacts/ and do an example's work with it; the exit code."""
    try:
        found = settings(arguments, "rpc", "deployment", "keys")
        account = open_account(Path(found["keys"]), found.get("password_file"))
        web3 = Web3(HTTPProvider(found["rpc"]))
        with SyncClient(found["rpc"], found["deployment"]) as client:
            work(Dapp(web3, account, client, _deploy(web3, account, client, found, name)))
    except ContractCustomError as error:
        print(f"a contract refused: {error}", file=sys.stderr)
        return 1
    except P2pavsError as error:
        print(f"failed: {error.message}. {error.remedy}", file=sys.stderr)
        return 1
    except (OSError, ValueError, Web3Exception) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    return 0


def _deploy(
    web3: Web3, account: LocalAccount, client: SyncClient, found: Mapping[str, str], name: str
) -> Any:
    models = client.models()
    model = next((one for one in models if found.get("model", one.name) == one.name), None)
    if model is None:
        raise ValueError(f"there is no such model; the names are {', '.join(one.name for one in models)}")
    gateway = json.loads(Path(found["deployment"]).read_text())["contracts"]["TaskGateway"]
    artifact = json.loads((HERE / "artifacts" / f"{name}.json").read_text())
    factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    call = factory.constructor(Web3.to_checksum_address(gateway), model.id, PATIENCE)
    receipt = _send(web3, account, call)
    print(f"contract   {name} at {receipt['contractAddress']} (block {receipt['blockNumber']})")
    return web3.eth.contract(address=receipt["contractAddress"], abi=artifact["abi"])


def _send(web3: Web3, account: LocalAccount, call: Any, value: int = 0) -> Any:
    nonce = web3.eth.get_transaction_count(account.address)
    transaction = call.build_transaction({"from": account.address, "nonce": nonce, "value": value})
    digest = web3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(digest)
    if receipt["status"] != 1:
        raise ValueError(f"transaction {digest.hex()} reverted")
    return receipt
