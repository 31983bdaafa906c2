"""Say something to a game character and see what its mood does to the price of a room.

python -m examples.innkeeper "Good evening! Have you got a room?"
"""

from __future__ import annotations

from examples.dapp import Dapp, parser, run


def main() -> int:
    """Command line."""
    options = parser("A game character with a mood.")
    options.add_argument("words", help="what you say")
    arguments = options.parse_args()

    def work(dapp: Dapp) -> None:
        functions = dapp.contract.functions
        dapp.answer(dapp.ask(functions.talk(arguments.words), arguments.words))
        mood = ("unknown", "friendly", "wary", "angry")[functions.moodOf(dapp.account.address).call()]
        coins = functions.roomPrice(dapp.account.address).call()
        print(f"contract   {mood}: {f'a room costs {coins} coins' if coins else 'no room for you'}")

    return run(arguments, "Innkeeper", work)


if __name__ == "__main__":
    raise SystemExit(main())
