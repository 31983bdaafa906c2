"""Apply for a loan and see which rate the contract offers for the score.

python -m examples.loan_desk "5,000 USDC for a year, 8,000 USDC of ETH as collateral"
"""

from __future__ import annotations

from examples.dapp import Dapp, parser, run


def main() -> int:
    """Command line."""
    options = parser("An interest rate from a risk score.")
    options.add_argument("application", help="what is asked for, and what speaks for it")
    arguments = options.parse_args()

    def work(dapp: Dapp) -> None:
        functions = dapp.contract.functions
        dapp.answer(dapp.ask(functions.applyForLoan(arguments.application), arguments.application))
        score, rate = functions.offers(dapp.account.address).call()
        print(f"contract   score {score}, so {rate / 100:.1f}% a year")

    return run(arguments, "LoanDesk", work)


if __name__ == "__main__":
    raise SystemExit(main())
