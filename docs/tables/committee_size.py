"""How many seats a committee needs: ``python docs/tables/committee_size.py`` prints the table.

Seats are drawn independently and with replacement, so the number of seats that Byzantine stake gets is
binomial. All sums are exact, in integers.
"""

from __future__ import annotations

from collections.abc import Callable

SHARES = (10, 15, 20, 25, 33)  # Byzantine stake, in percent
BITS = 40  # a chance below 2^-40 is good enough
MOST = 2_001  # seats looked at
CHECKED = 30  # seats around the answer that are looked at one by one

Least = Callable[[int], int]
"""For a number of seats, the fewest Byzantine ones that do harm."""


def wrong_result(seats: int) -> int:
    """Fewest seats that are more than two thirds."""
    return 2 * seats // 3 + 1


def third_crossed(seats: int) -> int:
    """Fewest seats that are more than one third."""
    return seats // 3 + 1


def is_safe(seats: int, percent: int, least: Least) -> bool:
    """Whether the chance of ``least(seats)`` or more Byzantine seats is below 2^-BITS."""
    bad, good = percent, 100 - percent
    first = least(seats)
    everything = int(100**seats)
    term = int(good**seats)  # no Byzantine seat; all terms are shares of everything
    total = 0
    for count in range(seats + 1):
        if count >= first:
            total += term
        term = term * (seats - count) * bad // ((count + 1) * good)
    return total << BITS < everything


def needed(percent: int, least: Least) -> int | None:
    """Return the least number from which on every number of seats is safe; None above ``MOST``.

    Thirds are rounded, so the chance falls in three interleaved rows, one for each remainder of 3.
    """
    answer = 0
    for remainder in range(3):
        low, high = remainder, MOST - (MOST - remainder) % 3
        if not is_safe(high, percent, least):
            return None
        while high - low > 3:  # low is not safe (or 0 to 2 seats), high is
            middle = low + (high - low) // 6 * 3
            if is_safe(middle, percent, least):
                high = middle
            else:
                low = middle
        answer = max(answer, high - 2)
    if is_safe(answer - 1, percent, least):
        raise ArithmeticError("the number before the answer is safe: the search is wrong")
    if not all(is_safe(seats, percent, least) for seats in range(answer, answer + CHECKED)):
        raise ArithmeticError("a number above the answer is not safe: the search is wrong")
    return answer


def main() -> None:
    """Print the table in Markdown."""
    print("| Byzantine stake | wrong result (> 2/3 of the seats) | 1/3 bound crossed (> 1/3 of the seats) |")
    print("|---|---|---|")
    for percent in SHARES:
        cells = [needed(percent, least) for least in (wrong_result, third_crossed)]
        shown = [f"more than {MOST - 1:,}" if cell is None else f"{cell:,}" for cell in cells]
        print(f"| {percent}% | {shown[0]} | {shown[1]} |")


if __name__ == "__main__":
    main()
