"""Report a transaction and read from the contract whether it was a sandwich.

python -m examples.sandwich_watch "buys TOKEN right before a large swap and sells it right after"
"""

from __future__ import annotations

from web3 import Web3

from examples.dapp import Dapp, parser, run


def main() -> int:
    """Command line."""
    options = parser("Was this transaction a sandwich?")
    options.add_argument("description", help="what the transaction did, in words")
    options.add_argument("--transaction", help="its hash (default: the hash of the description)")
    arguments = options.parse_args()
    text = arguments.description
    transaction = arguments.transaction or Web3.keccak(text=text).to_0x_hex()

    def work(dapp: Dapp) -> None:
        functions = dapp.contract.functions
        dapp.answer(dapp.ask(functions.report(transaction, text), text))
        answered, sandwich = functions.isSandwich(dapp.account.address, transaction).call()
        print(f"contract   answered: {answered}, a sandwich: {sandwich}")

    return run(arguments, "SandwichWatch", work)


if __name__ == "__main__":
    raise SystemExit(main())
