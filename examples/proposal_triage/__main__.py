"""Submit a proposal, have it sorted, and see how long its vote stays open.

python -m examples.proposal_triage "raise the swap fee from 0.25% to 0.3%"
"""

from __future__ import annotations

import time

from examples.dapp import Dapp, parser, run


def main() -> int:
    """Command line."""
    options = parser("A DAO whose proposals are sorted by a model.")
    options.add_argument("proposal", help="the proposal's text")
    arguments = options.parse_args()

    def work(dapp: Dapp) -> None:
        functions = dapp.contract.functions
        task = dapp.ask(functions.submit(arguments.proposal), arguments.proposal)
        dapp.answer(task)
        # The gateway called the contract back in the transaction that brought the certificate.
        _, _, votes_until, label = functions.proposals(functions.proposalOf(task).call()).call()
        if votes_until:
            until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(votes_until))
            print(f"contract   {label}: votes stay open until {until} UTC")
        else:
            print(f"contract   {label or 'the callback failed'}: no vote")

    return run(arguments, "ProposalTriage", work)


if __name__ == "__main__":
    raise SystemExit(main())
