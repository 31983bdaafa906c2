"""Amounts of ether as people write them."""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"(\d{1,30})(?:\.(\d{1,18}))?\s*(eth|gwei|wei)?\Z", re.ASCII | re.IGNORECASE)
_DECIMALS = {"eth": 18, "gwei": 9, "wei": 0}


def parse_amount(value: str) -> int:
    """Turn an amount (ETH, or with "gwei" or "wei" after it) into wei, exactly. Raises ``ValueError``."""
    match = _AMOUNT.match(value.strip())
    if match is None:
        raise ValueError(f"{value[:60]!r} is not an amount such as 1.5, 20gwei or 1000wei")
    whole, fraction, unit = match[1], match[2] or "", (match[3] or "eth").lower()
    if len(fraction) > _DECIMALS[unit]:
        raise ValueError(f"{value[:60]!r} has fractions of a wei")
    return int(whole + fraction.ljust(_DECIMALS[unit], "0"))
