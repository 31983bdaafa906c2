"""Propose something with a claim about it; the vote opens only if the claim holds.

python -m examples.fact_check "pay 20,000 USDC to the auditors" --question "Is this about treasury?"
"""

from __future__ import annotations

from examples.dapp import Dapp, parser, run


def main() -> int:
    """Command line."""
    options = parser("A vote that opens only after a claim about the proposal was checked.")
    options.add_argument("proposal", help="the proposal's text")
    options.add_argument("--question", required=True, help='what "yes" answers if the claim holds')
    arguments = options.parse_args()
    claim = f"{arguments.question}\n{arguments.proposal}"

    def work(dapp: Dapp) -> None:
        functions = dapp.contract.functions
        task = dapp.ask(functions.propose(claim), claim)
        dapp.answer(task)
        proposal = functions.proposalOf(task).call()
        state = ("none", "unchecked", "open", "refused")[functions.proposals(proposal).call()[0]]
        print(f"contract   the vote on proposal {proposal} is {state}")
        if state == "open":
            dapp.send(functions.vote(proposal, True))
            _, ayes, noes = functions.proposals(proposal).call()
            print(f"voted      {ayes} for it, {noes} against it")

    return run(arguments, "FactCheck", work)


if __name__ == "__main__":
    raise SystemExit(main())
