"""What to offer for a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_low

from p2pavs.chain.rpc import Rpc

GWEI = 10**9
_LEAST_TIP = GWEI // 10


@dataclass(frozen=True, slots=True)
class Fees:
    """Prices of EIP-1559, in wei per gas."""

    max_fee: int
    tip: int

    def bumped(self) -> Fees:
        """Return the least that nodes take as a replacement: 12.5% more of both."""
        return Fees(self.max_fee * 1125 // 1000 + 1, self.tip * 1125 // 1000 + 1)

    def at_least(self, other: Fees) -> Fees:
        """Return the higher of each price."""
        return Fees(max(self.max_fee, other.max_fee), max(self.tip, other.tip))

    def at_most(self, limit: int) -> Fees:
        """Return the same with no price above a limit."""
        return Fees(min(self.max_fee, limit), min(self.tip, limit))


async def market_fees(rpc: Rpc) -> Fees:
    """Fees with which a transaction is mined soon: the median tip, and room for the base fee to double."""
    history = await rpc.fee_history()
    tip = max(_LEAST_TIP, median_low(history.median_tips or (0,)))
    return Fees(2 * history.next_base_fee + tip, tip)
